"""The searched copy on real PostgreSQL: each thing that a dump can smuggle in is found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from console.model.catalogue import Privileges
from console.witness.searched_copy import (
    Declared,
    Finding,
    Findings,
    declared_settings,
    search,
    sentences,
    setting_name,
)

FROZEN = Path(__file__).resolve().parents[2] / "scenarios" / "cutter_dry_run" / "frozen"
PRIVILEGES = msgspec.json.decode((FROZEN / "privileges.json").read_bytes(), type=Privileges)
PLANNED = Declared(
    roles=frozenset({*PRIVILEGES.roles, "directus", "workflow_admin", "context_pack_readonly"}),
    superusers=frozenset({"workflow_admin"}),
    settings=declared_settings(PRIVILEGES, "directus"),
)

Demo = psycopg.Connection[Any]


def test_the_demo_hides_nothing(demo: Demo) -> None:
    """A copy with only what the plan declares has no finding."""
    assert search(demo, PLANNED) == Findings()


def test_what_is_not_declared_is_found(demo: Demo) -> None:
    """Without the plan's word the demo's own roles and setting are findings."""
    found = search(demo, Declared()).stops
    assert {one.name for one in found if one.kind == "role"} == PLANNED.roles
    [setting] = [one for one in found if one.kind == "setting"]
    assert setting.name == "cutter_exec in all databases: default_transaction_isolation=repeatable read"


STOPS = {
    "CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
    "CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION e()": [("event trigger", "e")],
    "CREATE FOREIGN DATA WRAPPER w": [("foreign data wrapper", "w")],
    "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;"
    "CREATE USER MAPPING FOR PUBLIC SERVER s OPTIONS (password 'hunter2');"
    "CREATE FOREIGN TABLE f (x integer) SERVER s": [
        ("foreign data wrapper", "w"),
        ("foreign server", "s"),
        ("foreign table", "public.f"),
        ("user mapping", "s"),
    ],
    "CREATE PUBLICATION p FOR ALL TABLES": [("publication", "p")],
    "CREATE SUBSCRIPTION s CONNECTION 'host=x password=hunter2' PUBLICATION p WITH (connect = false)": [
        ("subscription", "s")
    ],
    "CREATE ROLE intruder LOGIN": [("role", "intruder")],
    "CREATE ROLE intruder SUPERUSER": [("role", "intruder"), ("superuser role", "intruder")],
    "ALTER ROLE directus SUPERUSER": [("superuser role", "directus")],
    "ALTER ROLE cutter_exec SET search_path = evil": [
        ("setting", "cutter_exec in all databases: search_path=evil")
    ],
    "ALTER DATABASE directus SET session_replication_role = replica": [
        ("setting", "all roles in directus: session_replication_role=replica")
    ],
    "ALTER ROLE ALL SET row_security = off": [("setting", "all roles in all databases: row_security=off")],
    "ALTER ROLE cutter_exec IN DATABASE directus SET work_mem = '1MB'": [
        ("setting", "cutter_exec in directus: work_mem=1MB")
    ],
    "ALTER ROLE cutter_exec SET default_transaction_isolation = 'serializable'": [
        ("setting", "cutter_exec in all databases: default_transaction_isolation=serializable")
    ],
}


@pytest.mark.parametrize("smuggled", STOPS)
@pytest.mark.filterwarnings("ignore")
def test_what_stops_a_run_is_found(demo: Demo, smuggled: str) -> None:
    """Each kind of object that must stop the run is found by kind and name, and its secrets are not."""
    demo.execute(smuggled.encode())
    found = search(demo, PLANNED)
    assert [(one.kind, one.name) for one in found.stops] == STOPS[smuggled]
    assert "hunter2" not in " ".join(sentences(found.stops))


def test_alter_system_is_found_before_it_is_loaded(production: Any) -> None:
    """A line in postgresql.auto.conf is found though no reload has happened."""
    with production.connect() as conn:
        conn.execute("ALTER SYSTEM SET log_statement = 'none'")
        found = search(conn, PLANNED)
        conn.execute("ALTER SYSTEM RESET log_statement")
        assert search(conn, PLANNED) == Findings()
    assert found.stops == (Finding(kind="ALTER SYSTEM setting", name="log_statement", detail="set to none"),)
    assert sentences(found.stops) == ["the copy holds the ALTER SYSTEM setting log_statement (set to none)"]


WORDS = {
    "CREATE FUNCTION d(x integer) RETURNS integer LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'": (
        "SECURITY DEFINER function",
        "public.d(x integer)",
    ),
    "CREATE FUNCTION pg_catalog.hidden() RETURNS integer LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'": (
        "SECURITY DEFINER function",
        "pg_catalog.hidden()",
    ),
    "ALTER FUNCTION pg_catalog.lower(text) SECURITY DEFINER": (
        "SECURITY DEFINER function",
        "pg_catalog.lower(text)",
    ),
    "CREATE RULE r AS ON INSERT TO sweep_log DO ALSO DELETE FROM cut_policy": ("rule", "public.sweep_log.r"),
}


@pytest.mark.parametrize("smuggled", WORDS)
def test_what_needs_the_plans_word_is_listed(demo: Demo, smuggled: str) -> None:
    """A SECURITY DEFINER function or a rule does not stop by itself, is listed, and a word removes it."""
    demo.execute("SET LOCAL allow_system_table_mods = on")
    demo.execute(smuggled.encode())
    kind, name = WORDS[smuggled]
    found = search(demo, PLANNED)
    assert found.stops == ()
    assert [(one.kind, one.name) for one in found.needs_word] == [(kind, name)]
    word = Declared(
        roles=PLANNED.roles,
        superusers=PLANNED.superusers,
        settings=PLANNED.settings,
        functions=frozenset({name}) if kind != "rule" else frozenset(),
        rules=frozenset({name}) if kind == "rule" else frozenset(),
    )
    assert search(demo, word) == Findings()


def test_the_search_calls_nothing_of_the_dumps(demo: Demo) -> None:
    """A hostile function that stands before PostgreSQL's own in the search_path is not run by the search."""
    demo.execute("CREATE SCHEMA evil")
    for name in ("current_setting", "set_config"):
        arguments = "text" if name == "current_setting" else "text, text, boolean"
        body = "RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'called'; END $$"
        demo.execute(f"CREATE FUNCTION evil.{name}({arguments}) {body}".encode())
    demo.execute("CREATE VIEW evil.pg_event_trigger AS SELECT 'nothing'::text AS evtname WHERE false")
    demo.execute("SET LOCAL search_path = evil, pg_catalog")
    assert search(demo, PLANNED) == Findings()


def test_a_settings_name_tells_whose_it_is() -> None:
    """A setting of one role in one database is not the same name as that of the role everywhere."""
    assert setting_name("r", "", "a=b") != setting_name("r", "d", "a=b") != setting_name("", "d", "a=b")
