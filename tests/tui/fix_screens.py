"""Made-up runs on disk for the screens: a journal that is a story, a trace of any size."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

import msgspec
from fix_journals import RUN, Story

from console.model.trace import BlockSeal, ClientStatement, EngineStatement, ServerLine
from console.secrets import SecretRegistry
from console.trace_log import Record, TraceWriter
from console.tui.decision import Answer, Said

HOSTILE = "SELECT '\x1b]2;owned\x07' [/] [@click=app.exit]x[/] \u202e FROM t -- \x9b31m"


def statement(n: int, **changes: object) -> ClientStatement:
    """Return one client statement."""
    told: dict[str, object] = {
        "n": n, "pid": 4711, "principal": "cutter_exec", "scenario": "S4", "attempt": "mark", "phase": "MARK",
        "sql": f"SELECT entry_id FROM public.decision_backlog_entry WHERE n = {n}", "sent_at": 1795246494.5 + n / 1000,
        "types": ("uuid", "int4"), "tx": "intrans", "transaction": 2, "answered": True, "duration_us": 250, "rows": 1,
        "callers": ("find (cutter_agent/db_adapter.py:87)",),
    }  # fmt: skip
    return ClientStatement(**{**told, **changes})  # type: ignore[arg-type]


def server_line(sql: str, **changes: object) -> ServerLine:
    """Return one line of the server's log."""
    told: dict[str, object] = {
        "at": 1795246494.6, "pid": 4711, "session": "6b01.12", "line": 4, "user": "cutter_exec", "database": "directus",
        "application": "", "kind": "statement", "severity": "LOG", "sql": sql,
    }  # fmt: skip
    return ServerLine(**{**told, **changes})  # type: ignore[arg-type]


def engine_query(name: str) -> EngineStatement:
    """Return one of the engine's own queries."""
    return EngineStatement(
        at=1795246494.4, target="source", name=name, sha256="ab" * 32, rows=1, duration_us=400
    )


def write_run(runs: Path, story: Story, records: Iterable[Record] = ()) -> Path:
    """Write journal and trace of a run that nobody holds, and return its folder."""
    story.write(runs).close()
    folder = runs / RUN
    writer = TraceWriter(folder, SecretRegistry())
    writer.append(records, origin="test")
    writer.seal()
    writer.close()
    return folder


def write_large_trace(folder: Path, count: int, *, needle_at: int) -> None:
    """Write a trace of `count` client statements; one of them fails and is the only one that says needle."""
    lines, offsets, at = bytearray(), bytearray(), 0
    seal = msgspec.json.encode(BlockSeal(records=200, block=0, sha256="0" * 64)) + b"\n"
    line = msgspec.json.encode(statement(1)) + b"\n"
    needle = (
        msgspec.json.encode(statement(2, sql="DELETE FROM needle", sqlstate="42501", message="denied"))
        + b"\n"
    )
    for number in range(count):
        record = needle if number == needle_at else line
        offsets += struct.pack("<Q", at)
        lines += record
        at += len(record)
        if number % 200 == 199:
            lines += seal
            at += len(seal)
    (folder / "trace.jsonl").write_bytes(lines)
    (folder / "trace.idx").write_bytes(offsets)


class Engine:
    """Stands for the engine: keeps what it was asked, says what it was told to say."""

    def __init__(self, *, accepts: bool = True) -> None:
        self.asked: list[Answer] = []
        self.accepts = accepts

    def __call__(self, answer: Answer) -> Said:
        self.asked.append(answer)
        return Said(
            accepted=self.accepts, says="taken" if self.accepts else "the digest is not the one of B-2"
        )
