"""Whole rehearsals of migrations by the real command: SQL files, right and wrong, an Alembic and a Django project."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from fix_runs import Drydock, Ended, played_together
from migration_packs import (
    ABSENT_ROLE,
    ANOTHER_ENGINE,
    AT_EXIT,
    AT_ONCE,
    BEYOND,
    HARMFUL,
    NOT_BEGUN_WITH,
    NOT_COMMITTED,
    ONE_TRANSACTION,
    OWN_ENGINE,
    PUBLISHED,
    REFUSED,
    TIMED_OUT,
    TWO_HEADS,
    WITH_SAVEPOINT,
    WRONG,
)

from console.evidence.html import html
from console.evidence.report import markdown
from console.evidence.summary import machine_report
from console.gates import sentences
from console.gates.migration_table import MIGRATIONS
from console.model.gate import Facts, judge
from console.model.verdict import GateVerdict
from console.settings import data_folder

pytestmark = pytest.mark.matrix
"""Whole rehearsals: by their own command; one of them is in test_migration_pass.py."""

ROWS = 200


def a_pack(drydock: Drydock, name: str, changes: Mapping[str, str] = {}, **words: str) -> Path:
    """Return a copy of a shipped pack outside every repository, some files changed, some lines of pack.toml too."""
    left_out = shutil.ignore_patterns("__pycache__")
    pack = Path(shutil.copytree(data_folder("scenarios") / name, drydock.place(name), ignore=left_out))
    for file, text in changes.items():
        (pack / file).parent.mkdir(parents=True, exist_ok=True)
        (pack / file).write_text(text, encoding="utf-8")
    lines = (pack / "pack.toml").read_text("utf-8").splitlines()
    for key, value in words.items():
        known = any(line.startswith(f"{key} =") for line in lines)
        lines = [f"{key} = {value}" if line.startswith(f"{key} =") else line for line in lines]
        lines = lines if known else [*lines, f"{key} = {value}"]
    (pack / "pack.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return pack


def rehearsed(drydock: Drydock, pack: Path) -> Ended:
    """Return the run of a pack's own migrations."""
    return drydock.run(
        "--plan", "migration", "--pack", str(pack), "--subject", str(pack / "subject"), rows=ROWS
    )


def without_a_way_back(drydock: Drydock, pack: Path) -> Ended:
    """Return the run of a pack's own ups alone."""
    plan = drydock.place("plan").with_suffix(".toml")
    plan.write_text(
        f'plan = "migration"\n[source]\nkind = "demo"\nrows = {ROWS}\n'
        '[migration]\nirreversible = "the old amounts are gone"\n',
        "utf-8",
    )
    return drydock.run(str(plan), "--pack", str(pack), "--subject", str(pack / "subject"))


@pytest.fixture(scope="module")
def runs(drydock: Drydock) -> dict[str, Ended]:
    """One run of each kind; share them, never change them."""
    plays: dict[str, Callable[[Drydock], Ended]] = {
        "sql": lambda it: rehearsed(it, a_pack(it, "migrations_sql")),
        "alembic": lambda it: rehearsed(it, a_pack(it, "migrations_alembic")),
        "django": lambda it: rehearsed(it, a_pack(it, "migrations_django")),
        "wrong": lambda it: rehearsed(
            it, a_pack(it, "migrations_sql", WRONG, longest_block_ms="200", rewrites="[]")
        ),
        "savepoint": lambda it: rehearsed(
            it, a_pack(it, "migrations_sql", WITH_SAVEPOINT, rewrites='["public.purchase", "public.totals"]')
        ),
        "not committed": lambda it: rehearsed(
            it, a_pack(it, "migrations_alembic", NOT_COMMITTED, steps='["0002"]')
        ),
        "at once": lambda it: rehearsed(
            it, a_pack(it, "migrations_alembic", AT_ONCE, steps='["0002"]', longest_block_ms="1000")
        ),
        "one transaction": lambda it: rehearsed(
            it, a_pack(it, "migrations_alembic", ONE_TRANSACTION, longest_block_ms="300")
        ),
        "two heads": lambda it: rehearsed(it, a_pack(it, "migrations_alembic", TWO_HEADS)),
        "at exit": lambda it: rehearsed(it, a_pack(it, "migrations_alembic", AT_EXIT)),
        "own engine": lambda it: rehearsed(it, a_pack(it, "migrations_django", OWN_ENGINE)),
        "another engine": lambda it: rehearsed(it, a_pack(it, "migrations_django", ANOTHER_ENGINE)),
        "harmful": lambda it: rehearsed(it, a_pack(it, "migrations_sql", HARMFUL, rewrites="[]")),
        "undeclared": lambda it: without_a_way_back(it, a_pack(it, "migrations_sql")),
        "declared": lambda it: without_a_way_back(
            it, a_pack(it, "migrations_sql", beyond=json.dumps(BEYOND))
        ),
        "refused": lambda it: rehearsed(it, a_pack(it, "migrations_sql", REFUSED)),
        "timed out": lambda it: rehearsed(it, a_pack(it, "migrations_sql", TIMED_OUT)),
        "published": lambda it: rehearsed(it, a_pack(it, "migrations_sql", PUBLISHED)),
        "not begun with": lambda it: rehearsed(it, a_pack(it, "migrations_sql", NOT_BEGUN_WITH)),
        "absent role": lambda it: rehearsed(it, a_pack(it, "migrations_sql", ABSENT_ROLE)),
    }
    return {name: done.result() for name, done in played_together(drydock, plays).items()}


