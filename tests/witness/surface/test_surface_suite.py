"""The surface suite: expected verdicts are facts that a real server gave, not opinions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from measure import MEASURED, Laboratory, read_statements
from outside import effects_outside

from console.witness.surface import judge_text
from console.witness.surface_catalogue import judge_catalogue

STATEMENTS = read_statements()
RECORDED: dict[str, dict[str, Any]] = json.loads(MEASURED.read_text(encoding="utf-8"))["facts"]
SAMPLE_EVERY = 7


@pytest.fixture(scope="module")
def catalogue(lab: Laboratory) -> Iterator[psycopg.Connection[Any]]:
    """A connection to a copy of the template, which no statement of the suite changes."""
    with lab.cluster.connect(password=lab.password, database="lab_seen") as conn:
        yield conn


def refusing_layer(conn: psycopg.Connection[Any], sql: str) -> str:
    """Return the first layer that refuses, "allowed" when none does."""
    if not judge_text(sql, major=16).allowed:
        return "text"
    return "allowed" if judge_catalogue(conn, sql).allowed else "catalogue"


def test_suite_is_large_and_measured() -> None:
    """Every one of at least 300 statements has facts measured on a server, and no fact is left over."""
    ids = [one["id"] for one in STATEMENTS]
    assert len(ids) >= 300
    assert len(set(ids)) == len(ids)
    assert set(ids) == set(RECORDED)


def test_each_statement_is_judged_by_the_layer_that_can_see_it(catalogue: psycopg.Connection[Any]) -> None:
    """Each statement is refused first by the layer that the suite records, or allowed where it records so."""
    wrong = {
        one["id"]: (one["sql"], layer)
        for one in STATEMENTS
        if (layer := refusing_layer(catalogue, one["sql"])) != one["expect"]
    }
    assert wrong == {}


def test_whatever_had_an_effect_outside_the_verbs_is_refused() -> None:
    """No statement that the suite expects to be allowed had a measured effect outside the four verbs."""
    wrong = {
        one["id"]: outside
        for one in STATEMENTS
        if one["expect"] == "allowed" and (outside := effects_outside(one["sql"], RECORDED[one["id"]]))
    }
    assert wrong == {}


def test_catalogue_layer_is_needed_for_facts() -> None:
    """Every statement that only the catalogue layer refuses really had an effect outside the verbs."""
    idle = [
        one["id"]
        for one in STATEMENTS
        if one["expect"] == "catalogue" and not effects_outside(one["sql"], RECORDED[one["id"]])
    ]
    assert idle == []


def test_allowed_statements_really_ran() -> None:
    """An allowed statement is no mistyped one: the server executed it, but where its state forbids it."""
    failed = {
        one["id"]: RECORDED[one["id"]]["sqlstate"]
        for one in STATEMENTS
        if one["expect"] == "allowed" and "sqlstate" in RECORDED[one["id"]]
    }
    assert failed == {}


def _remeasure(lab: Laboratory, several: list[dict[str, str]]) -> None:
    wrong = {}
    for one in several:
        facts = lab.measure(one["sql"], role=one.get("role", "postgres"), undo=one.get("undo", ""))
        if json.loads(json.dumps(facts)) != RECORDED[one["id"]]:
            wrong[one["id"]] = (facts, RECORDED[one["id"]])
    assert wrong == {}


def test_sampled_facts_are_measured_again(lab: Laboratory) -> None:
    """Every seventh statement has today the effects that were recorded."""
    _remeasure(lab, STATEMENTS[::SAMPLE_EVERY])


@pytest.mark.matrix
def test_all_facts_are_measured_again(lab: Laboratory) -> None:
    """Every statement has today the effects that were recorded."""
    _remeasure(lab, STATEMENTS)


DEEDS = (
    "app.wipe()",
    "app.liar(1)",
    "setval('counter', 70)",
    "nextval('counter')",
    "lo_unlink(4242)",
    "id",
    "lower('A')",
    "pg_notify('planted', 'x')::text",
    "set_config('role', 'clerk', false)",
    "(SELECT n FROM v_over)",
    "1::app.hostile",
    "pg_advisory_lock(8)::text",
    "initcap('x'::varchar)",
    "count(*)",
    "'DELETE FROM entry'",
    "lo_create(0)",
    "(SELECT max(id) FROM entry)",
    "U&\"\\0073etval\"('counter', 71)",
    "'a'::text % 'b'::text",
)
FRAMES = (
    "SELECT {0} FROM log",
    "SELECT {0} FROM log UNION ALL SELECT {1} FROM log",
    "WITH x AS ({2}) SELECT 1",
    "SELECT 1 FROM log WHERE ({0})::text <> ({1})::text",
    "INSERT INTO log (said) SELECT ({0})::text FROM log",
    "UPDATE log SET said = ({0})::text",
    "SELECT CASE WHEN ({0}) IS NULL THEN NULL ELSE {1} END FROM log",
    "EXPLAIN ANALYZE {2}",
    "{2}; SELECT {0} FROM log",
    "/* {2} */ SELECT {0} FROM log -- {2}",
    "BEGIN; {2}; COMMIT",
    "SELECT '{{' || ({0})::text FROM log ORDER BY ({1})::text",
    "SELECT {0} INTO planted FROM log",
    "PREPARE p AS {2}; EXECUTE p",
    "WITH x AS MATERIALIZED (SELECT {0} AS a FROM log) SELECT a FROM x",
)
WRITES = (
    "DELETE FROM entry RETURNING id",
    "INSERT INTO triggered VALUES (1, 'x') RETURNING id",
    "TRUNCATE log",
    "UPDATE entry SET note = 'x' RETURNING id",
    "INSERT INTO ruled VALUES (9)",
    "SELECT * FROM v_wipe",
    "UPDATE parted SET k = 2 WHERE k = 1 RETURNING id",
    "INSERT INTO log VALUES (7, 'DELETE') RETURNING id",
    "SELECT id FROM entry FOR UPDATE",
    "INSERT INTO split VALUES (3) RETURNING id",
    "TABLE v_tell",
)


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    frame=st.sampled_from(FRAMES),
    first=st.sampled_from(DEEDS),
    second=st.sampled_from(DEEDS),
    write=st.sampled_from(WRITES),
)
def test_effects_outside_the_verbs_are_refused(
    lab: Laboratory, catalogue: psycopg.Connection[Any], frame: str, first: str, second: str, write: str
) -> None:
    """Whatever a server executed with an effect outside the four verbs was refused by at least one layer."""
    sql = frame.format(first, second, write)
    outside = effects_outside(sql, lab.measure(sql))
    assert not outside or refusing_layer(catalogue, sql) != "allowed", (sql, outside)
