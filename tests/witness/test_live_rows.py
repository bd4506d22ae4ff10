"""The glance at a table's rows while somebody writes, on real PostgreSQL: what it sees, and what it must not claim."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from console.witness.catalogue import count_rows
from console.witness.live_rows import LiveRows

TABLES = ("orders", "parted", "Other One.odd")


@pytest.fixture
def copy(production: Any) -> Iterator[psycopg.Connection[Any]]:
    """Yield a superuser connection to a database of its own with three tables, one of them in partitions."""
    with production.connect("postgres") as admin:
        admin.execute("CREATE DATABASE live")
        with production.connect("live") as conn:
            conn.execute("CREATE TABLE orders (id integer)")
            conn.execute("INSERT INTO orders SELECT generate_series(1, 100)")
            conn.execute("CREATE TABLE parted (id integer) PARTITION BY RANGE (id)")
            conn.execute("CREATE TABLE p1 PARTITION OF parted FOR VALUES FROM (0) TO (10)")
            conn.execute("CREATE TABLE p2 PARTITION OF parted FOR VALUES FROM (10) TO (20)")
            conn.execute('CREATE SCHEMA "Other One"')
            conn.execute('CREATE TABLE "Other One".odd (id integer)')
            yield conn
        admin.execute("DROP DATABASE live WITH (FORCE)")


def after(production: Any, copy: psycopg.Connection[Any], *statements: str) -> dict[str, int]:
    """Let a session run statements and end; return what a glance from before it says then."""
    copy.execute("SELECT pg_stat_force_next_flush()")
    first = count_rows(copy, "public", TABLES)
    live = LiveRows(copy, "public", first)
    with production.connect("live") as subject:
        for statement in statements:
            subject.execute(statement)
        [[pid]] = subject.execute("SELECT pg_backend_pid()").fetchall()
    deadline = time.monotonic() + 10
    while copy.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [pid]).fetchall():
        assert time.monotonic() < deadline
    found = dict(live.gained())
    counted = count_rows(copy, "public", TABLES)
    assert found == {name: counted[name] - first[name] for name in TABLES}, (
        "the glance is not what is counted"
    )
    return found


def test_what_was_committed_is_seen_by_table(production: Any, copy: psycopg.Connection[Any]) -> None:
    """Rows of a partition, of another schema, or rows that were deleted are not seen."""
    changes = after(
        production, copy, "INSERT INTO orders SELECT generate_series(1, 7)", "DELETE FROM orders WHERE id > 90",
        "INSERT INTO parted VALUES (1), (11), (12)", 'INSERT INTO "Other One".odd VALUES (1)',
    )  # fmt: skip
    assert changes == {"orders": -3, "parted": 3, "Other One.odd": 1}


def test_what_was_rolled_back_or_emptied_is_no_gain(production: Any, copy: psycopg.Connection[Any]) -> None:
    """Rows that a rollback took back are shown, or a TRUNCATE is not."""
    changes = after(
        production, copy, "BEGIN; INSERT INTO parted VALUES (1), (2); ROLLBACK", "TRUNCATE orders",
    )  # fmt: skip
    assert changes == {"orders": -100, "parted": 0, "Other One.odd": 0}


def test_an_open_transaction_is_not_seen(production: Any, copy: psycopg.Connection[Any]) -> None:
    """Rows are shown that nobody but their writer has."""
    live = LiveRows(copy, "public", dict.fromkeys(TABLES, 100))
    with production.connect("live") as subject:
        subject.execute("BEGIN")
        subject.execute("INSERT INTO orders VALUES (1)")
        subject.execute("SELECT pg_stat_force_next_flush()")
        assert set(live.gained().values()) == {0}
        subject.execute("COMMIT")
    deadline = time.monotonic() + 10
    while live.gained()["orders"] != 1:
        assert time.monotonic() < deadline
