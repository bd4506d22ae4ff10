"""Causes that a reader can act on: the earlier statement, its sender and its line, in one sentence."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
import pytest

from console.model.pack import Attempt, Scenario
from console.model.trace import ClientStatement, ServerLine
from console.witness import explain
from console.witness.reconcile import ServerStatement, Witnessed, reconcile, server_statements
from console.witness.scenario import judge_scenario
from console.witness.scenario_evidence import AttemptReport, gather
from console.witness.server_log import ServerLog, sessions_ended
from console.witness.transactions import transactions

if TYPE_CHECKING:
    from tests.witness.conftest import WitnessedServer

FIND = "find (cutter_agent/db_adapter.py:88)"
BEGIN_LINE = "transaction (cutter_agent/db_adapter.py:104)"
SET = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"
ACTIVE = "SET TRANSACTION ISOLATION LEVEL must be called before any query"
PATIENCE_S = 20.0


def verbs_of(sql: str) -> tuple[str, ...]:
    """Return the first word."""
    return tuple(re.findall(r"^\s*(\w+)", sql.upper()))


def one(
    n: int,
    sql: str,
    *,
    sqlstate: str = "",
    user: str = "cutter_exec",
    phase: str = "",
    callers: tuple[str, ...] = (),
    implicit: bool = False,
    known: bool = True,
) -> Witnessed:
    """Return one witnessed statement of backend 41; its line is its number."""
    server = ServerStatement(
        at=float(n), pid=41, session="a.29", line=n, user=user, sql=sql, sqlstate=sqlstate,
        message=ACTIVE if sqlstate == "25001" else "permission denied" if sqlstate else "",
    )  # fmt: skip
    client = ClientStatement(
        n=n, pid=41, principal=user, scenario="S4", attempt="mark", phase=phase, sql=sql, sent_at=float(n),
        callers=callers, implicit=implicit,
    )  # fmt: skip
    return Witnessed(server=server, client=client if known else None)


def fold(*statements: Witnessed) -> Any:
    """Fold one session whose role's default is repeatable read."""
    return transactions(statements, verbs_of=verbs_of, default_isolation={"cutter_exec": "repeatable read"})


LEFT_OPEN = (
    one(11, "BEGIN", implicit=True, callers=("_only_row (cutter_agent/db_adapter.py:61)", FIND)),
    one(12, "SELECT * FROM entry", callers=("_only_row (cutter_agent/db_adapter.py:61)", FIND)),
    one(13, SET, sqlstate="25001", phase="MARK", callers=(BEGIN_LINE,)),
)


def test_opened_earlier_names_the_statement_and_its_sender() -> None:
    """25001 is explained by the statement that opened the transaction, its public function and line."""
    assert explain.opened_earlier(LEFT_OPEN[-1], fold(*LEFT_OPEN)) == (
        f"the transaction was opened by statement 12, SELECT * FROM entry, sent by {FIND} outside any "
        "phase, and was still open on backend 41"
    )
    assert explain.culprit(LEFT_OPEN[-1], fold(*LEFT_OPEN)) == FIND


@pytest.mark.parametrize(
    "statements",
    [
        (one(11, "BEGIN", implicit=True), one(12, SET, sqlstate="25001", callers=(BEGIN_LINE,))),
        (one(11, "BEGIN"), one(12, "SELECT 1"), one(13, SET, sqlstate="42501", callers=(BEGIN_LINE,))),
    ],
    ids=["it opened the transaction itself", "another error"],
)
def test_nothing_was_opened_earlier(statements: tuple[Witnessed, ...]) -> None:
    """Without 25001, or without an earlier statement, nobody else is blamed."""
    assert explain.opened_earlier(statements[-1], fold(*statements)) is None
    assert explain.culprit(statements[-1], fold(*statements)) == BEGIN_LINE


def test_opened_earlier_needs_the_transaction() -> None:
    """Without the transaction's own record no opener is invented."""
    assert explain.opened_earlier(LEFT_OPEN[-1], ()) is None


def test_opener_without_a_sender_is_named_by_its_line() -> None:
    """A transaction opened past the client witness is said to be that."""
    statements = (one(12, "SELECT 1", known=False), one(13, SET, sqlstate="25001"))
    opened = (one(11, "BEGIN", known=False), *statements)
    assert explain.opened_earlier(statements[-1], fold(*opened)) == (
        "the transaction was opened by line 11 of backend 41, BEGIN, which no client statement explains, "
        "and was still open on backend 41"
    )


