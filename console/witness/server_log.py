"""PostgreSQL's jsonlog of the isolated copy, read as it grows, as `ServerLine`s.

Owns the position in the file and what a line means. Never skips anything silently: a line that cannot be
read, a gap in a session's numbering and a file that shrank or was replaced are irregularities.

What log_statement=all writes on PostgreSQL 16 and 18 (tests/witness/test_server_log.py holds it):
a simple query is one line "statement: …" whatever it contains; an extended one is "execute NAME: …", once for
each execution; Parse and Bind alone write nothing. A statement that fails in Parse (a syntax error),
in Bind (a denied SELECT with parameters) or in raw parsing has no line but its ERROR. With auto_explain,
where the server has it, what ran inside functions, triggers and constraints comes as "nested".
"""

from __future__ import annotations

import calendar
import os
import re
import time
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from console.model.trace import ServerLine
from console.witness.nested import nested_text

LINE_LIMIT_BYTES = 8 * 1024 * 1024
_CHUNK_BYTES = 1024 * 1024
_STAMP = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(\.\d+)?")
_STATEMENT, _EXECUTE, _FASTPATH = "statement: ", "execute ", "fastpath function call: "
_ERRORS = frozenset({"ERROR", "FATAL", "PANIC"})
_BEFORE_ANY_LINE = ("PARSE", "BIND")
_decode = msgspec.json.Decoder().decode


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What one call of `ServerLog.read` found: whole new lines, and sentences about what is wrong."""

    lines: tuple[ServerLine, ...]
    irregularities: tuple[str, ...] = ()


class ServerLog:
    """The growing jsonlog file at `path`; reads each line once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._pending = bytearray()
        self._skipping = False
        self._position = 0
        self._numbers: dict[str, int] = {}

    def read(self, scenario: str = "") -> Reading:
        """Return the lines that became whole since the last call, each marked with `scenario`.

        A torn last line waits for its end. A file that is not there yet has no lines.
        """
        irregular: list[str] = []
        self._follow(irregular)
        lines: list[ServerLine] = []
        for raw in self._whole_lines(irregular):
            found = _entry(raw)
            if isinstance(found, str):
                irregular.append(f"{self._path.name}: {found}")
                continue
            gap = self._gap(found)
            irregular += [gap] if gap else []
            lines.append(server_line(found, scenario))
        return Reading(lines=tuple(lines), irregularities=tuple(irregular))

    def __enter__(self) -> ServerLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _follow(self, irregular: list[str]) -> None:
        """Open the file when it appears; notice when it shrinks, goes or is another one."""
        try:
            there = self._path.stat()
        except FileNotFoundError:
            if self._file is not None:
                irregular.append(f"{self._path.name} is gone after {self._position} bytes were read")
                self.close()
            return
        if self._file is not None:
            known = os.fstat(self._file.fileno())
            if (known.st_dev, known.st_ino) != (there.st_dev, there.st_ino):
                irregular.append(f"{self._path.name} was replaced after {self._position} bytes were read")
                self.close()
            elif there.st_size < self._position:
                irregular.append(f"{self._path.name} shrank from {self._position} to {there.st_size} bytes")
                self.close()
        if self._file is None:
            self._file = self._path.open("rb")
            self._pending.clear()
            self._skipping, self._position = False, 0
            self._numbers.clear()

    def _whole_lines(self, irregular: list[str]) -> Iterator[bytes]:
        while self._file is not None and (chunk := self._file.read(_CHUNK_BYTES)):
            self._position += len(chunk)
            *ends, rest = chunk.split(b"\n")
            for part in ends:
                self._pending += part
                yield from self._take(irregular)
            self._pending += rest
            if len(self._pending) > LINE_LIMIT_BYTES:
                self._skipping = True
                self._pending.clear()

    def _take(self, irregular: list[str]) -> Iterator[bytes]:
        if self._skipping or len(self._pending) > LINE_LIMIT_BYTES:
            irregular.append(
                f"{self._path.name}: a line is longer than {LINE_LIMIT_BYTES} bytes and was not read"
            )
        elif self._pending:
            yield bytes(self._pending)
        self._skipping = False
        self._pending.clear()

    def _gap(self, entry: dict[str, Any]) -> str | None:
        """Compare the line's number with its session's last one; the server counts without gaps."""
        session, number = str(entry.get("session_id", "")), entry.get("line_num")
        if entry.get("backend_type") == "postmaster" or not isinstance(number, int):
            return None
        last = self._numbers.get(session, 0)
        self._numbers[session] = number
        if number == last + 1:
            return None
        return f"{self._path.name}: session {session} goes from line {last} to line {number}"


