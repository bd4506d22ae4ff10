"""Exact row counts of many tables: several in one statement, and by two sessions in one snapshot where that pays.

Owns how the tables are shared out. Never estimates, never opens a session (its caller gives the second one), and counts
nothing outside the snapshot of the first.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from console.errors import StepFailed
from console.sql import EngineConnection, Ran, load, pinned, run

Connection = psycopg.Connection[Any]
Table = tuple[str, str, int]
"""Schema, name, and the bytes of its rows."""

_TOGETHER_TABLES = 16
_TOGETHER_BYTES = 4 << 20
"""One statement counts no more: what is large is shared out alone, and both sessions end at about the same time."""
MANY_TABLES = 300
MANY_BYTES = 64 << 20
"""From here on a second session gains more than the few milliseconds that it takes to open."""
_PARALLEL_BYTES = 8 << 20
"""PostgreSQL counts a larger table with workers of its own (min_parallel_table_scan_size, manual 19.7.2)."""


@dataclass(frozen=True, kw_only=True)
class SecondSession:
    """How a second session to the same database is opened; `snapshot` is what the first exported, "" for nothing yet.

    The first session can export only from a transaction that has no savepoint.
    """

    open: Callable[[], AbstractContextManager[Connection]]
    snapshot: str = ""


def count_tables(conn: Connection, tables: Sequence[Table], second: SecondSession | None = None) -> list[int]:
    """Return the exact row count of each table, in their order, all in the snapshot of `conn`'s transaction.

    The second session is opened only for what is many or large. Raises psycopg.Error as the server gave it, and
    StepFailed when the second session could have written.
    """
    found: dict[int, int] = {}
    todo = deque(_shares(tables))
    if second is not None and _two_pay(tables):
        with _joined(conn, second) as session, _counting(session, tables, todo, found):
            _count(conn, tables, todo, found)
    else:
        _count(conn, tables, todo, found)
    return [found[place] for place in range(len(tables))]


def _two_pay(tables: Sequence[Table]) -> bool:
    sizes = [size_bytes for _schema, _name, size_bytes in tables if size_bytes < _PARALLEL_BYTES]
    return len(sizes) >= MANY_TABLES or sum(sizes) >= MANY_BYTES


def _shares(tables: Sequence[Table]) -> Iterator[list[int]]:
    """Yield places in `tables` that one statement counts, the largest tables first."""
    share: list[int] = []
    size_bytes = 0
    for place in sorted(range(len(tables)), key=lambda place: -tables[place][2]):
        size_bytes += tables[place][2]
        if share and (len(share) == _TOGETHER_TABLES or size_bytes > _TOGETHER_BYTES):
            yield share
            share, size_bytes = [], tables[place][2]
        share.append(place)
    if share:
        yield share


def _count(conn: Connection, tables: Sequence[Table], todo: deque[list[int]], found: dict[int, int]) -> None:
    """Count share by share until none is left; another session may take some of them."""
    before, after = load("catalogue/count_rows", conn.info.server_version // 10_000).text.split("{table}")
    while todo:
        try:
            share = todo.popleft()
        except IndexError:
            return  # the other session was faster
        names = (sql.Identifier(*tables[place][:2]).as_string(conn) for place in share)
        parts = {"count_rows": sql.SQL("), (".join(f"{before}{name}{after}" for name in names))}
        [(numbers,)] = run(conn, "catalogue/count_many", parts=parts)
        found.update(zip(share, numbers, strict=True))


@contextmanager
def _joined(conn: Connection, way: SecondSession) -> Iterator[Connection]:
    """Give the second session, read-only and in the snapshot of the first."""
    name = way.snapshot or run(conn, "source/export_snapshot")[0][0]
    with way.open() as second:
        run(second, "source/begin_snapshot")
        run(second, "catalogue/join_snapshot", parts={"snapshot_text": sql.Literal(name)})
        [(read_only, _isolation)] = run(second, "source/session_mode")
        if read_only != "on":
            raise StepFailed(
                "the second session that counts rows could write; nothing was counted", cause="drydock"
            )
        with pinned(second):
            yield second
        run(second, "source/end_snapshot")


@contextmanager
def _counting(
    second: Connection, tables: Sequence[Table], todo: deque[list[int]], found: dict[int, int]
) -> Iterator[None]:
    """Let the second session count in a thread while the block does; what it sent is told afterwards, from here."""
    told: list[Ran] = []
    failed: list[psycopg.Error] = []
    observer = second.observer if isinstance(second, EngineConnection) else None

    def count() -> None:
        try:
            _count(second, tables, todo, found)
        except psycopg.Error as wrong:
            failed.append(wrong)
            todo.clear()

    if isinstance(second, EngineConnection):
        second.observer = told.append
    thread = threading.Thread(target=count, name="second counting session")
    thread.start()
    try:
        yield
    finally:
        todo.clear()
        thread.join()
        if isinstance(second, EngineConnection):
            second.observer = observer
        for ran in told if observer else ():
            assert observer is not None
            observer(ran)
    if failed:
        raise failed[0]
