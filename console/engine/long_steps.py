"""How far dump and restore are, told about once a second and only where it changed. Never judged, never waited for."""

from __future__ import annotations

import time
from collections.abc import Mapping

import psycopg

from console.engine.recorder import Recorder
from console.sources.narration import rows_dumped
from console.sql import EngineConnection
from console.sql import run as run_sql

_EVERY_S = 1.0


class DumpProgress:
    """Tells of a dump in rows: those of the tables that are through, and of the running one by their pace.

    Before a table is through there is no pace, and the bytes so far are told without a whole.
    """

    def __init__(self, recorder: Recorder, rows: Mapping[str, int]) -> None:
        self._recorder = recorder
        self._rows = rows
        self._tables = self._bytes_before = self._told = 0

    def __call__(self, size_bytes: int, begun: list[str]) -> None:
        """Say how far it is, where that has changed."""
        if len(begun) != self._tables:
            self._tables, self._bytes_before = len(begun), size_bytes
        through = rows_dumped(begun, self._rows)
        if not through:
            self._recorder.progress("C-03", done=size_bytes, total=0, unit="bytes")
            return
        more = through * (size_bytes - self._bytes_before) // max(1, self._bytes_before)
        done = through + min(more, self._rows.get(begun[-1], 0))
        if done != self._told:
            self._told = done
            self._recorder.progress("C-03", done=done, total=sum(self._rows.values()), unit="rows")


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
