"""One whole rehearsal of migrations in every run of the suite: the shipped ones pass, and say what they did."""

from __future__ import annotations

from fix_runs import Drydock

from console.evidence.report import markdown
from console.gates.migration_table import MIGRATIONS
from console.settings import data_folder


def test_the_shipped_migrations_pass(drydock: Drydock) -> None:
    """Harmless migrations that are taken back fail a row, or a report without what they changed is written."""
    subject = data_folder("scenarios") / "migrations_sql" / "subject"
    ended = drydock.run("--plan", "migration", "--subject", str(subject), rows=60)
    assert ended.outcome == (0, "PASS", "CLEAN", None), ended.said.stderr[-3000:]
    gates = ended.summary["gates"]
    assert {gate.id: gates[gate.id] for gate in MIGRATIONS} == {gate.id: "PASS" for gate in MIGRATIONS}
    facts = ended.state.facts
    assert (
        facts["beyond.down"]["digests"] == facts["beyond.before"]["digests"] != facts["beyond.up"]["digests"]
    )
    assert (facts["beyond.down"]["changes"], facts["beyond.down"]["values"]) == ([], {})
    page = markdown(ended.state)
    assert "+ pg_class public.customer_email_key" in page
    assert "pg_attribute public.purchase.amount_cents: attalign i, then d" in page