def migrated(ended: Ended, scenario: str) -> dict[str, Any]:
    """Return the recorded fact of one migration."""
    found: dict[str, Any] = ended.state.facts[f"migrated.{scenario}"]
    return found


@pytest.mark.parametrize("kind", ["sql", "alembic", "django", "savepoint", "published"])
def test_a_right_project_passes(runs: dict[str, Ended], kind: str) -> None:
    """A project whose migrations are right fails a row, or leaves something behind."""
    assert runs[kind].outcome == (0, "PASS", "CLEAN", None), runs[kind].said.stderr[-3000:]
    gates = runs[kind].summary["gates"]
    assert {gates[gate.id] for gate in MIGRATIONS} == {"PASS"}
    assert {gate for gate, verdict in gates.items() if gate.startswith("G-") and verdict != "PASS"} == {
        "G-15", "G-16", "G-17", "G-19", "G-20",
    }  # fmt: skip


def test_a_declared_way_without_return_passes(runs: dict[str, Ended]) -> None:
    """Ups whose every change is declared fail where the plan says that there is no way back."""
    assert runs["declared"].outcome == (0, "PASS", "CLEAN", None), runs["declared"].said.stderr[-3000:]
    assert runs["declared"].summary["gates"]["M-3"] == "NOT_APPLICABLE"


def test_an_undeclared_way_without_return_fails(runs: dict[str, Ended]) -> None:
    """The plan's word that there is no way back excuses what the pack does not name."""
    assert runs["undeclared"].outcome == (1, "FAIL", "CLEAN", "subject")
    assert runs["undeclared"].summary["failed_gate"] == "M-8"
    assert "does not declare both changes and beyond" in runs["undeclared"].summary["reason"]


