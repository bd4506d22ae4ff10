"""A plain-text dump cut into statements and COPY data, as psql cuts it, in one pass and bounded memory.

Owns psql's lexical rules (src/fe_utils/psqlscan.l of PostgreSQL 15 to 18) and refuses every text that psql
could read in more than one way. Runs nothing, connects to nothing, judges no statement (`dump_rules`).
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from console.model.text import one_line

STATEMENT_LIMIT_BYTES = 64 * 1024 * 1024
"""Of one statement and of one line of it: what a dump's largest function body or INSERT needs, many times."""

DATA_LINE_LIMIT_BYTES = 1024 * 1024 * 1024
"""PostgreSQL's own limit of one value (1 GB, appendix K), which no line of COPY data can exceed."""

FIRST_TOKENS, LAST_TOKENS = 24, 4
_WORDS_SHOWN_CHARS = 60
_TOKEN_KEPT_BYTES = 200

_TOKEN = re.compile(
    rb"""(?P<blank>[ \t\n\r\f\v]+)
    |(?P<line_comment>--[^\n\r]*)
    |(?P<comment>/\*)
    |(?P<quoted>[bBxXeE]'|[uU]&'|')
    |(?P<name>[uU]&"|")
    |(?P<dollar>\$(?:[A-Za-z\x80-\xff_][A-Za-z\x80-\xff_0-9]*)?\$)
    |(?P<word>[A-Za-z\x80-\xff_][A-Za-z\x80-\xff_0-9$]*)
    |(?P<number>\$?[0-9][A-Za-z\x80-\xff_0-9.]*)
    |(?P<safe_colon>::|:=)
    |(?P<variable>:(?:['"]|\{\?|[A-Za-z\x80-\xff_0-9]*[A-Z][A-Za-z\x80-\xff_0-9]*))
    |(?P<meta>\\[^\n]*)
    |(?P<sign>.)""",
    re.VERBOSE | re.DOTALL,
)
_IN_QUOTES = re.compile(rb"[^'\\]+|''|'|\\'|\\\\|\\")
_IN_NAME = re.compile(rb'[^"]+|""|"')
_IN_COMMENT = re.compile(rb"/\*|\*/")
_CONTROL = re.compile(rb"[\x01-\x08\x0e-\x1f\x7f]")
_DATA_ESCAPE = re.compile(rb"\\[^bfnrtvN\\]")
_LAST_ERROR = b"LAST_ERROR_MESSAGE"
_UNRESTRICT = b"\\unrestrict"
_RESTRICT_LINE = re.compile(rb"\\(restrict|unrestrict) ([A-Za-z0-9]+)\n")
TRAILER = b"-- PostgreSQL database dump complete"


class Refused(Exception):
    """What the dump holds is not restored: `line` counts from 1, `what` says why in one phrase."""

    def __init__(self, line: int, what: str, *, truncated: bool = False) -> None:
        self.line, self.what, self.truncated = line, what, truncated
        super().__init__(f"line {line}: {what}")


class _In(Enum):
    """Where the lexer stands at the end of a line."""

    TEXT = "text"
    QUOTES = "a quoted string"
    NAME = "a quoted name"
    DOLLAR = "a dollar-quoted string"
    COMMENT = "a comment"
    DATA = "the data of a COPY"


@dataclass(kw_only=True)
class Statement:
    """One statement: its first and last tokens in lower case where they are words, and where it began.

    A string literal is kept as `'content` (shortened), a quoted name as `"content`.
    """

    line: int = 0
    first: list[str] = field(default_factory=list)
    last: list[str] = field(default_factory=list)
    size_bytes: int = 0

    def add(self, token: str) -> None:
        """Keep a token while it is among the first, and always among the last."""
        if len(self.first) < FIRST_TOKENS:
            self.first.append(token)
        self.last = [*self.last[-(LAST_TOKENS - 1) :], token]

    @property
    def words(self) -> str:
        """Return the beginning of the statement for a sentence."""
        return shown(" ".join(token.lstrip("'\"") for token in self.first[:8]))


def shown(text: str) -> str:
    """Return hostile words for a sentence: visible, one line, short."""
    return one_line(text, limit_chars=_WORDS_SHOWN_CHARS)


