"""Each row of the migrations just inside and just outside what it allows, and what is UNKNOWN: never a pass."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from migration_facts import CHANGE, passing_migration

from console.gates import document
from console.gates.migration_table import MIGRATION_GATES, MIGRATIONS
from console.gates.table import GATES
from console.model.config import MigrationConfig, RunConfig
from console.model.gate import Facts, Gate, judge
from console.model.migration_facts import MIGRATION_FACTS
from console.model.verdict import GateVerdict
from console.plans.migration import migration

sys.path.insert(0, str(Path(__file__).parents[1] / "gates"))
from alterations import GONE, altered
from alterations import Path as LeafPath

PAGE = Path(__file__).parents[2] / "docs" / "migration-gates.md"
BY_ID = {gate.id: gate for gate in MIGRATIONS}
FAIL, PASS, UNKNOWN = GateVerdict.FAIL, GateVerdict.PASS, GateVerdict.UNKNOWN


class Case(NamedTuple):
    """Some alterations of the passing facts, and what a row says then."""

    gate: str
    verdict: GateVerdict
    says: str
    changes: tuple[tuple[str, LeafPath, object], ...]


PLANNED, BEFORE, UP, DOWN, U1, D1, SEEN = (
    "migrations.planned", "state.before", "state.up", "state.down", "migrated.U1", "migrated.D1", "witnesses",
)  # fmt: skip
BEYOND, LEFT = "beyond.up", "beyond.down"
FIRST, HELD = ("statements", 0), ("held", 0)
NO_WAY_BACK: tuple[tuple[str, LeafPath, object], ...] = (
    (PLANNED, ("irreversible",), "the data is gone"), (PLANNED, ("beyond",), ["pg_policy p: b"]),
    (PLANNED, ("values",), ["public.t"]), (LEFT, (), GONE),
)  # fmt: skip
ALONE: tuple[tuple[str, LeafPath, object], ...] = ((U1, (*FIRST, "alone"), True), (U1, (*FIRST, "taken"), []))

CASES = (
    Case("M-1", PASS, "", ((D1, (), GONE),)),
    Case("M-1", UNKNOWN, "migrated.U1 was never recorded", ((U1, (), GONE),)),
    Case("M-1", FAIL, "U1: it raised Error: no", ((U1, ("outcome",), "raised"), (U1, ("error",), "Error: no"))),
    Case("M-1", FAIL, "D1: no such table (SQLSTATE 42P01)",
         ((D1, ("server_errors",), ["no such table (SQLSTATE 42P01)"]),)),
    Case("M-1", FAIL, "U1: not one statement was sent", ((U1, ("statements",), []),)),
    Case("M-2", PASS, "", ((PLANNED, ("changes",), None),)),
    Case("M-2", FAIL, f"the change {CHANGE} is not expected", ((PLANNED, ("changes",), ["+ " + CHANGE]),)),
    Case("M-2", FAIL, "the change - column public.t.a integer is not expected",
         ((UP, ("objects",), ["column public.t.b integer"]),)),
    Case("M-2", FAIL, "+ app may SELECT on table public.t is missing",
         ((UP, ("privileges",), ["app may USAGE on schema public"]),)),
    Case("M-3", FAIL, "+ column public.t.c integer",
         ((DOWN, ("objects",), ["column public.t.a integer", "column public.t.c integer"]),)),
    Case("M-3", FAIL, "- app may USAGE on schema public", ((DOWN, ("privileges",), []),)),
    Case("M-3", FAIL, "the rows of public.t is 9, expected 10", ((DOWN, ("rows", "public.t"), 9),)),
    Case("M-3", FAIL, "the values in public.t are not what they were", ((DOWN, ("values", "public.t"), "18"),)),
    Case("M-3", PASS, "", ((DOWN, ("values", "public.t"), "18"), (PLANNED, ("values",), ["public.t"]))),
    Case("M-3", FAIL, "the sequence public.t_a_seq is 11,true", ((DOWN, ("sequences", "public.t_a_seq"), "11,true"),)),
    Case("M-3", PASS, "", ((DOWN, ("sequences", "public.t_a_seq"), "11,true"),
                           (PLANNED, ("sequences",), ["public.t_a_seq"]))),
    Case("M-3", PASS, "", ((DOWN, ("rows", "public.version"), 5), (DOWN, ("values", "public.version"), "9"),
                           (PLANNED, ("values",), ["public.version"]))),
    Case("M-3", FAIL, "the values in public.version are not what they were",
         ((DOWN, ("values", "public.version"), "9"),)),
    Case("M-3", FAIL, "the rows of public.version is 2", ((DOWN, ("rows", "public.version"), 2),)),
    Case("M-3", FAIL, "the rows of public.p is 5, expected 6", ((DOWN, ("below", "public.p"), 5),)),
    Case("M-3", FAIL, "the sequence public.version_id_seq is 9,true",
         ((DOWN, ("sequences", "public.version_id_seq"), "9,true"), (BEFORE, ("owners",), {}))),
    Case("M-3", FAIL, "the sequence public.t_a_seq is 11,true", ((DOWN, ("sequences", "public.t_a_seq"), "11,true"),
         (BEFORE, ("owners",), {}), (DOWN, ("owners", "public.t_a_seq"), "public.version"))),
    Case("M-3", FAIL, "the sequence public.t_a_seq is 11,true", ((DOWN, ("sequences", "public.t_a_seq"), "11,true"),
         (PLANNED, ("sequences",), ["public.t"]))),
    Case("M-3", PASS, "", ((DOWN, ("sequences", "public.version_id_seq"), "9,true"),)),
    Case("M-3", FAIL, "the rows of public.version is 5",
         ((DOWN, ("rows", "public.version"), 5), (PLANNED, ("bookkeeping",), []))),
    Case("M-4", PASS, "", ((U1, (*HELD, "held_ms"), 100),)),
    Case("M-4", FAIL, "AccessExclusive on public.t (10 rows, 8192 bytes) was held for 101 ms from statement 1 on, "
         "reads and writes would have waited; the limit is 100 ms", ((U1, (*HELD, "held_ms"), 101),)),
    Case("M-4", PASS, "", ((U1, (*HELD, "held_ms"), 101), (U1, (*HELD, "blocks"), "schema changes"))),
    Case("M-4", PASS, "", (*ALONE, (U1, (*FIRST, "duration_us"), 100_000))),
    Case("M-4", FAIL, "nobody saw the locks of statement 1, which took 101 ms",
         (*ALONE, (U1, (*FIRST, "duration_us"), 101_000))),
    Case("M-4", PASS, "", (*ALONE, (U1, (*FIRST, "duration_us"), 101_000), (U1, (*FIRST, "looks"), 5))),
    Case("M-5", FAIL, "U1, statement 1 rewrote public.t (8192 bytes of new storage)", ((PLANNED, ("rewrites",), []),)),
    Case("M-5", FAIL, "D1, statement 2 rewrote public.u", ((D1, (*FIRST, "rewritten"), ["public.u"]),)),
    Case("M-5", UNKNOWN, "D1, statement 2 wrote 7 bytes in 0 files that no relation has kept",
         ((D1, (*FIRST, "unattributed_bytes"), 7),)),
    Case("M-5", UNKNOWN, "D1, statement 2 wrote 0 bytes in 1 files that no relation has kept",
         ((D1, (*FIRST, "unattributed_files"), 1),)),
    Case("M-6", FAIL, "only the server saw: x", ((SEEN, ("only_server",), ["x"]),)),
    Case("M-6", FAIL, "only the client claims: x", ((SEEN, ("only_client",), ["x"]),)),
    Case("M-6", FAIL, "unexplained session: x", ((SEEN, ("unexplained_sessions",), ["x"]),)),
    Case("M-6", FAIL, "x", ((SEEN, ("differences",), ["x"]),)),
    Case("M-6", FAIL, "the client sent 2 statements, the server logged 1", ((SEEN, ("server_statements",), 1),)),
    Case("M-6", FAIL, "2 of 3 statements were sent by a migration",
         ((SEEN, ("client_statements",), 3), (SEEN, ("server_statements",), 3))),
    Case("M-6", FAIL, "D1: statement 2 was not looked at before and after", ((D1, (*FIRST, "around"), False),)),
    Case("M-6", FAIL, "U1: owner is a superuser or may become one", ((U1, ("superuser",), True),)),
    Case("M-6", UNKNOWN, "migrated.D1 was never recorded", ((D1, (), GONE),)),
    Case("M-7", FAIL, "public.p lost 2 of 6 rows", ((UP, ("below", "public.p"), 4),)),
    Case("M-7", PASS, "", ((UP, ("below", "public.p"), 4), (PLANNED, ("rows", "public.p"), -2))),
    Case("M-7", FAIL, "public.t changed by -1 rows, declared -2", ((UP, ("rows", "public.t"), 9),)),
    Case("M-7", FAIL, "public.t lost 2 of 10 rows, and nothing is declared of it", ((PLANNED, ("rows",), {}),)),
    Case("M-7", PASS, "", ((PLANNED, ("rows",), {}), (UP, ("rows", "public.t"), 11))),
    Case("M-7", FAIL, "public.t lost 10 of 10 rows", ((PLANNED, ("rows",), {}), (UP, ("rows", "public.t"), GONE))),
    Case("M-5", FAIL, "D1 put another relation in the place of public.u", ((D1, ("replaced",), ["public.u"]),)),
    Case("M-5", PASS, "", ((D1, ("replaced",), ["public.t"]),)),
    Case("M-8", FAIL, "pg_policy differs", ((LEFT, ("digests", "pg_policy"), "bb"),)),
    Case("M-8", FAIL, "pg_policy differs", ((LEFT, ("digests",), {}),)),
    Case("M-8", FAIL, "left: pg_policy p: b", ((LEFT, ("changes",), ["pg_policy p: b"]),)),
    Case("M-8", FAIL, "3 more are left", ((LEFT, ("unlisted",), 3),)),
    Case("M-8", FAIL, "U1 left the tool's own bookkeeping as it was", ((U1, ("booked",), []),)),
    Case("M-8", FAIL, "D1 left the tool's own bookkeeping as it was", ((D1, ("booked",), []),)),
    Case("M-8", PASS, "", ((U1, ("booked",), None), (D1, ("booked",), None))),
    Case("M-8", UNKNOWN, "no catalogue was read", (("beyond.before", ("digests",), {}), (LEFT, ("digests",), {}))),
    Case("M-8", FAIL, "U1: x wrote and was not committed", ((U1, ("uncommitted",), ["x"]),)),
    Case("M-8", FAIL, "D1: backend 7 was a session of app", ((D1, ("others",), ["backend 7 was a session of app"]),)),
    Case("M-8", FAIL, "pg_class public.u was changed, which owner does not own",
         ((BEYOND, ("not_owned",), ["pg_class public.u"]),)),
    Case("M-8", FAIL, "pg_class public.u was changed, which owner does not own",
         ((D1, ("not_allowed",), ["pg_class public.u"]),)),
    Case("M-8", FAIL, "something was made that takes CREATE in books, which owner may not do in the source",
         ((U1, ("not_allowed",), ["CREATE in books"]), ("owned.elsewhere", ("objects",), ["CREATE in books"]))),
    Case("M-8", FAIL, "public.u was changed, which owner does not own",
         ((U1, (*FIRST, "taken"), [{"relation": "public.u", "mode": "RowExclusive"}]),)),
    Case("M-8", PASS, "", ((U1, (*FIRST, "taken"), [{"relation": "public.u", "mode": "AccessShare"}]),)),
    Case("M-8", FAIL, "public.u was changed", ((D1, (*FIRST, "rewritten"), ["public.u"]),)),
    Case("M-8", FAIL, "public.u was changed", ((BEYOND, ("values",), {"public.u": "lost a"}),)),
    Case("M-8", FAIL, "public.t was changed", (("owned.elsewhere", ("relations",), ["public.t"]),)),
    Case("M-8", PASS, "", ((PLANNED, ("beyond",), ["pg_policy p: b"]),)),
    Case("M-8", FAIL, "the change beyond pg_policy p: b is not expected", ((PLANNED, ("beyond",), []),)),
    Case("M-8", FAIL, "the change beyond x is missing", ((PLANNED, ("beyond",), ["pg_policy p: b", "x"]),)),
    Case("M-8", FAIL, "2 more changes are not recorded",
         ((PLANNED, ("beyond",), ["pg_policy p: b"]), (BEYOND, ("unlisted",), 2))),
    Case("M-8", PASS, "", NO_WAY_BACK),
    Case("M-8", FAIL, "does not declare both changes and beyond", (*NO_WAY_BACK, (PLANNED, ("beyond",), None))),
    Case("M-8", FAIL, "does not declare both changes and beyond", (*NO_WAY_BACK, (PLANNED, ("changes",), None))),
    Case("M-8", FAIL, "public.t has other values", (*NO_WAY_BACK, (PLANNED, ("values",), []))),
    Case("M-8", FAIL, "the sequence public.t_a_seq is 11,true, expected 10,true",
         (*NO_WAY_BACK, (PLANNED, ("values",), []), (BEYOND, ("values",), {}),
          (UP, ("sequences", "public.t_a_seq"), "11,true"))),
    Case("M-8", FAIL, "the change beyond x is not expected",
         (*NO_WAY_BACK, (BEYOND, ("changes",), ["pg_policy p: b", "x"]))),
    Case("M-8", UNKNOWN, "beyond.down was never recorded", ((LEFT, (), GONE),)),
    Case("M-8", UNKNOWN, "nobody told what owner owns in the source", (("owned.elsewhere", (), GONE),)),
    Case("M-8", FAIL, "left: x", (("owned.elsewhere", (), GONE), (LEFT, ("changes",), ["x"]))),
    Case("M-9", PASS, "", (("beside.source", ("witnessed",), []),)),
    Case("M-9", FAIL, "the setting search_path, which owner meets in the source, is not on the copy",
         (("beside.copy", ("settings",), []),)),
    Case("M-9", FAIL, "the publication pub, which owner meets in the source, is not on the copy: no (SQLSTATE 42P01)",
         (("beside.copy", ("publications",), []),
          ("beside.copy", ("refused",), {"the publication pub": "no (SQLSTATE 42P01)"}))),
    Case("M-9", FAIL, "owner may have 2 sessions in the source, -1 on the copy",
         (("beside.source", ("connection_limit",), 2),)),
    Case("M-9", PASS, "", (("beside.source", ("publications",), []),)),
    Case("M-9", UNKNOWN, "nobody told what sessions of owner begin with", (("beside.source", (), GONE),)),
    Case("M-7", FAIL, "public.u is declared and was no table before or after", ((PLANNED, ("rows", "public.u"), 0),)),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.gate} {case.verdict} {case.says[:30]}")
def test_a_row_at_its_edge(case: Case) -> None:
    """A row holds where it must not, fails where it must not, or says something else."""
    facts = passing_migration()
    for name, path, value in case.changes:
        facts = altered(facts, name, path, value)
    judged = judge(BY_ID[case.gate], Facts(facts))
    assert (judged.verdict, case.says in judged.reason) == (case.verdict, True), judged.reason


def _names(gate: Gate) -> list[str]:
    return [name for name in passing_migration() for one in gate.rests_on
            if (name.startswith(one) if one.endswith(".") else name == one)]  # fmt: skip


@pytest.mark.parametrize("gate", MIGRATIONS, ids=lambda gate: gate.id)
def test_a_missing_fact_is_unknown(gate: Gate) -> None:
    """A row whose fact is missing or malformed passes or fails."""
    assert judge(gate, Facts(passing_migration())).verdict == PASS
    for name in _names(gate):
        for wrong in (GONE, 7, {}):
            unreached = gate.each_scenario and name == D1 and wrong is GONE
            verdict = judge(gate, Facts(altered(passing_migration(), name, (), wrong))).verdict
            assert verdict == (PASS if unreached else UNKNOWN), (name, wrong)


def test_no_migration_is_unknown() -> None:
    """A plan without a migration, or a run that recorded none, passes a row that looks at migrations."""
    for gate in (BY_ID[name] for name in ("M-1", "M-4", "M-5", "M-6")):
        empty = altered(passing_migration(), PLANNED, ("migrations",), {})
        assert judge(gate, Facts(empty)).verdict == UNKNOWN
        none = altered(altered(passing_migration(), U1, (), GONE), D1, (), GONE)
        assert judge(gate, Facts(none)).verdict == UNKNOWN


def test_facts_and_rows_cover_each_other() -> None:
    """A declared fact that no row rests on, or a row that rests on an undeclared one, is found."""
    resting = {name for gate in MIGRATIONS for name in gate.rests_on} - {SEEN}
    assert set(MIGRATION_FACTS) == resting
    for name, value in passing_migration().items():
        shape = MIGRATION_FACTS.get(name) or MIGRATION_FACTS.get(f"{name.partition('.')[0]}.")
        if shape is not None:
            msgspec.convert(value, shape, strict=True)


def test_every_gate_is_asked_or_declared() -> None:
    """A row of the dry run that is neither asked nor declared not applicable, or that is asked twice, is found."""
    for config in (
        RunConfig(plan="migration"),
        RunConfig(migration=MigrationConfig(irreversible="data is gone")),
    ):
        plan = migration(config, scenarios=("U1", "D1"))
        asked = [gate for step in plan.steps for gate in step.gates]
        assert sorted(asked) == sorted(gate.id for gate in MIGRATION_GATES)
        assert len(MIGRATION_GATES) == len(GATES) + len(MIGRATIONS)
        assert set(plan.not_applicable) <= set(asked)
    assert {"M-3", "G-14", "G-18"} <= plan.not_applicable.keys()
    assert plan.not_applicable["M-3"] == "the plan says that there is no way back: data is gone"


def test_the_committed_page_is_the_tables() -> None:
    """docs/migration-gates.md is what the table says now."""
    assert PAGE.read_text(encoding="utf-8") == document.migration_gates()
