"""What a migration's states are read as, on real PostgreSQL: partitions, owners, names, a tool's own tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from console.model.catalogue import full_name, pack_name, split_name
from console.model.migration_facts import SchemaState
from console.witness.schema_state import read_books, read_schema_state

BUILT = """
CREATE TABLE event (id integer NOT NULL, note text) PARTITION BY RANGE (id);
CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM (1) TO (100);
CREATE TABLE event_2 PARTITION OF event FOR VALUES FROM (100) TO (1000);
INSERT INTO event SELECT n FROM generate_series(1, 200) AS n;
CREATE TABLE empty (id integer) PARTITION BY LIST (id);
CREATE TABLE migration (id serial);
CREATE TABLE migration_log (id bigint GENERATED ALWAYS AS IDENTITY);
CREATE SEQUENCE migration_alone_seq;
CREATE TABLE "log v1.2" (x integer);
INSERT INTO "log v1.2" VALUES (1);
CREATE SCHEMA a;
CREATE SCHEMA "a.b";
CREATE TABLE a."b.c" (x integer);
CREATE TABLE "a.b".c (x integer);
INSERT INTO a."b.c" VALUES (1), (2);
CREATE TABLE alembic_version (version_num text);
INSERT INTO alembic_version VALUES ('0001');
"""


@pytest.fixture(scope="module")
def place(production: Any) -> Iterator[psycopg.Connection[Any]]:
    """Yield a superuser's session in a database of its own, which is gone afterwards."""
    with production.connect("postgres") as admin:
        admin.execute("CREATE DATABASE states")
        try:
            with production.connect("states") as conn:
                conn.execute(BUILT)
                yield conn
        finally:
            admin.execute("DROP DATABASE states WITH (FORCE)")


def state(conn: psycopg.Connection[Any]) -> SchemaState:
    """Return the whole state."""
    return read_schema_state(conn, roles=(), schema="public", database="states")


def test_a_partition_that_is_taken_away_is_a_loss(place: psycopg.Connection[Any]) -> None:
    """A partition that was detached takes its rows along, and its table counts as many as before."""
    with place.transaction(force_rollback=True):
        assert state(place).below == {"public.empty": 0, "public.event": 200}
        place.execute("ALTER TABLE event DETACH PARTITION event_2")
        assert state(place).below == {"public.empty": 0, "public.event": 99}


def test_a_sequence_is_its_column_s(place: psycopg.Connection[Any]) -> None:
    """A sequence is taken for the one of a table whose name its own begins with."""
    assert state(place).owners == {
        "public.migration_id_seq": "public.migration", "public.migration_log_id_seq": "public.migration_log",
    }  # fmt: skip


def test_a_name_with_a_dot_is_one_name(place: psycopg.Connection[Any]) -> None:
    """A table with a dot in its name is looked for in another schema, or two tables have one name."""
    rows = state(place).rows
    assert (rows["public.log v1.2"], rows["a.b.c"], rows['"a.b".c']) == (1, 2, 0)
    for schema, table in (("a", "b.c"), ("a.b", "c"), ('a"."b', "c"), ("a", '"b".c'), ('a"', "b")):
        assert split_name("other", full_name(schema, table)) == (schema, table)
    assert pack_name("public", "public", "log v1.2") == "public.log v1.2"


def test_a_tool_s_own_table_is_found(place: psycopg.Connection[Any]) -> None:
    """The table of the tool's revisions is not found by its usual name, or one is found for SQL files."""
    [(name, before)] = (read_books(place, (), kind="alembic") or {}).items()
    assert name == "public.alembic_version"
    assert read_books(place, (), kind="django") == {}
    assert read_books(place, ("public.migration",), kind="alembic") == {"public.migration": "0 0"}
    assert read_books(place, ("public.migration",), kind="sql") is None
    with place.transaction(force_rollback=True):
        place.execute("UPDATE alembic_version SET version_num = '0002'")
        assert read_books(place, (), kind="alembic") not in ({name: before}, {}, None)