@pytest.mark.parametrize(
    "says",
    [
        "U4: the transaction of backend",
        "that began with BEGIN (rolled back) wrote and was not committed",
        "was a session of shop_app in shop",
        "public.ledger was changed, which shop_owner does not own in the source",
        "pg_proc public.audit() was changed, which shop_owner does not own in the source",
        "left: pg_class public.customer: relreplident d, then f",
        "left: + pg_largeobject_metadata ",
        "left: + large object ",
    ],
)
def test_the_last_row_is_failed_by_the_real_thing(
    runs: dict[str, Ended], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M-8 passes over a real migration that leaves, loses or takes what it must not, or says something else."""
    monkeypatch.setattr(sentences, "SHOWN", 100)
    row = next(one for one in MIGRATIONS if one.id == "M-8")
    judged = judge(row, Facts(runs["harmful"].state.facts))
    assert (judged.verdict, says in judged.reason) == (GateVerdict.FAIL, True), judged.reason


def test_a_partition_that_is_taken_away_is_a_loss(runs: dict[str, Ended]) -> None:
    """A partition that is detached keeps its rows, and nobody says that its table lost them."""
    row = next(one for one in MIGRATIONS if one.id == "M-7")
    judged = judge(row, Facts(runs["harmful"].state.facts))
    assert judged.verdict == GateVerdict.FAIL
    assert "public.event lost 1 of 2 rows, and nothing is declared of it" in judged.reason


def test_a_migration_that_nobody_commits_fails(runs: dict[str, Ended]) -> None:
    """A migration of Alembic's that is rolled back with its connection passes the last row."""
    assert runs["not committed"].outcome == (1, "FAIL", "CLEAN", "subject")
    row = next(one for one in MIGRATIONS if one.id == "M-8")
    judged = judge(row, Facts(runs["not committed"].state.facts))
    assert judged.verdict == GateVerdict.FAIL
    assert "(rolled back) wrote and was not committed" in judged.reason


def test_a_lock_is_seen_while_another_connection_works(runs: dict[str, Ended]) -> None:
    """A statement of another connection ends the looks at the one that takes a lock."""
    row = next(one for one in MIGRATIONS if one.id == "M-4")
    judged = judge(row, Facts(runs["at once"].state.facts))
    assert judged.verdict == GateVerdict.FAIL
    assert "U1: AccessExclusive on public.customer (200 rows" in judged.reason


def test_a_pipeline_s_lock_lasts_no_longer_than_the_pipeline(runs: dict[str, Ended]) -> None:
    """The times of statements that overlap are added up."""
    found = migrated(runs["at once"], "U1")
    [lock] = [one for one in found["held"] if one["relation"] == "public.purchase"]
    assert 0 < lock["held_ms"] < found["duration_ms"]


def test_the_source_s_settings_and_publications_are_met(runs: dict[str, Ended]) -> None:
    """A timeout of the source's role stops nothing on the copy, or a publication is not there."""
    assert runs["timed out"].outcome == (1, "FAIL", "CLEAN", "subject")
    assert "canceling statement due to statement timeout" in runs["timed out"].summary["reason"]
    facts = runs["timed out"].state.facts
    assert (
        facts["beside.copy"]["settings"]
        == facts["beside.source"]["settings"]
        == ["statement_timeout", "work_mem"]
    )
    assert runs["published"].state.facts["beside.copy"]["publications"] == ["everything"]


def test_a_setting_that_the_copy_cannot_follow_fails(runs: dict[str, Ended]) -> None:
    """A setting of the source's with which no session of the copy begins passes M-9."""
    assert runs["not begun with"].outcome == (1, "FAIL", "CLEAN", "environment")
    assert runs["not begun with"].summary["failed_gate"] == "M-9"
    says = "the setting default_tablespace, which shop_owner meets in the source, is not on the copy"
    assert says in runs["not begun with"].summary["reason"]


def test_a_role_that_only_the_source_has_is_not_the_subject_s_fault(runs: dict[str, Ended]) -> None:
    """A migration that names a role of the source's is blamed for the copy's lack of it."""
    assert runs["absent role"].outcome == (1, "FAIL", "CLEAN", "environment")
    assert "the source has the role shop_reports" in runs["absent role"].summary["reason"]


def test_revisions_in_one_transaction_keep_their_locks(runs: dict[str, Ended]) -> None:
    """Each revision is rehearsed in a transaction of its own though env.py has one for all."""
    row = next(one for one in MIGRATIONS if one.id == "M-4")
    judged = judge(row, Facts(runs["one transaction"].state.facts))
    assert judged.verdict == GateVerdict.FAIL
    assert "U1: AccessExclusive on public.purchase (400 rows," in judged.reason


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("two heads", "CommandError: Multiple head revisions are present for given argument 'head'"),
        ("another engine", "has the ENGINE django.db.backends.sqlite3, which is not PostgreSQL's"),
    ],
)
def test_what_production_would_not_run_is_refused(runs: dict[str, Ended], kind: str, says: str) -> None:
    """A project that production's own command refuses is rehearsed, or refused for another reason."""
    assert runs[kind].outcome == (1, "FAIL", "CLEAN", "subject")
    assert says in runs[kind].summary["reason"]


@pytest.mark.parametrize(
    ("kind", "table"), [("at exit", "public.purchase"), ("own engine", "public.shop_purchase")]
)
def test_what_only_the_project_s_own_run_does_is_seen(runs: dict[str, Ended], kind: str, table: str) -> None:
    """Rows that an exit handler or the project's own ENGINE deletes are still there on the copy."""
    assert runs[kind].outcome == (1, "FAIL", "CLEAN", "subject")
    row = next(one for one in MIGRATIONS if one.id == "M-7")
    assert f"{table} lost 400 of 400 rows" in judge(row, Facts(runs[kind].state.facts)).reason


def test_a_copy_in_a_table_s_place_is_a_rewrite(runs: dict[str, Ended]) -> None:
    """A table that is copied, dropped and renamed passes for one that was not written anew."""
    row = next(one for one in MIGRATIONS if one.id == "M-5")
    judged = judge(row, Facts(runs["harmful"].state.facts))
    assert judged.verdict == GateVerdict.FAIL
    assert "U1 put another relation in the place of public.purchase" in judged.reason


