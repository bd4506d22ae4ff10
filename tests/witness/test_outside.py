"""What no scenario's judge looks at is looked at in the end."""

from __future__ import annotations

import pytest

from console.model.trace import ClientStatement
from console.witness.outside import belied_by_the_server, outside_every_scenario
from console.witness.reconcile import ServerStatement, Witnessed
from console.witness.surface import judge_text
from console.witness.transactions import transactions


def witnessed(
    sql: str, *, line: int = 1, scenario: str = "S4", sent_in: str | None = "S4", vxid: str = "3/7"
) -> Witnessed:
    """Return one statement of a session; `sent_in` None means that nobody claims it."""
    server = ServerStatement(
        at=float(line), pid=41, session="s", line=line, user="writer", sql=sql, scenario=scenario, vxid=vxid
    )
    claim = None
    if sent_in is not None:
        claim = ClientStatement(
            n=line,
            pid=41,
            principal="writer",
            scenario=sent_in,
            attempt="",
            phase="",
            sql=sql,
            sent_at=float(line),
        )
    return Witnessed(server=server, client=claim)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("ROLLBACK", 0),
        ("COMMIT", 1),
        ("BEGIN", 1),
        ("SELECT 1", 1),
        ("UPDATE ledger SET a = 1", 1),
        ("DO $$ BEGIN END $$", 1),
        ("not a statement", 1),
    ],
)
def test_outside_every_scenario_only_a_rollback_is_quiet(sql: str, said: int) -> None:
    """A statement that ran while no scenario did is passed over, other than a plain ROLLBACK."""
    assert len(outside_every_scenario([witnessed(sql, scenario="", sent_in="")])) == said


def test_a_statement_between_two_scenarios_is_named_with_both() -> None:
    """A statement that was sent in one scenario and ran in another belongs to neither's judge alone."""
    [said] = outside_every_scenario([witnessed("SELECT 1", scenario="S5", sent_in="S4")])
    assert said == (
        "backend 41 (writer): statement 1 was sent in scenario S4 and ran in scenario S5: SELECT 1"
    )


def test_what_nobody_claims_within_a_scenario_is_left_to_the_reconciliation() -> None:
    """A statement without a claim is said here as well as by the reconciliation."""
    assert outside_every_scenario([witnessed("SELECT 1", sent_in=None)]) == []


def found(*statements: Witnessed) -> list[str]:
    """Return what the server's transaction ids say of some statements."""
    done = transactions(statements, verbs_of=lambda sql: judge_text(sql).verbs, default_isolation={})
    return belied_by_the_server(done)


def test_one_transaction_of_the_server_is_one() -> None:
    """A transaction that the server saw as one is doubted."""
    assert found(witnessed("BEGIN", line=1), witnessed("SELECT 1", line=2), witnessed("COMMIT", line=3)) == []


def test_a_hidden_commit_shows_in_the_servers_transaction_id() -> None:
    """A COMMIT hidden in a text that the grammar reads otherwise leaves no trace."""
    hidden = "SELECT '\\' , '; COMMIT; BEGIN; UPDATE ledger SET a = 1; --'"
    [said] = found(
        witnessed("BEGIN", line=1),
        witnessed(hidden, line=2),
        witnessed("SELECT 2", line=3, vxid="3/8"),
        witnessed("COMMIT", line=4, vxid="3/8"),
    )
    assert said.startswith("backend 41 (writer): the server went through transactions 3/7, 3/8 where")


def test_autocommit_statements_have_transactions_of_their_own() -> None:
    """Two autocommit statements are taken for one transaction."""
    assert found(witnessed("SELECT 1", line=1), witnessed("SELECT 2", line=2, vxid="3/8")) == []