class DumpLexer:
    """Takes the dump's lines one by one (`feed`), and what follows the last (`end`).

    `judge` is called with each whole statement and raises Refused; it returns True where COPY data
    follows. `feed` returns what psql may be given in the line's place: the line, or an empty one for
    the two meta-commands that a dump may have.
    """

    def __init__(self, judge: Callable[[Statement], bool]) -> None:
        self._judge = judge
        self._where = _In.TEXT
        self._tag = b""
        self._depth = self._parens = self._begins = 0
        self._statement = Statement()
        self._body: list[str] = []
        self._line = 0
        self._copy_line = 0
        self._data_bytes = 0
        self._whole_line = True
        self._copy_pending = False
        self._decoder = codecs.getincrementaldecoder("utf-8")("strict")
        self._held = self._tail = self._key = b""
        self._seen_statement = self._complete = self._unrestricted = False

    @property
    def in_data(self) -> bool:
        """Tell whether the next line is COPY data, which may come in pieces."""
        return self._where is _In.DATA

    def feed(self, line: bytes) -> bytes:
        """Take one line with its newline, or a piece of a line of COPY data."""
        if self._whole_line:
            self._line += 1
        try:
            self._decoder.decode(line)
        except UnicodeDecodeError as wrong:
            raise Refused(self._line, "bytes that are not UTF-8; dump with --encoding=UTF8") from wrong
        if b"\0" in line:
            raise Refused(self._line, "a NUL byte, at which psql would cut the line")
        known = self._tail + line
        if _LAST_ERROR in known:
            raise Refused(self._line, "psql's variable LAST_ERROR_MESSAGE, whose content a dump can choose")
        self._tail = known[-len(_LAST_ERROR) :]
        if self._where is _In.DATA:
            self._data(line)
            return line
        return self._text(line)

    def _data(self, piece: bytes) -> None:
        began, ended = self._whole_line, piece.endswith(b"\n")
        self._whole_line = ended
        if began:
            self._data_bytes = 0
            if piece == b"\\.\n":
                self._where, self._held = _In.TEXT, b""
                return
        self._data_bytes += len(piece)
        if self._data_bytes > DATA_LINE_LIMIT_BYTES:
            raise Refused(self._line, f"a line of data over {DATA_LINE_LIMIT_BYTES} bytes")
        whole = self._held + piece
        wrong = _DATA_ESCAPE.search(whole.replace(b"\\\\", b"//"))
        if wrong is not None:
            raise Refused(
                self._line, f"data with {shown(wrong[0].decode('latin-1'))!r}, which no pg_dump writes"
            )
        slashes = len(whole) - len(whole.rstrip(b"\\"))
        self._held = b"\\" if not ended and slashes % 2 else b""

    def _text(self, line: bytes) -> bytes:
        if (
            len(line) > STATEMENT_LIMIT_BYTES
            or self._statement.size_bytes + len(line) > STATEMENT_LIMIT_BYTES
        ):
            raise Refused(self._line, f"a statement over {STATEMENT_LIMIT_BYTES} bytes")
        restricting = (
            _RESTRICT_LINE.fullmatch(line) if self._where is _In.TEXT and not self._statement.first else None
        )
        if restricting is not None:
            self._restricting(restricting[1], restricting[2])
            return b"\n"
        if _UNRESTRICT in line:
            raise Refused(self._line, "the meta-command \\unrestrict where no pg_dump writes it")
        if line.rstrip(b"\n") == TRAILER and self._where is _In.TEXT and not self._statement.first:
            self._complete = True
        self._scan(line)
        if self._statement.first:
            self._statement.size_bytes += len(line)
        if self._copy_pending:
            self._copy_pending, self._where, self._copy_line = False, _In.DATA, self._line
        return line

    def _restricting(self, word: bytes, key: bytes) -> None:
        if word == b"restrict":
            if self._seen_statement or self._key:
                raise Refused(
                    self._line, "the meta-command \\restrict, allowed once and before the first statement"
                )
            self._key = key
        elif not self._complete or key != self._key or self._unrestricted:
            raise Refused(
                self._line,
                "the meta-command \\unrestrict, allowed once, at the end, with the key of \\restrict",
            )
        else:
            self._unrestricted = True

    def _scan(self, line: bytes) -> None:
        position = 0
        while position < len(line):
            if self._where is _In.TEXT:
                position = self._token(line, position)
            elif self._where is _In.QUOTES:
                position = self._quotes(line, position)
            elif self._where is _In.NAME:
                position = self._name(line, position)
            elif self._where is _In.DOLLAR:
                found = line.find(self._tag, position)
                position = len(line) if found < 0 else found + len(self._tag)
                self._where = _In.DOLLAR if found < 0 else _In.TEXT
            else:
                position = self._comment(line, position)

    def _token(self, line: bytes, position: int) -> int:
        found = _TOKEN.match(line, position)
        assert found is not None and found.lastgroup is not None
        kind, text = found.lastgroup, found[0]
        words = shown(line[found.start() : found.end() + 40].decode("utf-8", "replace"))
        if _CONTROL.search(text):
            raise Refused(self._line, f"a control character outside data and strings: {words}")
        if kind in ("blank", "line_comment"):
            return found.end()
        if kind == "comment":
            self._where, self._depth = _In.COMMENT, 1
            return found.end()
        if kind == "meta":
            raise Refused(self._line, f"the meta-command {words}")
        if kind == "variable":
            raise Refused(self._line, f"psql would put a variable in place of {words}")
        self._open(kind, text)
        if self._copy_pending and line[found.end() :].strip():
            raise Refused(self._line, "something behind a COPY on the same line")
        return found.end()

    def _open(self, kind: str, text: bytes) -> None:
        """Take a token that is part of a statement."""
        statement = self._statement
        if self._complete and not (kind == "sign" and text == b";" and not statement.first):
            raise Refused(self._line, "a statement behind the dump's last line")
        statement.line = statement.line or self._line
        self._seen_statement = True
        if kind == "quoted":
            self._where, self._body = _In.QUOTES, ["'"]
        elif kind == "name":
            self._where, self._body = _In.NAME, ['"']
        elif kind == "dollar":
            self._where, self._tag = _In.DOLLAR, text
            statement.add("'")
        elif kind == "word":
            self._word(text.decode("utf-8", "replace").lower())
        elif kind == "sign":
            self._sign(text.decode("latin-1"))
        else:
            statement.add(text.decode("utf-8", "replace"))

    def _word(self, word: str) -> None:
        self._statement.add(word)
        if self._parens or not _is_routine(self._statement.first):
            return
        if word == "begin" or (word == "case" and self._begins):
            self._begins += 1
        elif word == "end" and self._begins:
            self._begins -= 1

    def _sign(self, sign: str) -> None:
        if sign == "(":
            self._parens += 1
        elif sign == ")" and self._parens:
            self._parens -= 1
        if sign != ";" or self._parens or self._begins:
            self._statement.add(sign)
            return
        ended, self._statement = self._statement, Statement()
        if ended.first:
            self._copy_pending = self._judge(ended)

    def _quotes(self, line: bytes, position: int) -> int:
        found = _IN_QUOTES.match(line, position)
        assert found is not None
        text = found[0]
        if text == b"\\'":
            raise Refused(
                self._line, "a string with \\', which ends in one place or another by the server's settings"
            )
        if text == b"'":
            self._where = _In.TEXT
            self._statement.add("".join(self._body))
        elif len(self._body) < 4:
            self._body.append(text[:_TOKEN_KEPT_BYTES].decode("utf-8", "replace"))
        return found.end()

    def _name(self, line: bytes, position: int) -> int:
        found = _IN_NAME.match(line, position)
        assert found is not None
        text = found[0]
        if _CONTROL.search(text):
            raise Refused(
                self._line, f"a control character in a name: {shown(text.decode('utf-8', 'replace'))}"
            )
        if text == b'"':
            self._where = _In.TEXT
            self._statement.add("".join(self._body))
        elif len(self._body) < 4:
            self._body.append(text[:_TOKEN_KEPT_BYTES].decode("utf-8", "replace"))
        return found.end()

    def _comment(self, line: bytes, position: int) -> int:
        found = _IN_COMMENT.search(line, position)
        end = found.end() if found else len(line)
        if _CONTROL.search(line, position, end):
            raise Refused(self._line, "a control character in a comment")
        if found:
            self._depth += 1 if found[0] == b"/*" else -1
        if not self._depth:
            self._where = _In.TEXT
        return end

    def end(self) -> None:
        """Raise Refused unless the dump ended where a whole dump ends."""
        if self._where is _In.DATA:
            raise Refused(
                self._line,
                f"cut off in {self._where.value} that began at line {self._copy_line}",
                truncated=True,
            )
        if self._where is not _In.TEXT or self._statement.first:
            place = "a statement" if self._where is _In.TEXT else self._where.value
            raise Refused(self._line, f"cut off in {place}", truncated=True)
        if not self._complete:
            raise Refused(
                self._line, f"cut off: the last line {TRAILER.decode()!r} is missing", truncated=True
            )
        if self._key and not self._unrestricted:
            raise Refused(self._line, "cut off: \\unrestrict is missing", truncated=True)


def _is_routine(first: list[str]) -> bool:
    """Tell whether a statement begins as CREATE [OR REPLACE] FUNCTION or PROCEDURE: its body may hold `;`."""
    words = first[3:4] if first[1:3] == ["or", "replace"] else first[1:2]
    return first[:1] == ["create"] and words in (["function"], ["procedure"])
