"""How far a restore is, seen in a real database that grows."""

from __future__ import annotations

from typing import Any

import pytest

from console.engine import long_steps
from console.engine.long_steps import DumpProgress, WatchedRestore, read_copying
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


def test_a_dump_is_told_in_rows_from_the_first_table_on() -> None:
    """What the server has read of the running table counts, never more than it has rows, and never backwards."""
    told: Any = Told()
    reads: dict[str, int] = {}
    tell = DumpProgress(told, {"public.big": 1_000, "public.next": 500, "public.last": 5}, lambda: reads)
    tell(4_000, ["public.big"])
    reads["public.big"] = 250
    tell(9_000, ["public.big"])
    tell(9_000, ["public.big"])
    reads.clear()
    for rows in (0, 200, 9_999):
        reads["public.next"] = rows
        tell(90_000, ["public.big", "public.next"])
    tell(90_000, ["public.big", "public.next", "public.last"])
    assert told.progressed[0] == ("C-03", 4_000, 0, "bytes")
    assert [(done, total, unit) for _step, done, total, unit in told.progressed[1:]] == [
        (250, 1_505, "rows"), (1_000, 1_505, "rows"), (1_200, 1_505, "rows"), (1_500, 1_505, "rows")
    ]  # fmt: skip


def test_the_server_tells_how_far_a_copy_is(production: Any) -> None:
    """In one transaction, as beside a dump: a COPY in mid-table has read some rows, later more; odd names stay."""
    with production.connect("postgres") as admin, production.connect("postgres") as reader:
        admin.execute(
            """CREATE TABLE "odd.Name" AS SELECT repeat('x', 1000) AS c FROM generate_series(1, 50000)"""
        )
        admin.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            assert read_copying(admin) == {}
            with reader.cursor().copy('COPY "odd.Name" TO STDOUT') as copying:
                pieces = iter(copying)
                next(pieces)
                [(relation, rows)] = read_copying(admin).items()
                assert relation == "public.odd.Name" and 0 < rows < 50_000
                for _number in range(25_000):
                    next(pieces)
                [(_relation, later)] = read_copying(admin).items()
                assert rows + 10_000 < later < 50_000
                assert [*pieces]
        finally:
            admin.execute("COMMIT")
            admin.execute('DROP TABLE "odd.Name"')
