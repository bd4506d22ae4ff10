"""Transactions folded from what the server saw: where each begins, at which level, and how it ends."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from console.model.trace import ClientStatement
from console.witness.reconcile import ServerStatement, Witnessed, server_statements
from console.witness.server_log import ServerLog, sessions_ended
from console.witness.transactions import Transaction, transactions

if TYPE_CHECKING:
    from tests.witness.conftest import WitnessedServer

PATIENCE_S = 20.0


def verbs_of(sql: str) -> tuple[str, ...]:
    """Return the first word of each statement."""
    return tuple(re.findall(r"(?:^|;)\s*(\w+)", sql.upper()))


def one(
    line: int, sql: str, *, sqlstate: str = "", vxid: str = "", implicit: bool = False, **other: Any
) -> Witnessed:
    """Return one statement with its sender."""
    client = ClientStatement(
        n=line, pid=41, principal="cutter_exec", scenario="S4", attempt=other.pop("attempt", "mark"),
        phase="MARK", sql=sql, sent_at=float(line), implicit=implicit,
    )  # fmt: skip
    server = ServerStatement(
        at=float(line), pid=41, session=other.pop("session", "a.29"), line=line, user="cutter_exec", sql=sql,
        sqlstate=sqlstate, vxid=vxid, severity=other.pop("severity", "ERROR" if sqlstate else "LOG"),
    )  # fmt: skip
    return Witnessed(server=server, client=client)


def folded(*texts: str | tuple[str, str]) -> list[Transaction]:
    """Fold one session; a pair is a text and the SQLSTATE that it raised."""
    pairs = [(it, "") if isinstance(it, str) else it for it in texts]
    statements = [one(at, sql, sqlstate=state) for at, (sql, state) in enumerate(pairs, start=1)]
    return list(
        transactions(statements, verbs_of=verbs_of, default_isolation={"cutter_exec": "serializable"})
    )


Shape = tuple[str, str, bool, tuple[str, ...], str, int]


def shape(it: Transaction) -> Shape:
    """Return what the tables below compare."""
    return (it.begin, it.isolation, it.wrote, it.errors, it.ended, len(it.statements))


S, RC, RR = "serializable", "read committed", "repeatable read"
LEVEL = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"

CASES: dict[str, tuple[tuple[str | tuple[str, str], ...], list[Shape]]] = {
    "autocommit": (
        ("SELECT 1", "INSERT INTO t"),
        [("autocommit", S, False, (), "commit", 1), ("autocommit", S, True, (), "commit", 1)],
    ),
    "autocommit write": (("UPDATE t SET a = 1",), [("autocommit", S, True, (), "commit", 1)]),
    "autocommit error": (
        (("UPDATE t SET a = 1", "42501"),),
        [("autocommit", S, True, ("42501",), "rollback", 1)],
    ),
    "committed": (
        ("BEGIN", "INSERT INTO t VALUES (1)", "COMMIT"),
        [("explicit", S, True, (), "commit", 3)],
    ),
    "rolled back": (("START TRANSACTION", "SELECT 1", "ABORT"), [("explicit", S, False, (), "rollback", 3)]),
    "left open": (("BEGIN", "SELECT 1"), [("explicit", S, False, (), "left open", 2)]),
    "level in BEGIN": (
        ("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", "END"),
        [("explicit", RR, False, (), "commit", 2)],
    ),
    "level by SET TRANSACTION": (("BEGIN", LEVEL, "COMMIT"), [("explicit", RC, False, (), "commit", 3)]),
    "refused SET TRANSACTION changes nothing": (
        ("BEGIN", "SELECT 1", (LEVEL, "25001"), "ROLLBACK"),
        [("explicit", S, False, ("25001",), "rollback", 4)],
    ),
    "SET TRANSACTION outside a block changes nothing": (
        (LEVEL, "BEGIN", "COMMIT"),
        [("autocommit", S, False, (), "commit", 1), ("explicit", S, False, (), "commit", 2)],
    ),
    "session characteristics": (
        ("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED", "SELECT 1"),
        [("autocommit", S, False, (), "commit", 1), ("autocommit", RC, False, (), "commit", 1)],
    ),
    "default set, then reset": (
        ("SET default_transaction_isolation = 'read committed'", "SELECT 1", "RESET ALL", "SELECT 1"),
        [
            ("autocommit", S, False, (), "commit", 1),
            ("autocommit", RC, False, (), "commit", 1),
            ("autocommit", RC, False, (), "commit", 1),
            ("autocommit", S, False, (), "commit", 1),
        ],
    ),
    "default set inside a block that is rolled back": (
        ("BEGIN", "SET default_transaction_isolation = 'read committed'", "ROLLBACK", "SELECT 1"),
        [("explicit", S, False, (), "rollback", 3), ("autocommit", S, False, (), "commit", 1)],
    ),
    "default set inside a block that is committed": (
        ("BEGIN", "SET default_transaction_isolation = 'read committed'", "COMMIT", "SELECT 1"),
        [("explicit", S, False, (), "commit", 3), ("autocommit", RC, False, (), "commit", 1)],
    ),
    "COMMIT of a failed transaction": (
        ("BEGIN", ("INSERT INTO t VALUES (1)", "23505"), "COMMIT"),
        [("explicit", S, True, ("23505",), "rollback", 3)],
    ),
    "COMMIT that fails": (
        ("BEGIN", "INSERT INTO t VALUES (1)", ("COMMIT", "40001"), "SELECT 1"),
        [("explicit", S, True, ("40001",), "rollback", 3), ("autocommit", S, False, (), "commit", 1)],
    ),
    "savepoint mends": (
        (
            "BEGIN",
            "SAVEPOINT a",
            ("INSERT INTO t VALUES (1)", "23505"),
            "ROLLBACK TO a",
            "RELEASE a",
            "COMMIT",
        ),
        [("explicit", S, True, ("23505",), "commit", 6)],
    ),
    "AND CHAIN": (
        ("BEGIN ISOLATION LEVEL READ COMMITTED", "COMMIT AND CHAIN", "UPDATE t SET a = 1", "COMMIT"),
        [("explicit", RC, False, (), "commit", 2), ("explicit", RC, True, (), "commit", 2)],
    ),
    "BEGIN twice is one transaction": (
        ("BEGIN", "BEGIN ISOLATION LEVEL READ COMMITTED", "COMMIT"),
        [("explicit", S, False, (), "commit", 3)],
    ),
    "several in one string": (
        ("BEGIN; UPDATE t SET a = 1; COMMIT", "SELECT 1"),
        [("explicit", S, True, (), "commit", 1), ("autocommit", S, False, (), "commit", 1)],
    ),
    "a second transaction in one string": (
        ("BEGIN", "COMMIT; UPDATE t SET a = 1"),
        [("explicit", S, True, (), "commit", 2), ("autocommit", S, True, (), "commit", 1)],
    ),
    "unparsed": ((("SELEC 1", "42601"),), [("autocommit", S, False, ("42601",), "rollback", 1)]),
    "empty": (("", "SELECT 1"), [("autocommit", S, False, (), "commit", 1)] * 2),
}


@pytest.mark.parametrize("name", CASES)
def test_folds(name: str) -> None:
    """A session's statements become exactly these transactions."""
    texts, expected = CASES[name]
    assert [shape(it) for it in folded(*texts)] == expected


