"""The ledger: one chained line for each beginning, seal and removal of a run, kept outside the packs.

A run that vanished, a journal whose tail was cut off and a pack that was sealed anew show here. Lines are
only ever appended (a line that a power cut tore is cut off); nothing in it is a secret.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Literal

import msgspec

from console.errors import JournalBroken
from console.journal import GENESIS, chain, now_at

LEDGER_FILE = "ledger.jsonl"
_HEAD = b'{"hash":"'
_BODY_AT = len(_HEAD) + 64 + len(b'",')
_LONGEST_LINE_BYTES = 64 << 10


class LedgerLine(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to a run; `journal` is its head and `lines` its length then, `seal` the seal's sha256."""

    n: int = 0
    at: str = ""
    run: str
    what: Literal["began", "first seal", "final seal", "removed"]
    folder: str = ""
    journal: str = ""
    lines: int = 0
    seal: str = ""
    key: str = ""
    verdict: str = ""
    closure: str = ""


def append(ledger: Path, line: LedgerLine) -> LedgerLine:
    """Append one line durably, numbered and dated here, 0600, under a lock; return it as it was written."""
    ledger.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(ledger, flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        number, previous = _last(descriptor, ledger)
        written = msgspec.structs.replace(line, n=number + 1, at=now_at())
        body = msgspec.json.encode(written)[1:] + b"\n"
        whole = _HEAD + chain(previous, body).encode("ascii") + b'",' + body
        if os.write(descriptor, whole) != len(whole):
            raise OSError(28, "the line was not written whole", str(ledger))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return written


def _last(descriptor: int, ledger: Path) -> tuple[int, str]:
    """Return number and hash of the last whole line; what follows it is cut off."""
    size_bytes = os.fstat(descriptor).st_size
    begin = max(0, size_bytes - 2 * _LONGEST_LINE_BYTES)
    tail = os.pread(descriptor, size_bytes - begin, begin)
    whole, _newline, torn = tail.rpartition(b"\n")
    if torn:
        os.ftruncate(descriptor, size_bytes - len(torn))
    if not whole:
        return 0, GENESIS
    line = whole.rpartition(b"\n")[2]
    try:
        number = msgspec.json.decode(b"{" + line[_BODY_AT:], type=LedgerLine).n
    except msgspec.DecodeError as wrong:
        raise JournalBroken(str(ledger), 0, f"the last line cannot be read: {wrong}") from wrong
    return number, line[len(_HEAD) : len(_HEAD) + 64].decode("ascii", "replace")


def read_ledger(ledger: Path) -> list[LedgerLine]:
    """Return every whole line, verified; empty when there is no ledger.

    Raises JournalBroken at the first line that does not verify.
    """
    found: list[LedgerLine] = []
    previous = GENESIS
    try:
        content = ledger.read_bytes()
    except FileNotFoundError:
        return found
    for number, text in enumerate(content.split(b"\n")[:-1], 1):
        body = text[_BODY_AT:] + b"\n"
        said = text[len(_HEAD) : len(_HEAD) + 64]
        if not text.startswith(_HEAD) or chain(previous, body).encode("ascii") != said:
            what = "the hash does not fit the line and the one before it"
            raise JournalBroken(str(ledger), number, what)
        try:
            line = msgspec.json.decode(b"{" + body, type=LedgerLine)
        except msgspec.DecodeError as wrong:
            raise JournalBroken(str(ledger), number, f"not a line of a ledger: {wrong}") from wrong
        if line.n != number:
            raise JournalBroken(str(ledger), number, f"the line says that it is number {line.n}")
        found.append(line)
        previous = said.decode("ascii")
    return found


def of_run(lines: list[LedgerLine], run: str) -> list[LedgerLine]:
    """Return what the ledger holds of one run, in order."""
    return [line for line in lines if line.run == run]


def vanished(lines: list[LedgerLine], runs: Path, there: set[str]) -> list[LedgerLine]:
    """Return the last line of each run of the folder `runs` that is not there and was not removed by us."""
    last: dict[str, LedgerLine] = {line.run: line for line in lines if line.folder == str(runs)}
    return [line for run, line in last.items() if run not in there and line.what != "removed"]