@pytest.mark.parametrize(
    ("callers", "shown"),
    [
        (("_only_row (a.py:1)", FIND), FIND),
        (("_only_row (a.py:1)",), "_only_row (a.py:1)"),
        (("<lambda> (a.py:1)", "mark (b.py:2)"), "mark (b.py:2)"),
        ((), ""),
    ],
)
def test_sender(callers: tuple[str, ...], shown: str) -> None:
    """The sender is the nearest function that a reader knows by name."""
    client = one(1, "SELECT 1", callers=callers).client
    assert client is not None
    assert explain.sender(client) == shown


def phase_in(*, parts: int) -> Any:
    """Return a phase's writes committed in so many transactions."""
    found: list[Witnessed] = []
    for part in range(parts):
        n = 10 * part
        found += [
            one(n + 1, "BEGIN", implicit=True),
            one(n + 2, "INSERT INTO entry", phase="MARK", callers=("insert (a.py:1)",)),
            one(n + 3, "COMMIT", phase="MARK", implicit=True, callers=(f"commit (a.py:{part})",)),
        ]
    return fold(*found)


def test_split_phase() -> None:
    """Two commits where one may be are both named; one is in order."""
    assert explain.split_phase(phase_in(parts=1), 1) is None
    assert explain.split_phase(phase_in(parts=2), 1) == (
        "transactions with writes committed: 2, expected 1: statement 3, COMMIT, sent by commit (a.py:0) "
        "in phase MARK (transaction 1) and statement 13, COMMIT, sent by commit (a.py:1) in phase MARK "
        "(transaction 2)"
    )


def test_wrong_roles() -> None:
    """A write by a role that may not appear is named before its reads; an allowed role is in order."""
    statements = (one(1, "SELECT 1"), one(2, "INSERT INTO verify_result", phase="VERIFY", callers=(FIND,)))
    assert explain.wrong_roles(statements, ("cutter_exec",), verbs_of) is None
    assert explain.wrong_roles(statements, ("cutter_verify",), verbs_of) == (
        "the write was sent as cutter_exec, and only cutter_verify may appear: statement 2, INSERT INTO "
        f"verify_result, sent by {FIND} in phase VERIFY"
    )
    assert explain.wrong_roles(statements[:1], (), verbs_of) == (
        "the statement was sent as cutter_exec, and no role may appear: statement 1, SELECT 1, sent by "
        "code that is not the subject's outside any phase"
    )


@pytest.mark.parametrize(
    ("expected", "sentence"),
    [
        ("repeatable read", None),
        (None, None),
        (
            "serializable",
            "transaction 1 of backend 41 ran at repeatable read, lower than the expected serializable, which "
            "begins with statement 2, INSERT INTO entry, sent by insert (a.py:1) in phase MARK",
        ),
        (
            "read committed",
            "transaction 1 of backend 41 ran at repeatable read, higher than the expected read committed, "
            "which begins with statement 2, INSERT INTO entry, sent by insert (a.py:1) in phase MARK",
        ),
    ],
)
def test_other_isolation(expected: str | None, sentence: str | None) -> None:
    """A transaction at another level than the expected one is named with its first statement."""
    assert explain.other_isolation(phase_in(parts=1)[0], expected) == sentence


def test_swallowed() -> None:
    """An error that never came out of the subject is named with its statement and sender."""
    assert explain.swallowed(one(7, "INSERT INTO secret", sqlstate="42501", callers=(FIND,))) == (
        "the server raised 42501 (permission denied) at statement 7, INSERT INTO secret, sent by "
        f"{FIND} outside any phase, and the subject returned as if nothing had happened"
    )


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        (
            one(7, "INSERT INTO entry", phase="MARK", callers=(FIND,)),
            f"the replay wrote again: statement 7, INSERT INTO entry, sent by {FIND} in phase MARK",
        ),
        (one(7, "INSERT INTO entry", sqlstate="23505"), None),
        (one(7, "INSERT INTO history"), None),
        (one(7, "SELECT * FROM entry"), None),
    ],
    ids=["wrote", "refused", "another table", "read"],
)
def test_inserted_again(statement: Witnessed, sentence: str | None) -> None:
    """Only a write that succeeded on a table whose rows changed explains a replay."""
    assert explain.inserted_again([statement], ["entry"], verbs_of) == sentence


def test_unexplained() -> None:
    """A statement of no client is said to have passed the witness."""
    assert explain.unexplained(one(7, "INSERT INTO entry", known=False)) == (
        "backend 41 (cutter_exec) executed INSERT INTO entry, which no client statement explains: a "
        "connection past the witness"
    )


