"""Effects on real PostgreSQL: every kind of change shows, and what is no change stays silent."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from console.witness.effects import TupleCounts, catalogue_digest, read_sequences, read_tuple_effects

Engine = psycopg.Connection[Any]


@pytest.fixture(scope="module")
def copy(production: Any) -> Iterator[Engine]:
    """Yield a superuser connection to a database of its own with one small table."""
    with production.connect("postgres") as admin:
        admin.execute("CREATE DATABASE effects")
        with production.connect("effects") as conn:
            conn.execute("CREATE TABLE public.ledger (id integer PRIMARY KEY, word text)")
            conn.execute("INSERT INTO ledger SELECT n, 'w' FROM generate_series(1, 500) AS n")
            conn.execute("ALTER TABLE ledger ADD COLUMN late text NOT NULL DEFAULT 'missing value'")
            conn.execute("CREATE SEQUENCE public.numbers")
            conn.execute("CREATE ROLE effect_role LOGIN PASSWORD 'not the real one'")
            yield conn
        admin.execute("DROP DATABASE effects WITH (FORCE)")
        admin.execute("DROP ROLE effect_role")


def changed(conn: Engine, statement: str) -> set[str]:
    """Run one statement and return the catalogue tables whose digest moved."""
    before = catalogue_digest(conn)
    conn.execute(statement.encode())
    after = catalogue_digest(conn)
    assert before.keys() == after.keys()
    return {name for name in before if before[name] != after[name]}


QUIET = {
    "insert": "INSERT INTO ledger (id, word) VALUES (1000, 'x')",
    "update": "UPDATE ledger SET word = 'y' WHERE id = 1",
    "delete": "DELETE FROM ledger WHERE id = 2",
    "sequence": "SELECT nextval('numbers')",
    "analyze": "ANALYZE",
    "vacuum": "VACUUM (FREEZE, ANALYZE)",
    "vacuum of the catalogue": "VACUUM (FREEZE) pg_class, pg_attribute, pg_database",
    "checkpoint": "CHECKPOINT",
    "a rolled back change": "BEGIN; CREATE TABLE gone (x integer); ROLLBACK",
}


@pytest.mark.parametrize("statement", QUIET.values(), ids=QUIET.keys())
def test_plain_work_leaves_the_catalogue_as_it_was(copy: Engine, statement: str) -> None:
    """DML, vacuum, analyze and what was rolled back move no digest."""
    assert changed(copy, statement) == set()


LOUD = {
    "truncate": ("TRUNCATE ledger", "pg_class"),
    "table": ("CREATE TABLE another (x integer)", "pg_class"),
    "grant": ("GRANT SELECT ON ledger TO effect_role", "pg_class"),
    "column grant": ("GRANT UPDATE (word) ON ledger TO effect_role", "pg_attribute"),
    "role attribute": ("ALTER ROLE effect_role CREATEDB", "pg_authid"),
    "password": ("ALTER ROLE effect_role PASSWORD 'another'", "pg_authid"),
    "role setting": ("ALTER ROLE effect_role SET work_mem = '1MB'", "pg_db_role_setting"),
    "membership": ("GRANT pg_read_all_data TO effect_role", "pg_auth_members"),
    "database": ("ALTER DATABASE effects CONNECTION LIMIT 30", "pg_database"),
    "function": ("CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 1'", "pg_proc"),
    "trigger and back": (
        "ALTER TABLE ledger DISABLE TRIGGER ALL; ALTER TABLE ledger ENABLE TRIGGER ALL",
        "pg_trigger",
    ),
    "rule": ("CREATE RULE r AS ON DELETE TO ledger DO INSTEAD NOTHING", "pg_rewrite"),
    "comment": ("COMMENT ON TABLE ledger IS 'c'", "pg_description"),
    "event trigger": (
        "CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
        "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION e()",
        "pg_event_trigger",
    ),
    "large object": ("SELECT lo_from_bytea(0, 'x')", "pg_largeobject"),
    "temporary table": ("CREATE TEMPORARY TABLE t (x integer)", "pg_class"),
}


@pytest.mark.parametrize(("statement", "table"), LOUD.values(), ids=LOUD.keys())
def test_a_change_of_the_catalogue_shows(copy: Engine, statement: str, table: str) -> None:
    """DDL, TRUNCATE, GRANT and a role's change each move the digest of the table that holds it."""
    if table == "pg_trigger":
        copy.execute("CREATE TABLE child (id integer REFERENCES ledger)")
    assert table in changed(copy, statement)


def test_no_verifier_leaves_the_server(copy: Engine) -> None:
    """The digests are hex of 64 digits and nothing of pg_authid's rows."""
    assert all(len(digest) == 64 and int(digest, 16) >= 0 for digest in catalogue_digest(copy).values())
    assert {"pg_authid", "pg_auth_members", "pg_database", "pg_db_role_setting"} <= catalogue_digest(
        copy
    ).keys()


def test_tuples_are_counted_even_when_rolled_back(production: Any, copy: Engine) -> None:
    """A delete that a rollback took back is still counted, and a truncate is not."""
    copy.execute("CREATE TABLE counted (x integer)")
    with production.connect("effects") as subject:
        subject.execute("INSERT INTO counted SELECT generate_series(1, 5)")
        subject.execute("UPDATE counted SET x = 9 WHERE x < 3")
        subject.execute("BEGIN; DELETE FROM counted WHERE x = 9; ROLLBACK")
        [(pid,)] = subject.execute("SELECT pg_backend_pid()").fetchall()
    wait_until_gone(copy, pid)
    expected = TupleCounts(inserted=5, updated=2, deleted=2)
    assert read_tuple_effects(copy)["public.counted"] == expected
    copy.execute("TRUNCATE counted")
    assert read_tuple_effects(copy)["public.counted"].deleted == 2


def test_our_own_writes_are_flushed_before_they_are_read(copy: Engine) -> None:
    """The engine's own write a moment ago is in the counters."""
    copy.execute("CREATE TABLE own (x integer)")
    copy.execute("INSERT INTO own VALUES (1)")
    assert read_tuple_effects(copy)["public.own"] == TupleCounts(inserted=1, updated=0, deleted=0)


def test_a_sequence_moved_by_a_rolled_back_transaction_shows(copy: Engine) -> None:
    """nextval inside a transaction that was rolled back leaves another value."""
    copy.execute("CREATE SEQUENCE moved")
    before = read_sequences(copy)["public.moved"]
    copy.execute("BEGIN; SELECT nextval('moved'); ROLLBACK")
    assert (before, read_sequences(copy)["public.moved"]) == ("1,false", "1,true")


def wait_until_gone(conn: Engine, pid: int) -> None:
    """Return when the backend has ended, which is when its counters are complete."""
    deadline = time.monotonic() + 10
    while conn.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [pid]).fetchall():
        assert time.monotonic() < deadline, f"backend {pid} did not end in 10 s"
