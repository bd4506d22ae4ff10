"""Hidden deeds by the catalogue: each is named with what sets it off."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from measure import Laboratory

from console.witness.surface_catalogue import judge_catalogue


@pytest.fixture(scope="module")
def conn(lab: Laboratory) -> Iterator[psycopg.Connection[Any]]:
    """A connection to a copy of the suite's database."""
    with lab.cluster.connect(password=lab.password, database="lab_seen") as opened:
        yield opened


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        (
            "SELECT app.wipe()",
            "the function app.wipe (plpgsql, volatile, SECURITY DEFINER, owned by postgres) may run",
        ),
        (
            "SELECT setval('counter', 1)",
            "the function pg_catalog.setval (internal, volatile, owned by postgres) may run",
        ),
        (
            "SELECT n FROM v_over",
            "the view public.v_over: the view public.v_wipe: "
            "the function app.wipe is not known to be harmless",
        ),
        (
            "INSERT INTO triggered VALUES (1)",
            "public.triggered: the trigger wipes runs "
            "the function app.on_write (plpgsql, volatile, owned by postgres)",
        ),
        ("UPDATE parent SET id = 2", "public.follower: the trigger wipes runs "),
        ("UPDATE base SET id = 2", "public.kid: the trigger wipes runs "),
        ("INSERT INTO split VALUES (1)", "public.split_low: the trigger wipes runs "),
        ("INSERT INTO ruled VALUES (1)", "public.ruled: the rule also rewrites INSERT"),
        (
            "UPDATE parted SET k = 2",
            "public.parted: an UPDATE of k may move rows between partitions, which deletes them",
        ),
        (
            "INSERT INTO defaulted (id) VALUES (1)",
            "public.defaulted: default n: the function app.wipe is not known to be harmless",
        ),
        ("INSERT INTO domained VALUES (1)", "the domain app.hostile, check hostile_check: "),
        (
            "SELECT entry.wiped FROM entry",
            "a name after a dot may call the function public.wiped (sql, volatile, ",
        ),
        (
            "SELECT initcap(code) FROM entry",
            "the function public.initcap (sql, volatile, owned by postgres) may run",
        ),
        ("SELECT note % code FROM entry", "the operator %(text,text) may run the function app.join_text "),
        ("SELECT 'x'::text::app.pair", "the type app.pair runs by its cast the function app.to_pair "),
        (
            "SELECT id FROM policed",
            "public.policed: policy wiping: the function app.liar is not known to be harmless",
        ),
    ],
)
def test_hidden_deed_is_named(conn: psycopg.Connection[Any], sql: str, reason: str) -> None:
    """A deed that the text hides is refused with the object that does it."""
    verdict = judge_catalogue(conn, sql)
    assert verdict.allowed is False
    assert reason in verdict.reason


def test_allowed_function_is_believed_wherever_it_runs(conn: psycopg.Connection[Any]) -> None:
    """A trigger's function that the pack allows refuses no INSERT, another one still does."""
    sql = "INSERT INTO triggered VALUES (1)"
    assert judge_catalogue(conn, sql, functions_allowed=["app.on_write"]).reason == ""
    assert judge_catalogue(conn, sql, functions_allowed=["app.wipe"]).allowed is False


def test_setting_of_a_loaded_module_is_named(lab: Laboratory) -> None:
    """A dotted setting that a loaded module knows is refused, an application's own is not."""
    with lab.cluster.connect(password=lab.password, database="lab_seen") as conn:
        conn.execute("LOAD 'plpgsql'")
        conn.execute("SET app.tenant = '2'")
        known = judge_catalogue(conn, "SET plpgsql.extra_warnings = 'all'").reason
        own = judge_catalogue(conn, "SET app.tenant = '1'").reason
    assert (known, own) == ("the setting plpgsql.extra_warnings belongs to a loaded module", "")


def test_foreign_table_is_named(lab: Laboratory) -> None:
    """An INSERT into a foreign table is refused, because the write happens elsewhere."""
    with (
        lab.cluster.connect(password=lab.password, database="lab_seen") as conn,
        conn.transaction(force_rollback=True),
    ):
        conn.execute("CREATE FOREIGN DATA WRAPPER w")
        conn.execute("CREATE SERVER s FOREIGN DATA WRAPPER w")
        conn.execute("CREATE FOREIGN TABLE far (id int) SERVER s")
        verdict = judge_catalogue(conn, "INSERT INTO far VALUES (1)")
    assert verdict.reason == "public.far is a foreign table, behind which another server or program works"


def test_session_that_reads_text_otherwise_is_refused(lab: Laboratory) -> None:
    """With standard_conforming_strings off nothing is allowed: the grammar would read other strings."""
    with lab.cluster.connect(password=lab.password, database="lab_seen") as conn:
        conn.execute("SET standard_conforming_strings = off")
        verdict = judge_catalogue(conn, "SELECT 1")
    settings = "standard_conforming_strings off, client_encoding UTF8"
    assert verdict.reason == f"the session reads text otherwise than the grammar ({settings})"