@pytest.mark.parametrize(
    ("kind", "table", "batches"),
    [
        ("sql", "public.purchase", ("U3", 4, 50)),
        ("alembic", "public.purchase", ("U1", 4, 60)),
        ("django", "public.shop_purchase", ("U2", 4, 60)),
    ],
)
def test_the_report_says_rewrite_and_batches_in_numbers(
    runs: dict[str, Ended], kind: str, table: str, batches: tuple[str, int, int]
) -> None:
    """The rewrite's lock, rows and bytes, or the batches' transactions and rows, are missing from a report."""
    ended = runs[kind]
    [rewriting] = [one for one in migrated(ended, "U1")["statements"] if one["rewritten"]]
    assert rewriting["rewritten"] == [table]
    assert rewriting["new_bytes"] > 0
    assert {"relation": table, "mode": "AccessExclusive"} in rewriting["taken"]
    held = migrated(ended, "U1")["held"]
    [lock] = [one for one in held if (one["mode"], one["relation"]) == ("AccessExclusive", table)]
    assert (lock["blocks"], lock["rows"]) == ("reads and writes", 2 * ROWS)
    assert lock["n"] == rewriting["n"]
    assert lock["held_ms"] * 1000 >= rewriting["duration_us"] - 1000
    scenario, transactions, most = batches
    written = [one["rows_written"] for one in migrated(ended, scenario)["transactions"]]
    filled = [rows for rows in written if rows > 1]
    assert (len(filled), max(filled), sum(filled)) == (transactions, most, ROWS)
    pages = (markdown(ended.state), html(ended.state, ended.folder))
    for page in pages:
        assert "AccessExclusive" in page
        assert f"{lock['held_ms']} ms" in page
        assert str(rewriting["new_bytes"]) in page
    told = machine_report(ended.state)["migrations"]
    assert told["migrated"]["U1"]["held"][0]["relation"] == table
    assert any(one["change"] == f"+ column {table}.amount_cents bigint" for one in told["changes"])
    assert {one["after"] for one in told["changes"] if "column" in one["change"]} == {"the ups"}


def test_the_first_thing_wrong_is_told(runs: dict[str, Ended]) -> None:
    """A migration that is wrong passes, or its run ends elsewhere."""
    ended = runs["wrong"]
    assert ended.outcome == (1, "FAIL", "CLEAN", "subject")
    assert ended.summary["failed_gate"] == "M-2"
    assert "the change + app may" not in ended.summary["reason"]
    assert "the change + shop_app may SELECT on table public.stray is not expected" in ended.summary["reason"]


@pytest.mark.parametrize(
    ("gate", "says"),
    [
        ("M-2", "the change + table public.stray owned by shop_owner is not expected"),
        ("M-3", "the rows of public.stray is not expected"),
        ("M-3", "+ table public.stray owned by shop_owner"),
        ("M-3", "the rows of public.purchase is 268, expected 400"),
        ("M-4", "U1: AccessExclusive on public.purchase (400 rows,"),
        ("M-5", "U1, statement 2 rewrote public.purchase ("),
        ("M-6", "nobody saw this"),
        ("M-7", "public.purchase lost 132 of 400 rows, and nothing is declared of it"),
    ],
)
def test_each_gate_is_failed_by_the_real_thing(runs: dict[str, Ended], gate: str, says: str) -> None:
    """A gate passes over the facts of a real migration that breaks it, or says something else."""
    row = next(one for one in MIGRATIONS if one.id == gate)
    judged = judge(row, Facts(runs["wrong"].state.facts))
    assert (judged.verdict, says in judged.reason) == (GateVerdict.FAIL, True), judged.reason


def test_an_error_stops_at_its_migration(runs: dict[str, Ended]) -> None:
    """A migration that the server refuses goes on, or the server's words or the place are missing."""
    ended = runs["refused"]
    assert ended.outcome == (1, "FAIL", "CLEAN", "subject")
    assert ended.summary["failed_scenario"] == "U2"
    assert 'column "name" of relation "customer" already exists (SQLSTATE 42701)' in ended.summary["reason"]
    assert ended.summary["gates"]["M-1"] == "FAIL"
    assert ended.summary["scenarios"]["U3"] == "NOT_REACHED"
    refused = next(one for one in migrated(ended, "U2")["statements"] if one["sqlstate"])
    assert refused["around"]
    assert refused["taken"] == []


@pytest.mark.parametrize("kind", ["sql", "wrong", "harmful", "declared"])
def test_the_evidence_verifies(drydock: Drydock, runs: dict[str, Ended], kind: str) -> None:
    """A run of migrations whose gates cannot be asked again from its facts is found."""
    said = drydock.command("verify", str(runs[kind].folder))
    assert (said.exit_code, "✗" in said.stdout) == (0, False), said.stdout
