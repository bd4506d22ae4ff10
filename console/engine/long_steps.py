"""How far dump and restore are, told about once a second and only where it changed; and an end for what takes long.

What is told is never judged and never waited for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import psycopg

from console.engine.recorder import Recorder
from console.errors import AbortRequested
from console.sources.narration import rows_dumped
from console.sql import EngineConnection
from console.sql import run as run_sql

_EVERY_S = 1.0
_ABORT_POLL_S = 0.1


class DumpProgress:
    """Tells of a dump in rows: all of the tables that are through, and what the server has read of the running one.

    `copying` asks the server and is asked when the dump has been heard; where it knows nothing of the running
    table, that one counts when it is through.
    """

    def __init__(
        self, recorder: Recorder, rows: Mapping[str, int], copying: Callable[[], Mapping[str, int]]
    ) -> None:
        self._recorder = recorder
        self._rows = rows
        self._copying = copying
        self._told = 0

    def __call__(self, size_bytes: int, begun: list[str]) -> None:
        """Say how far it is, where that has changed; before any row is known to be read, in bytes without a whole."""
        done = rows_dumped(begun, self._rows, self._copying()) if begun else 0
        if not done:
            self._recorder.progress("C-03", done=size_bytes, total=0, unit="bytes")
        elif done > self._told:
            self._told = done
            self._recorder.progress("C-03", done=done, total=sum(self._rows.values()), unit="rows")


def read_copying(connection: psycopg.Connection[Any]) -> dict[str, int]:
    """Return the rows that each running COPY of this role's has read by now, by schema.table."""
    run_sql(connection, "source/forget_statistics")
    return {str(relation): int(rows) for relation, rows in run_sql(connection, "source/copy_progress")}


class WatchedRestore:
    """Stands where a restore asks whether to go on, and looks at the copy's size meanwhile.

    `source_bytes` is the size of the source's database, 0 where nobody knows it; what the empty copy takes
    is taken off both. A look that fails is the last one: the restore itself tells what is wrong.
    """

    def __init__(
        self, recorder: Recorder, connection: EngineConnection, database: str, *, source_bytes: int
    ) -> None:
        self._recorder = recorder
        self._connection = connection
        self._database = database
        self._looks = True
        self._empty_bytes = self._size_bytes() or 0
        self._total_bytes = max(0, source_bytes - self._empty_bytes)
        self._told_bytes = 0
        self._looked_at = time.monotonic()

    def raise_if_requested(self) -> None:
        """Raise AbortRequested when the end was asked for; look, where a second has passed."""
        self._recorder.raise_if_requested()
        if self._looks and time.monotonic() - self._looked_at >= _EVERY_S:
            self._looked_at = time.monotonic()
            self._tell()

    def _tell(self) -> None:
        found = self._size_bytes()
        done = 0 if found is None else found - self._empty_bytes
        if done > self._told_bytes:
            self._told_bytes = done
            self._recorder.progress("C-05", done=done, total=self._total_bytes, unit="bytes")

    def _size_bytes(self) -> int | None:
        try:
            [(size_bytes,)] = run_sql(
                self._connection, "environment/database_size", {"database": self._database}
            )
        except psycopg.Error:
            self._looks = False
            return None
        return int(size_bytes)


def unless_aborted(recorder: Recorder, connection: EngineConnection, work: Callable[[], object]) -> None:
    """Let the server work as long as it needs, and cancel it when the end of the run is asked for.

    Raises AbortRequested then, and whatever `work` raises otherwise.
    """
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(work)
        while not wait([working], timeout=_ABORT_POLL_S).done:
            try:
                recorder.raise_if_requested()
            except AbortRequested:
                while not wait([working], timeout=_ABORT_POLL_S).done:
                    connection.cancel_safe()  # again and again: it does nothing to what has not begun
                raise
        working.result()