def test_role_without_a_default_is_read_committed() -> None:
    """A role whose default nobody gave runs at the server's own default."""
    (found,) = transactions([one(1, "SELECT 1")], verbs_of=verbs_of, default_isolation={})
    assert found.isolation == "read committed"


@pytest.mark.parametrize(("ended", "expected"), [((), "left open"), (("a.29",), "rollback")])
def test_end_of_the_session_rolls_back(ended: tuple[str, ...], expected: str) -> None:
    """An open transaction is rolled back by its session's end, and left open without one."""
    (found,) = transactions(
        [one(1, "BEGIN"), one(2, "UPDATE t SET a = 1")],
        verbs_of=verbs_of, default_isolation={}, ended_sessions=ended,
    )  # fmt: skip
    assert found.ended == expected


def test_fatal_error_ends_the_transaction() -> None:
    """A session that the server ended has no open transaction."""
    statements = [one(1, "BEGIN"), one(2, "SELECT 1", sqlstate="57P01", severity="FATAL")]
    (found,) = transactions(statements, verbs_of=verbs_of, default_isolation={})
    assert (found.ended, found.errors) == ("rollback", ("57P01",))


@pytest.mark.parametrize(("second", "count"), [("3/7", 1), ("3/8", 2), ("", 2)])
def test_implicit_pipeline_transaction(second: str, count: int) -> None:
    """Statements without BEGIN are one transaction when the server gave them one name."""
    statements = [one(1, "INSERT INTO t VALUES (1)", vxid="3/7"), one(2, "SELECT 1", vxid=second)]
    assert len(transactions(statements, verbs_of=verbs_of, default_isolation={})) == count


