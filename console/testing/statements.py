"""SQL texts as the fake server needs them: split at semicolons, without comments, as words.

Knows PostgreSQL's lexical rules (quotes, dollar quotes, comments, E'' escapes) and no grammar beyond them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
      (?P<blank>\s+|--[^\n]*)
    | (?P<string>[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*')
    | (?P<name>"(?:[^"]|"")*")
    | (?P<dollar>\$(?P<tag>[A-Za-z_]*)\$.*?\$(?P=tag)\$)
    | (?P<word>[^\W\d][\w$]*|\d[\w.]*)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, kw_only=True)
class Token:
    """One word, name, string or sign, and where it ends in the text."""

    text: str
    kind: str
    start: int
    end: int

    @property
    def upper(self) -> str:
        """Return a key word in capitals; names in quotes and strings stay as they are."""
        return self.text.upper() if self.kind == "word" else self.text

    @property
    def name(self) -> str:
        """Return the identifier that it stands for: folded to lower case unless it is quoted."""
        if self.kind == "name":
            return self.text[1:-1].replace('""', '"')
        return self.text.lower()

    @property
    def value(self) -> str:
        """Return a string's content, a word as it is."""
        if self.kind == "string":
            return self.text.strip("eE")[1:-1].replace("''", "'")
        return self.name


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """One statement: its text, trimmed, and its tokens; `words` are the tokens in capitals."""

    text: str
    tokens: tuple[Token, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """Return the tokens, key words in capitals."""
        return tuple(token.upper for token in self.tokens)

    @property
    def verb(self) -> str:
        """Return the first word, "" for an empty statement."""
        return self.tokens[0].upper if self.tokens else ""

    def after(self, word: str) -> str:
        """Return the text behind the first occurrence of a key word, "" when there is none."""
        found = next((token for token in self.tokens if token.upper == word), None)
        return self.text[found.end :].strip() if found else ""

    @property
    def normal(self) -> str:
        """Return the statement in lower case on one line, without comments."""
        parts = [token.text.lower() if token.kind != "string" else token.text for token in self.tokens]
        gaps = ["", *(_gap(left, right) for left, right in zip(self.tokens, self.tokens[1:], strict=False))]
        return "".join(gap + part for gap, part in zip(gaps, parts, strict=True))


def _gap(left: Token, right: Token) -> str:
    return " " if left.end != right.start else ""


def _skip_comment(text: str, at: int) -> int:
    """Return the place behind a block comment, which may hold others."""
    depth = 0
    while at < len(text):
        if text.startswith("/*", at):
            depth, at = depth + 1, at + 2
        elif text.startswith("*/", at):
            depth, at = depth - 1, at + 2
            if not depth:
                break
        else:
            at += 1
    return at


def _tokens(text: str) -> list[Token]:
    found, at = [], 0
    while at < len(text):
        if text.startswith("/*", at):
            at = _skip_comment(text, at)
            continue
        match = _TOKEN.match(text, at)
        assert match is not None  # the last alternative takes any character
        kind = "dollar" if match.lastgroup == "tag" else str(match.lastgroup)
        if kind != "blank":
            found.append(Token(text=match[0], kind=kind, start=at, end=match.end()))
        at = match.end()
    return found


def parse(text: str) -> list[Parsed]:
    """Return the statements of a text; an empty one between semicolons is left out."""
    parsed: list[Parsed] = []
    run: list[Token] = []
    for token in [*_tokens(text), Token(text=";", kind="other", start=len(text), end=len(text))]:
        if token.kind != "other" or token.text != ";":
            run.append(token)
        elif run:
            start = run[0].start
            moved = tuple(
                Token(text=one.text, kind=one.kind, start=one.start - start, end=one.end - start)
                for one in run
            )
            parsed.append(Parsed(text=text[start : run[-1].end], tokens=moved))
            run = []
    return parsed
