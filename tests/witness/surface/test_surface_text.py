"""Verdicts by text alone: verbs, reasons, limits, and the allow-lists against a server's catalogue."""

from __future__ import annotations

import subprocess
import sys

import pytest
from measure import Laboratory

from console.witness.surface import SurfaceVerdict, judge_for, judge_text
from console.witness.surface_functions import (
    OPERATORS,
    STABLE_BUT_RUNS_CODE,
    VOLATILE_BUT_HARMLESS,
    harmful_after_a_dot,
    harmless_functions,
)
from console.witness.surface_grammar import LONGEST_TEXT_BYTES


@pytest.mark.parametrize(
    ("sql", "verbs"),
    [
        ("SELECT 1", ("SELECT",)),
        ("INSERT INTO t VALUES ($1)", ("INSERT",)),
        ("INSERT INTO t SELECT 1", ("INSERT", "SELECT")),
        ("INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 2", ("INSERT", "UPDATE")),
        ("UPDATE t SET a = 1", ("UPDATE",)),
        ("WITH x AS (UPDATE t SET a = 1 RETURNING a) SELECT * FROM x", ("SELECT", "UPDATE")),
        ("SET statement_timeout = 1", ("SET",)),
        ("SHOW ALL", ("SHOW",)),
        ("BEGIN; COMMIT", ("TRANSACTION",)),
        ("DEALLOCATE ALL", ("TRANSACTION",)),
        ("  -- nothing", ()),
    ],
)
def test_allowed_text_names_its_verbs(sql: str, verbs: tuple[str, ...]) -> None:
    """An allowed text has its verbs in the order of appearance, each once, and no reason."""
    verdict = judge_text(sql)
    assert (verdict.allowed, verdict.verbs, verdict.reason) == (True, verbs, "")


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("DELETE FROM t", "DELETE is not one of the allowed verbs"),
        ("WITH x AS (DELETE FROM t RETURNING a) SELECT * FROM x", "it holds DELETE, which is not allowed"),
        ("SELECT a INTO b FROM c", "SELECT INTO creates a table"),
        ("SELECT setval('s', 1)", "the function setval is not known to be harmless"),
        ("SELECT app.f()", "the function app.f is not known to be harmless"),
        ("SELECT a OPERATOR(app.+) b", "the operator app.+ is not PostgreSQL's own"),
        ("SET ROLE x", "setting role is not known to be harmless"),
        ("SELECT set_config('a' || 'b', 'c', true)", "set_config with a computed name or value"),
        ("SET search_path = public, pg_catalog", "search_path would put other schemas before pg_catalog"),
        ("PREPARE TRANSACTION 'x'", "two-phase commit is not allowed"),
        ("SELECT 1\0; DROP TABLE t", "the text holds a NUL, at which a driver would cut it"),
        ("SELECT '\ud800'", "the text holds half a surrogate pair and is no text"),
        ("SELECT" + " 1+" * 100 + " 1", "the statement is nested too deep to be judged"),
        ("SELECT '" + "x" * LONGEST_TEXT_BYTES + "'", "the text has 262153 bytes; at most 262144 are judged"),
        ("DROP TABLE t; SELECT app.f()", "DROP is not one of the allowed verbs; "
         "the function app.f is not known to be harmless"),
    ],
)  # fmt: skip
def test_refused_text_says_why(sql: str, reason: str) -> None:
    """A refused text names every deed that refuses it."""
    verdict = judge_text(sql)
    assert (verdict.allowed, verdict.reason) == (False, reason)


@pytest.mark.parametrize(
    ("sql", "allowed"),
    [
        ("SELECT app.f()", True),
        ("SELECT f()", False),
        ("SELECT other.f()", False),
        ("SELECT nextval('s')", True),
        ("SELECT pg_catalog.nextval('s')", True),
        ("SELECT setval('s', 1)", False),
    ],
)
def test_functions_are_allowed_as_they_are_written(sql: str, allowed: bool) -> None:
    """An allowed function is allowed with its schema only, one of PostgreSQL's own also without."""
    assert judge_text(sql, functions_allowed=["app.f", "pg_catalog.nextval"]).allowed is allowed


def test_functions_of_a_later_version_need_that_version() -> None:
    """uuidv7 is allowed on a server of 18 and nowhere else."""
    found = [judge_text("SELECT uuidv7()", major=major).allowed for major in (16, 18, None)]
    assert found == [False, True, False]


def test_verdict_is_remembered_by_text_version_and_functions() -> None:
    """The same text under other allowed functions has another verdict."""
    first = judge_text("SELECT app.g()", functions_allowed=["app.g"])
    assert first == SurfaceVerdict(allowed=True, verbs=("SELECT",), reason="", functions=("app.g",))
    assert judge_text("SELECT app.g()").allowed is False


