"""Statistics of what was restored, before its foreign keys are checked: by two sessions, one for each of two cores.

Owns how the tables are shared out. Never opens a session (its caller says how), and reads no rows itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

from psycopg import sql

from console.sql import EngineConnection
from console.sql import run as run_sql

_OPTIONS = "-c default_statistics_target=10"
"""A tenth of the usual sample: enough to plan a foreign key's join, at a tenth of the time (measured)."""
_TOGETHER_TABLES = 16
_TOGETHER_BYTES = 4 << 20
"""One statement looks at no more: what is large is shared out alone, and both sessions end at about the same time."""
VACUUMED_BYTES = 4 << 20
"""From here on that its indexes alone answer is worth looking at every page: a foreign key between tables of 16 MB is
checked in half the time, where RESTORE_OPTIONS tells the planner what a page in memory costs."""

Open = Callable[..., AbstractContextManager[EngineConnection]]
"""Opens a session to the restored database, with these `options`."""
Share = tuple[str, list[sql.Identifier]]
"""A statement, and the tables that it is for."""


def gather_statistics(open_session: Open) -> None:
    """Let two sessions look at every table, each taking the next share; both have ended then.

    Raises what either of them raises: its tables have no statistics.
    """
    with open_session(options=_OPTIONS) as first, ThreadPoolExecutor(1) as pool:
        todo = deque(_shares(run_sql(first, "environment/analyzable")))
        second = pool.submit(_beside, open_session, todo)
        _take(first, todo)
        second.result()


def _beside(open_session: Open, todo: deque[Share]) -> None:
    try:
        with open_session(options=_OPTIONS) as session:
            _take(session, todo)
    except BaseException:
        todo.clear()
        raise


def _take(session: EngineConnection, todo: deque[Share]) -> None:
    """Take share by share until none is left; where one is refused, none is left for the other session either."""
    try:
        while todo:
            try:
                statement, tables = todo.popleft()
            except IndexError:
                return  # the other session was faster
            run_sql(session, statement, parts={"tables": sql.SQL(", ").join(tables)})
    except BaseException:
        todo.clear()
        raise


def _shares(tables: Sequence[tuple[str, str, int, bool]]) -> Iterator[Share]:
    """Yield what one statement looks at, of schema, name, bytes of rows and whether it is the database's own table."""
    share: list[sql.Identifier] = []
    held_bytes = 0
    for schema, name, size_bytes, own in tables:
        table = sql.Identifier(schema, name)
        if own and size_bytes >= VACUUMED_BYTES:
            yield "environment/vacuum_analyze", [table]
            continue
        if share and (len(share) == _TOGETHER_TABLES or held_bytes + size_bytes > _TOGETHER_BYTES):
            yield "environment/analyze", share
            share, held_bytes = [], 0
        share.append(table)
        held_bytes += size_bytes
    if share:
        yield "environment/analyze", share
