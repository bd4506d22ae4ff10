"""The heads of runs: what a list shows of thousands of them, from the first and the last line of each journal.

Verifies nothing and folds nothing, so that a list costs the same whatever the runs hold. What a journal claims
of itself is a claim: `drydock verify` decides.
"""

from __future__ import annotations

import os
import stat
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from console.errors import JournalBroken
from console.model.browsing import RunHead
from console.model.sample_words import sample_mark
from console.runs import JOURNAL_FILE, journal_is_held

_BODY_AT = len(b'{"hash":"') + 64 + len(b'",')
_PIECE_BYTES = 64 << 10
_LONGEST_BYTES = 4 << 20
_SEALS = ("seal.json", "seal.sig")


class _Config(msgspec.Struct, frozen=True):
    subject_folder: str = ""
    sample: Any = None
    mask: Any = None


class _Begin(msgspec.Struct, frozen=True):
    kind: str = ""
    title: str = ""
    config: _Config = _Config()


class _End(msgspec.Struct, frozen=True):
    kind: str = ""
    verdict: str = ""
    closure: str = ""
    cause: str | None = None
    failed_gate: str | None = None
    failed_scenario: str | None = None
    reason: str = ""
    boundary: str = ""


class _First(msgspec.Struct, frozen=True):
    at: str
    event: _Begin


class _Last(msgspec.Struct, frozen=True):
    at: str
    event: _End


_first, _last = msgspec.json.Decoder(_First), msgspec.json.Decoder(_Last)


def read_head(runs: Path, run: str) -> RunHead:
    """Return what a run's journal says of itself at its two ends; one that cannot be read is broken."""
    folder = runs / run
    try:
        lines = _two_lines(folder / JOURNAL_FILE)
        held = journal_is_held(folder / JOURNAL_FILE)
        if lines is None:
            return RunHead(run=run, condition="starting" if held else "dead")
        first, last = _first.decode(lines[0]), _last.decode(lines[1])
    except FileNotFoundError:
        return RunHead(run=run, condition="starting")
    except (OSError, msgspec.DecodeError, JournalBroken) as wrong:
        return RunHead(run=run, condition="broken", reason=str(wrong))
    return _head(folder, first, last, held=held)


def _head(folder: Path, first: _First, last: _Last, *, held: bool) -> RunHead:
    end, told = last.event, dict[str, Any]()
    condition = "running" if held else "dead"
    if end.kind == "RunEnded":
        condition = "ended"
        config = first.event.config
        told = {
            "verdict": end.verdict, "closure": end.closure, "cause": end.cause or "", "reason": end.reason,
            "where": end.failed_scenario or end.failed_gate or sample_mark(config.sample, config.mask),
            "sealed": all((folder / seal).exists() for seal in _SEALS),
        }  # fmt: skip
    elif held and end.kind == "BoundaryArmed":
        condition, told = "waiting", {"where": end.boundary}
    return RunHead(
        run=folder.name, condition=condition, began_at=first.at, duration_s=_seconds(first.at, last.at),
        title=first.event.title, subject=first.event.config.subject_folder, **told,
    )  # fmt: skip


def _seconds(began_at: str, last_at: str) -> float | None:
    try:
        return max(0.0, (datetime.fromisoformat(last_at) - datetime.fromisoformat(began_at)).total_seconds())
    except (ValueError, TypeError):
        return None


def _two_lines(path: Path) -> tuple[bytes, bytes] | None:
    """Return the first and the last whole line without their hashes, None before there is one."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(22, "it is no regular file", str(path))
        first = _first_line(descriptor, path)
        last = _last_line(descriptor, found.st_size, path) if first else b""
    finally:
        os.close(descriptor)
    return (b"{" + first[_BODY_AT:], b"{" + last[_BODY_AT:]) if first else None


def _first_line(descriptor: int, path: Path) -> bytes:
    read, at = bytearray(), 0
    while piece := os.pread(descriptor, _PIECE_BYTES, at):
        read += piece
        at += len(piece)
        if b"\n" in piece:
            return bytes(read[: read.index(b"\n")])
        if at > _LONGEST_BYTES:
            raise JournalBroken(str(path), 1, "the line is longer than any first line")
    return b""


def _last_line(descriptor: int, size_bytes: int, path: Path) -> bytes:
    """Return the last whole line; what a torn write left after it is passed over."""
    read, at = b"", size_bytes
    while at > 0 and len(read) <= _LONGEST_BYTES:
        begin = max(0, at - _PIECE_BYTES)
        read = os.pread(descriptor, at - begin, begin) + read
        at = begin
        whole = read[: read.rfind(b"\n") + 1]
        lines = whole[:-1].rpartition(b"\n")
        if whole and (lines[1] or at == 0):
            return lines[2]
    raise JournalBroken(str(path), 0, "its last line is longer than any that ends a run")