def test_long_texts_of_flat_shape_are_judged() -> None:
    """A thousand rows in one INSERT are allowed: length alone is no fault."""
    rows = ", ".join(f"({n}, 'DELETE', now())" for n in range(5000))
    assert judge_text(f"INSERT INTO t VALUES {rows}").allowed


def test_deepest_text_does_not_end_the_process() -> None:
    """An expression nested 60 thousand times is refused by a process that lives on."""
    program = (
        "from console.witness.surface import judge_text;"
        "print(judge_text('SELECT 1' + '+a' * 60000).reason, judge_text('SELECT 1' + '+a' * 4000).reason)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    deep = "the statement is nested too deep to be judged"
    assert (done.returncode, done.stdout) == (0, f"{deep} {deep}\n")


def test_no_listed_function_is_volatile(lab: Laboratory) -> None:
    """Every function that the text layer believes is immutable or stable in every overload, or named."""
    rows = lab.admin.execute(
        "SELECT proname, bool_or(provolatile = 'v') FROM pg_proc"
        " WHERE pronamespace = 'pg_catalog'::regnamespace GROUP BY proname"
    ).fetchall()
    volatile = {name for name, is_volatile in rows if is_volatile}
    listed = harmless_functions(16)
    assert listed & volatile == VOLATILE_BUT_HARMLESS
    assert listed - {name for name, _volatile in rows} == set()
    assert listed & STABLE_BUT_RUNS_CODE == set()
    assert [name for name in listed if "_to_xml" in name or name.startswith("binary_upgrade")] == []


def test_every_function_of_one_argument_is_known(lab: Laboratory) -> None:
    """A function of PostgreSQL's own that a name after a dot can call is in neither list."""
    rows = lab.admin.execute(
        "SELECT DISTINCT proname FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND pronargs >= 1"
        " AND pronargs - pronargdefaults <= 1 AND proargtypes[0] <> 'internal'::regtype"
        " AND prorettype <> 'trigger'::regtype"
    ).fetchall()
    assert {name for (name,) in rows} <= harmless_functions(16) | harmful_after_a_dot()
    assert "pg_terminate_backend" in harmful_after_a_dot() and "upper" not in harmful_after_a_dot()


@pytest.mark.parametrize(
    "text",
    [
        "SELECT (12).pg_terminate_backend", "SELECT ('evil'::name).pg_create_physical_replication_slot",
        "SELECT id FROM t WHERE ('PG_VERSION'::text).pg_read_file IS NULL", "SELECT (t.c).lo_import FROM t",
        "SELECT ((SELECT 'x'::text)).pg_sleep", "SELECT (ARRAY[1])[1].nextval",
    ],
)  # fmt: skip
def test_a_name_after_a_dot_is_a_call(text: str) -> None:
    """A function that is written like a column of a value is not seen."""
    found = judge_text(text)
    assert not found.allowed and "after a dot" in found.reason


@pytest.mark.parametrize(
    "text",
    [
        "SELECT (address).city FROM t",
        "SELECT (t).amount, (c).lines[1].price FROM t",
        "SELECT ('a'::text).upper",
    ],
)
def test_columns_of_values_are_not_refused(text: str) -> None:
    """A column of a composite value, or a harmless function after a dot, is refused."""
    assert judge_text(text).allowed


def test_no_listed_operator_runs_volatile_code(lab: Laboratory) -> None:
    """Every operator of PostgreSQL's own is listed, and none of them is volatile."""
    rows = lab.admin.execute(
        "SELECT o.oprname, bool_or(p.provolatile = 'v') FROM pg_operator AS o"
        " JOIN pg_proc AS p ON p.oid = o.oprcode GROUP BY o.oprname"
    ).fetchall()
    assert {name for name, _volatile in rows} | {"!="} == OPERATORS
    assert [name for name, is_volatile in rows if is_volatile] == []


def test_a_remembered_verdict_is_of_its_text_its_major_and_its_functions() -> None:
    """What one judge remembers of a text is nothing that another one, or another text, gets."""
    text = "SELECT uuidv7()"
    asked = [(16, ()), (18, ()), (None, ()), (16, ("uuidv7",)), (16, ())]
    for _again in range(2):
        judges = [judge_for(major=major, functions_allowed=allowed) for major, allowed in asked]
        assert [judge(text).allowed for judge in judges] == [False, True, False, True, False]
        assert [judge(text.upper() + " ").allowed for judge in judges] == [False, True, False, True, False]
    assert judges[0](text) is judges[4](text)
    assert judges[1]("DELETE FROM t") == judge_text("DELETE FROM t", major=18)
