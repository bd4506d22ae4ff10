"""Statistics by two sessions: every table once, and a failure of either is the failure of both."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import psycopg
import pytest

from console.engine import analyzing
from console.engine.analyzing import gather_statistics
from console.sql import EngineConnection

TABLES = [
    *(("public", f"huge {number}", 4 << 20, True) for number in range(2)),
    ("pg_catalog", "pg_largeobject", 128 << 20, False),
    *(("public", f"large {number}", (4 << 20) - 1, True) for number in range(6)),
    *(("public", f"small {number}", 8192, True) for number in range(40)),
    *(("pg_catalog", f"pg_{number}", 8192, False) for number in range(20)),
]


class Sessions:
    """Opens two sessions that remember what they were sent; `refused` is the session that is refused at its share."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, refused: int = 0, unopened: int = 0) -> None:
        self.sent: dict[int, list[tuple[str, str]]] = {}
        self.options: list[str] = []
        self.closed: list[int] = []
        self.refused, self.unopened = refused, unopened
        self.both = threading.Barrier(2)
        monkeypatch.setattr(analyzing, "run_sql", self.run)

    @contextmanager
    def open(self, *, options: str) -> Iterator[EngineConnection]:
        number = len(self.options) + 1
        self.options.append(options)
        if number == self.unopened:
            raise psycopg.OperationalError("no more connections")
        self.sent[number] = []
        try:
            yield cast(EngineConnection, number)
        finally:
            self.closed.append(number)

    def run(self, session: Any, name: str, parts: dict[str, Any] | None = None) -> list[Any]:
        if parts is None:
            assert name == "environment/analyzable"
            return list(TABLES)
        if not self.sent[session] and not self.unopened:
            self.both.wait(timeout=10)
        self.sent[session].append((name, parts["tables"].as_string(None)))
        if session == self.refused:
            raise psycopg.errors.RaiseException("no statistics of this one")
        return []


def test_every_table_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table is left out or looked at twice, one session does it all, or what is small or a catalogue is vacuumed."""
    sessions = Sessions(monkeypatch)
    gather_statistics(sessions.open)
    assert all(sessions.sent[number] for number in (1, 2))
    sent = [one for told in sessions.sent.values() for one in told]
    looked_at = [table for _name, tables in sent for table in tables.split(", ")]
    assert sorted(looked_at) == sorted(f'"{schema}"."{name}"' for schema, name, _bytes, _own in TABLES)
    vacuumed = sorted(tables for name, tables in sent if name == "environment/vacuum_analyze")
    assert vacuumed == ['"public"."huge 0"', '"public"."huge 1"']
    assert {name for name, _tables in sent} == {"environment/vacuum_analyze", "environment/analyze"}
    assert max(tables.count(", ") for _name, tables in sent) == analyzing._TOGETHER_TABLES - 1
    assert [tables for _name, tables in sent if "large" in tables and "," in tables] == []
    assert set(sessions.options) == {"-c default_statistics_target=10"}


@pytest.mark.parametrize("refused", [1, 2])
def test_one_session_that_is_refused_ends_both(monkeypatch: pytest.MonkeyPatch, refused: int) -> None:
    """The step goes on without statistics of some tables, or the other session takes share after share meanwhile."""
    sessions = Sessions(monkeypatch, refused=refused)
    with pytest.raises(psycopg.errors.RaiseException, match="no statistics of this one"):
        gather_statistics(sessions.open)
    assert len(sessions.sent[refused]) == 1
    assert sorted(sessions.closed) == [1, 2]


@pytest.mark.parametrize("unopened", [1, 2])
def test_one_session_that_cannot_be_opened_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, unopened: int
) -> None:
    """The other one does what it can, and nobody hears of the first."""
    sessions = Sessions(monkeypatch, unopened=unopened)
    with pytest.raises(psycopg.OperationalError, match="no more connections"):
        gather_statistics(sessions.open)
    assert sessions.closed == ([1] if unopened == 2 else [])