def _entry(raw: bytes) -> dict[str, Any] | str:
    try:
        entry = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        return f"a line is not JSON in UTF-8: {wrong}"
    if not isinstance(entry, dict) or not isinstance(entry.get("pid"), int):
        return "a line is not an entry of the server's log"
    if any(not isinstance(entry.get(key, ""), str) for key in ("message", "statement", "user", "session_id")):
        return "a line's texts are not texts"
    return entry


def server_line(entry: dict[str, Any], scenario: str = "") -> ServerLine:
    """Return one entry of the jsonlog as a line."""
    severity = str(entry.get("error_severity", ""))
    kind, sql, prepared = _kind(entry, severity)
    said = str(entry.get("context" if kind == "nested" else "message", ""))
    shown = str(entry.get("ps", ""))
    vxid = str(entry.get("vxid", ""))
    return ServerLine(
        at=_at(entry), pid=entry["pid"], session=str(entry.get("session_id", "")),
        line=int(entry.get("line_num", 0)), user=str(entry.get("user", "")),
        database=str(entry.get("dbname", "")), application=str(entry.get("application_name", "")),
        kind=kind, severity=severity, sqlstate=str(entry.get("state_code", "")), sql=sql,
        message="" if kind in ("statement", "execute") else said,
        prepared=prepared, scenario=scenario, vxid="" if vxid.endswith("/0") else vxid,
        unlogged=kind == "error" and bool(sql) and (shown in _BEFORE_ANY_LINE or shown.startswith("idle")),
    )  # fmt: skip


def _kind(entry: dict[str, Any], severity: str) -> tuple[str, str, str]:
    """Return kind, statement and prepared name.

    RAISE LOG can imitate every message; what it writes has a context, what the server writes by
    itself about a statement has none. A nested statement has one too: imitating it adds a statement that is judged.
    """
    message = str(entry.get("message", ""))
    if severity in _ERRORS:
        return "error", str(entry.get("statement", "")), ""
    if severity == "LOG" and (nested := nested_text(message, str(entry.get("context") or ""))) is not None:
        return "nested", nested, ""
    if severity != "LOG" or entry.get("context"):
        return "other", "", ""
    if message.startswith(_STATEMENT):
        return "statement", message[len(_STATEMENT) :], ""
    if message.startswith(_EXECUTE) and ": " in message:
        name, _, sql = message[len(_EXECUTE) :].partition(": ")
        return "execute", sql, "" if name == "<unnamed>" else name
    if message.startswith(_FASTPATH):
        return "statement", message, ""
    if message.startswith("connection authorized: "):
        return "connection", "", ""
    if message.startswith("disconnection: "):
        return "disconnection", "", ""
    return "other", "", ""


def _at(entry: dict[str, Any]) -> float:
    """Return seconds since the epoch, whatever log_timezone is.

    The session's id begins with its start as hexadecimal seconds since the epoch, and session_start
    says the same moment in the log's time zone.
    """
    stamp, start = str(entry.get("timestamp", "")), str(entry.get("session_start", ""))
    local, began = _STAMP.match(stamp), _STAMP.match(start)
    epoch = str(entry.get("session_id", "")).partition(".")[0]
    if local is None or began is None or not re.fullmatch(r"[0-9a-f]{1,16}", epoch):
        return 0.0
    fraction = float(f"0{local[2]}") if local[2] else 0.0
    return int(epoch, 16) + _seconds(local[1]) - _seconds(began[1]) + fraction


@lru_cache(maxsize=64)
def _seconds(text: str) -> int:
    return calendar.timegm(time.strptime(text, "%Y-%m-%d %H:%M:%S"))


def sessions_ended(lines: Iterable[ServerLine], pids: Collection[int]) -> bool:
    """Tell whether the server logged the end of every one of these backends' sessions.

    True means that nothing more of them will come in the log. A backend that was never seen has not ended.
    """
    state = dict.fromkeys(pids, False)
    for line in lines:
        if line.pid in state and line.kind in ("connection", "disconnection"):
            state[line.pid] = line.kind == "disconnection"
    return all(state.values())
