"""What statements ask a right for, by their words alone: a scratch table, a function that is put back, a database."""

from __future__ import annotations

import pytest

from console.witness.asked_rights import not_allowed

OBJECTS = (
    "CREATE in public", "CREATE in books", 'CREATE in "a b"', "CREATE in the database", "pg_database shop",
    "pg_namespace books", "pg_proc books.f()", "pg_proc books.f(integer, text)", "pg_type books.mood",
    "pg_class books.t",
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("CREATE TABLE public.scratch AS SELECT 1", ("CREATE in public",)),
        ("CREATE TABLE scratch (a integer)", ("CREATE in public",)),
        ("CREATE TABLE IF NOT EXISTS books.s (a integer)", ("CREATE in books",)),
        ('CREATE VIEW "a b".v AS SELECT 1', ('CREATE in "a b"',)),
        ("SELECT 1 AS a INTO books.s", ("CREATE in books",)),
        ("CREATE TEMP TABLE s AS SELECT 1", ()),
        ("CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", ()),
        ("CREATE TABLE app.s (a integer)", ()),
        ("CREATE SCHEMA app", ("CREATE in the database",)),
        ("CREATE EXTENSION hstore", ("CREATE in the database",)),
        ("CREATE EXTENSION IF NOT EXISTS hstore", ()),
        ("CREATE PUBLICATION p", ("CREATE in the database",)),
        ("CREATE TYPE books.e AS ENUM ('a')", ("CREATE in books",)),
        ("CREATE DOMAIN books.d AS integer", ("CREATE in books",)),
        ("CREATE SEQUENCE books.q", ("CREATE in books",)),
        ("CREATE OR REPLACE FUNCTION books.f() RETURNS int LANGUAGE sql AS 'SELECT 2'",
         ("CREATE in books", "pg_proc books.f()")),
        ("CREATE FUNCTION books.f(a int, b text, OUT c int) LANGUAGE sql AS 'SELECT 2'", ("CREATE in books",)),
        ("ALTER FUNCTION books.f(integer, text) COST 3", ("pg_proc books.f(integer, text)",)),
        ("ALTER FUNCTION books.f(integer) COST 3", ()),
        ("DROP FUNCTION books.f", ("pg_proc books.f()", "pg_proc books.f(integer, text)")),
        ("ALTER FUNCTION books.f() OWNER TO a", ("pg_proc books.f()",)),
        ("ALTER FUNCTION books.f() RENAME TO g", ("pg_proc books.f()",)),
        ("ALTER DATABASE shop SET work_mem = '8MB'", ("pg_database shop",)),
        ("ALTER DATABASE shop RESET work_mem", ("pg_database shop",)),
        ("ALTER DATABASE shop CONNECTION LIMIT 3", ("pg_database shop",)),
        ("ALTER DATABASE shop OWNER TO a", ("pg_database shop",)),
        ("ALTER DATABASE other SET work_mem = '8MB'", ()),
        ("DROP SCHEMA books", ("pg_namespace books",)),
        ("ALTER SCHEMA books RENAME TO b", ("pg_namespace books",)),
        ("ALTER TYPE books.mood ADD VALUE 'x'", ("pg_type books.mood",)),
        ("ALTER TYPE books.mood RENAME TO m", ("pg_type books.mood",)),
        ("DROP TYPE books.mood", ("pg_type books.mood",)),
        ("UPDATE books.t SET a = 1", ()),
        ("SELECT 1", ()),
        ("no statement", ()),
    ],
)  # fmt: skip
def test_what_a_statement_asks_a_right_for(text: str, asks: tuple[str, ...]) -> None:
    """A right that a statement needs is not told, or one that it does not need is."""
    assert not_allowed([text], OBJECTS, schema="public") == asks


def test_a_name_is_nobody_s_once_the_path_is_set() -> None:
    """A name without its schema is looked for in a schema that it may not be in."""
    texts = ["SET search_path = books", "CREATE TABLE s (a integer)", "CREATE TABLE books.s (a integer)"]
    assert not_allowed(texts, OBJECTS, schema="public") == ("CREATE in books",)
