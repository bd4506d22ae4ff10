"""How far a restore is, seen in a real database that grows."""

from __future__ import annotations

from typing import Any

import pytest

from console.engine import long_steps
from console.engine.long_steps import DumpProgress, WatchedRestore
from console.errors import AbortRequested


class Told:
    """Stands for the recorder: keeps what it is told, and asks for the end when it should."""

    def __init__(self) -> None:
        self.progressed: list[tuple[str, int, int, str]] = []
        self.abort = False

    def progress(self, step: str, *, done: int, total: int, unit: str) -> None:
        """Keep it."""
        self.progressed.append((step, done, total, unit))

    def raise_if_requested(self) -> None:
        """Ask for the end where the test does."""
        if self.abort:
            raise AbortRequested("the test")


def test_a_growing_copy_is_told_once_for_each_size(production: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Growth beyond the empty database is told once, standing still is not; a lost session ends the looks alone."""
    monkeypatch.setattr(long_steps, "_EVERY_S", 0.0)
    told: Any = Told()
    with production.connect("postgres") as admin, production.connect("postgres") as looking:
        admin.execute("CREATE DATABASE growing TEMPLATE template0")
        try:
            watched = WatchedRestore(told, looking, "growing", source_bytes=100_000_000)
            watched.raise_if_requested()
            assert told.progressed == []
            with production.connect("growing") as writer:
                writer.execute("CREATE TABLE t AS SELECT repeat('x', 1000) FROM generate_series(1, 2000)")
            watched.raise_if_requested()
            watched.raise_if_requested()
            [(step, done, total, unit)] = told.progressed
            assert (step, unit) == ("C-05", "bytes")
            assert 1_500_000 < done < 20_000_000 < total < 100_000_000
            looking.close()
            watched.raise_if_requested()
            told.abort = True
            with pytest.raises(AbortRequested):
                watched.raise_if_requested()
        finally:
            admin.execute("DROP DATABASE growing")
    assert len(told.progressed) == 1


def test_a_dump_is_told_in_rows_once_a_table_is_through() -> None:
    """Before a table is through nobody can tell how much is left; afterwards its pace tells, and never too much."""
    told: Any = Told()
    tell = DumpProgress(told, {"public.big": 1_000, "public.next": 500, "public.last": 5})
    tell(4_000, ["public.big"])
    for size_bytes in (10_000, 10_000, 12_000, 90_000):
        tell(size_bytes, ["public.big", "public.next"])
    tell(90_000, ["public.big", "public.next", "public.last"])
    assert told.progressed[0] == ("C-03", 4_000, 0, "bytes")
    assert [(done, total, unit) for _step, done, total, unit in told.progressed[1:]] == [
        (1_000, 1_505, "rows"), (1_200, 1_505, "rows"), (1_500, 1_505, "rows")
    ]  # fmt: skip
