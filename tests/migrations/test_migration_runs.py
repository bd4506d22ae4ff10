"""Whole rehearsals of migrations by the real command: SQL files that are wrong, an Alembic and a Django project."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from fix_runs import Drydock, Ended, played_together

from console.evidence.html import html
from console.evidence.report import markdown
from console.evidence.summary import machine_report
from console.gates.migration_table import MIGRATIONS
from console.model.gate import Facts, GateVerdict, judge
from console.settings import data_folder

pytestmark = pytest.mark.matrix
"""Five rehearsals of a plan that cannot pass yet: by their own command."""

ROWS = 200
HIDDEN = '''"""Sends a statement past the driver's cursors, which the client witness cannot see."""

from console.harness import Context, migrations
from psycopg import Connection


@migrations.before
def look(ctx: Context) -> None:
    """Ask behind the witness's back."""
    with Connection.connect(
        host=ctx.host, port=ctx.port, dbname=ctx.database, user="shop_owner", password=ctx.password("shop_owner")
    ) as connection:
        connection.pgconn.exec_(b"SELECT 'nobody saw this'")
'''
WRONG: Mapping[str, str] = {
    "subject/migrations/0001_amount_in_bigint.up.sql": (
        "ALTER TABLE public.purchase ALTER COLUMN amount_cents TYPE bigint;\nSELECT pg_sleep(0.3);\n"
    ),
    "subject/migrations/0002_email_key.up.sql": (
        "ALTER TABLE public.customer ADD COLUMN email_key text;\nCREATE TABLE public.stray (a integer);\n"
        "GRANT SELECT ON public.stray TO shop_app;\nDELETE FROM public.purchase WHERE status = 'open';\n"
        "UPDATE public.customer SET name = upper(name) WHERE customer_id = 1;\n"
    ),
    "pack.py": HIDDEN,
}
"""A migration that is wrong in every way but one: it raises no error."""

REFUSED: Mapping[str, str] = {
    "subject/migrations/0002_email_key.up.sql": (
        "ALTER TABLE public.customer ADD COLUMN email_key text;\nALTER TABLE public.customer ADD COLUMN name text;\n"
    ),
}


def a_pack(drydock: Drydock, name: str, changes: Mapping[str, str] = {}, **words: str) -> Path:
    """Return a copy of a shipped pack outside every repository, some files changed, some lines of pack.toml too."""
    left_out = shutil.ignore_patterns("__pycache__")
    pack = Path(shutil.copytree(data_folder("scenarios") / name, drydock.place(name), ignore=left_out))
    for file, text in changes.items():
        (pack / file).write_text(text, encoding="utf-8")
    lines = (pack / "pack.toml").read_text("utf-8").splitlines()
    for key, value in words.items():
        lines = [f"{key} = {value}" if line.startswith(f"{key} =") else line for line in lines]
    (pack / "pack.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return pack


def rehearsed(drydock: Drydock, pack: Path) -> Ended:
    """Return the run of a pack's own migrations."""
    return drydock.run(
        "--plan", "migration", "--pack", str(pack), "--subject", str(pack / "subject"), rows=ROWS
    )


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
        "refused": lambda it: rehearsed(it, a_pack(it, "migrations_sql", REFUSED)),
    }
    return {name: done.result() for name, done in played_together(drydock, plays).items()}


def migrated(ended: Ended, scenario: str) -> dict[str, Any]:
    """Return the recorded fact of one migration."""
    found: dict[str, Any] = ended.state.facts[f"migrated.{scenario}"]
    return found


@pytest.mark.parametrize("kind", ["sql", "alembic", "django"])
def test_a_right_project_holds_every_row_that_can_be_asked(runs: dict[str, Ended], kind: str) -> None:
    """A project whose migrations are right fails a row, leaves something behind, or passes before M-8 can be asked."""
    assert runs[kind].outcome == (1, "FAIL", "CLEAN", "drydock"), runs[kind].said.stderr[-3000:]
    assert runs[kind].summary["failed_gate"] == "M-8"
    assert "beyond.before was never recorded" in runs[kind].summary["reason"]
    gates = runs[kind].summary["gates"]
    rows = {gate.id: gates[gate.id] for gate in MIGRATIONS}
    assert rows == {**{gate.id: "PASS" for gate in MIGRATIONS}, "M-8": "UNKNOWN"}
    not_applicable = {"G-15", "G-16", "G-17", "G-19", "G-20"}
    assert {
        gate for gate, verdict in gates.items() if gate.startswith("G-") and verdict != "PASS"
    } == not_applicable | {"G-23"}


@pytest.mark.parametrize(
    ("kind", "table", "batches"),
    [
        ("sql", "public.purchase", ("U3", 4, 50)),
        ("alembic", "public.purchase", ("U2", 4, 60)),
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
    [lock] = [one for one in migrated(ended, "U1")["held"] if one["mode"] == "AccessExclusive"]
    assert (lock["relation"], lock["blocks"], lock["rows"]) == (table, "reads and writes", 2 * ROWS)
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


@pytest.mark.parametrize("kind", ["sql", "wrong"])
def test_the_evidence_verifies(drydock: Drydock, runs: dict[str, Ended], kind: str) -> None:
    """A run of migrations whose gates cannot be asked again from its facts is found."""
    said = drydock.command("verify", str(runs[kind].folder))
    assert (said.exit_code, "✗" in said.stdout) == (0, False), said.stdout