# The seeds' defect, with plain psycopg on a real server.


def find_and_leave_open(conn: psycopg.Connection[Any]) -> None:
    """Read outside a transaction and give the connection back as it is."""
    conn.execute("SELECT a FROM ledger WHERE b = %s", ("key",)).fetchall()


def begin_phase(conn: psycopg.Connection[Any]) -> None:
    """Begin a phase's transaction on the same connection."""
    conn.execute(SET.encode())


def lines_of(server: WitnessedServer) -> tuple[list[ServerLine], str, str]:
    """Run the defect; return what the server logged of it, the error's SQLSTATE and message."""
    with ServerLog(server.cluster.server_log) as log:
        log.read()
        conn = server.connect()
        find_and_leave_open(conn)
        with pytest.raises(psycopg.errors.ActiveSqlTransaction) as caught:
            begin_phase(conn)
        pid = conn.info.backend_pid
        conn.rollback()
        conn.close()
        found: list[ServerLine] = []
        deadline = time.monotonic() + PATIENCE_S
        while not sessions_ended(found, [pid]):
            assert time.monotonic() < deadline
            found += log.read("S4").lines
    return [it for it in found if it.pid == pid], str(caught.value.sqlstate), str(caught.value)


def claimed(lines: list[ServerLine]) -> list[ClientStatement]:
    """Return the client's claims: what psycopg sent, by whom."""
    who = {"SELECT": ("", (FIND,)), "SET": ("MARK", (BEGIN_LINE,))}
    found: list[ClientStatement] = []
    for n, it in enumerate(server_statements(lines)[0], start=11):
        phase, callers = who.get(it.sql.split()[0], ("", ()))
        found.append(
            ClientStatement(
                n=n,
                pid=it.pid,
                principal=it.user,
                scenario="S4",
                attempt="mark",
                phase=phase,
                sql=it.sql,
                sent_at=it.at,
                callers=callers,
                implicit=not callers,
                answered=True,
                sqlstate=it.sqlstate,
                message=it.message,
            )
        )
    return found


def test_seeds_defect_on_a_real_server(witnessed_server: WitnessedServer) -> None:
    """find() that leaves its transaction open fails with the server's words and find()'s line."""
    lines, sqlstate, message = lines_of(witnessed_server)
    client = claimed(lines)
    found = reconcile(client, lines, opened={lines[0].pid}, engine_users={"postgres"})
    assert found.sentences() == ()
    folded = transactions(
        found.witnessed, verbs_of=verbs_of, default_isolation={"subject": "repeatable read"}
    )
    evidence = gather(
        "S4",
        attempts=[
            AttemptReport(
                name="mark", outcome="raised", type="PhaseStop", message=message, sqlstate=sqlstate,
                frames=(BEGIN_LINE,), began_at=lines[0].at, ended_at=lines[-1].at,
            )
        ],
        reconciliation=found, transactions=folded, lines=lines, statements=client,
        engine_users={"postgres"}, rows_before={"ledger": 0}, rows_after={"ledger": 0},
    )  # fmt: skip
    mark = Attempt(name="mark", principals=("subject",), commits=1, isolation="read committed")
    scenario = Scenario(id="S4", title="MARK", kind="happy", attempt=(mark,), rows={"ledger": 1})
    judged = judge_scenario(scenario, evidence, tables=["ledger"], verbs_of=verbs_of)
    select = "SELECT a FROM ledger WHERE b = $1"
    assert judged.reason == (
        f"{ACTIVE} (SQLSTATE 25001): raised by the server in scenario S4, attempt mark, at statement 13, "
        f"{SET}, sent by {BEGIN_LINE} in phase MARK; the transaction was opened by statement 12, {select}, "
        f"sent by {FIND} outside any phase, and was still open on backend {lines[0].pid}"
    )
    assert (judged.verdict, judged.cause, judged.failed_attempt, judged.culprit) == (
        "FAIL", "subject", "mark", FIND,
    )  # fmt: skip


def test_repaired_find_on_a_real_server(witnessed_server: WitnessedServer) -> None:
    """The same two steps with a rollback between them raise nothing and are explained by nothing."""
    with witnessed_server.connect() as conn:
        find_and_leave_open(conn)
        conn.rollback()
        begin_phase(conn)
        conn.rollback()


def test_records_are_values() -> None:
    """A witnessed statement survives the journal's own encoding."""
    encoded = msgspec.json.encode(LEFT_OPEN[-1])
    assert msgspec.json.decode(encoded, type=Witnessed) == LEFT_OPEN[-1]