def test_sessions_do_not_mix() -> None:
    """Two sessions have transactions of their own, in the order of their beginnings."""
    statements = [
        one(1, "BEGIN", session="a"), one(1, "BEGIN", session="b"), one(2, "COMMIT", session="b"),
        one(2, "ROLLBACK", session="a"),
    ]  # fmt: skip
    found = transactions(statements, verbs_of=verbs_of, default_isolation={})
    assert [(it.session, it.ended) for it in found] == [("a", "rollback"), ("b", "commit")]


def test_opener_is_what_somebody_meant() -> None:
    """The driver's own BEGIN does not count as what opened a transaction, and its attempt is the last one."""
    statements = [
        one(1, "BEGIN", implicit=True), one(2, "SELECT 1"),
        one(3, "COMMIT", implicit=True, attempt="review"),
    ]  # fmt: skip
    (found,) = transactions(statements, verbs_of=verbs_of, default_isolation={})
    assert (found.begin, found.opener.server.sql, found.attempt) == ("implicit", "SELECT 1", "review")


def use_every_way(conn: psycopg.Connection[Any]) -> None:
    """Commit, roll back, fail, chain a savepoint, and send a pipeline without BEGIN."""
    conn.execute("INSERT INTO ledger VALUES (1)")
    conn.commit()
    conn.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
    with pytest.raises(psycopg.errors.UniqueViolation):
        conn.execute("INSERT INTO ledger VALUES (1)")
    conn.rollback()
    with conn.transaction():
        conn.execute("SELECT 1")
        with pytest.raises(psycopg.errors.UniqueViolation), conn.transaction():
            conn.execute("INSERT INTO ledger VALUES (1)")
    conn.autocommit = True
    with conn.pipeline():
        conn.execute("UPDATE ledger SET b = 'x'")
        conn.execute("UPDATE ledger SET b = 'y'")
    conn.autocommit = False
    conn.execute("UPDATE ledger SET b = 'z'")


def test_real_server(witnessed_server: WitnessedServer) -> None:
    """What psycopg did on a real server is folded into exactly those transactions."""
    with ServerLog(witnessed_server.cluster.server_log) as log:
        conn = witnessed_server.connect()
        pid = conn.info.backend_pid
        use_every_way(conn)
        conn.close()
        lines = list(log.read().lines)
        deadline = time.monotonic() + PATIENCE_S
        while not sessions_ended(lines, [pid]):
            assert time.monotonic() < deadline
            lines += log.read().lines
    statements, _errors = server_statements(it for it in lines if it.pid == pid)
    found = transactions(
        [Witnessed(server=it) for it in statements], verbs_of=verbs_of,
        default_isolation={"subject": RR}, ended_sessions={it.session for it in statements},
    )  # fmt: skip
    kept = [(it.isolation, it.wrote, it.errors, it.ended) for it in found if it.wrote]
    assert kept == [
        (RR, True, (), "commit"),
        (S, True, ("23505",), "rollback"),
        (RR, True, ("23505",), "commit"),
        (RR, True, (), "commit"),
        (RR, True, (), "rollback"),
    ]
