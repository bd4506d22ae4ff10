"""How a migration's transactions and sessions ended, without a server: what wrote must be committed, by the role."""

from __future__ import annotations

import pytest

from console.engine.statements import verbs_of
from console.model.trace import ClientStatement, ServerLine
from console.witness.migration import Look, Looks
from console.witness.migration_ends import of_others, uncommitted
from console.witness.reconcile import ServerStatement, Witnessed
from console.witness.transactions import Transaction, transactions

PID = 7


def done(*texts: str, sqlstate: str = "", ended: bool = False) -> tuple[Transaction, ...]:
    """Return the transactions that statements of one session make; `sqlstate` is the last one's."""
    witnessed = [
        Witnessed(
            server=ServerStatement(
                at=float(n), pid=PID, session="s", line=n, user="owner", sql=text, scenario="U1",
                sqlstate=sqlstate if n == len(texts) else "",
            ),
            client=ClientStatement(
                n=n, pid=PID, principal="owner", scenario="U1", attempt="migrate", phase="", sql=text, sent_at=float(n)
            ),
        )
        for n, text in enumerate(texts, 1)
    ]  # fmt: skip
    sessions = ("s",) if ended else ()
    return transactions(witnessed, verbs_of=verbs_of, default_isolation={}, ended_sessions=sessions)


def looks(*writing: int) -> Looks:
    """Return looks that saw a transaction number after these statements."""
    return Looks(
        [
            Look(n=n, when="after", locks={}, files=None, pause_s=0, writing=frozenset({PID} if n in writing else ()))
            for n in range(1, 6)
        ],
        [], {},
    )  # fmt: skip


CASES = {
    "committed": (done("BEGIN", "CREATE TABLE a (b integer)", "COMMIT"), looks(2), ""),
    "of its own": (done("CREATE TABLE a (b integer)"), looks(), ""),
    "only read": (done("BEGIN", "SELECT 1", "SHOW work_mem"), looks(), ""),
    "read and rolled back": (done("BEGIN", "SELECT 1", "ROLLBACK"), looks(), ""),
    "left open": (done("BEGIN", "ALTER TABLE a ADD c text"), looks(), "began with BEGIN (left open)"),
    "lost with its session": (done("BEGIN", "ALTER TABLE a ADD c text", ended=True), looks(), "(rolled back)"),
    "rolled back": (done("BEGIN", "UPDATE a SET b = 1", "ROLLBACK"), looks(), "(rolled back)"),
    "written by a function": (done("BEGIN", "SELECT fill()", "ROLLBACK"), looks(2), "(rolled back)"),
    "failed at its end": (done("BEGIN", "DELETE FROM a", "COMMIT", sqlstate="23503"), looks(), "(rolled back)"),
    "prepared": (done("BEGIN", "DELETE FROM a", "PREPARE TRANSACTION 'x'"), looks(), "(left open)"),
    "one of two": (done("BEGIN", "DELETE FROM a", "COMMIT", "BEGIN", "DELETE FROM a"), looks(), "(left open)"),
    "only locked": (done("BEGIN", "LOCK TABLE a NOWAIT", "ROLLBACK"), looks(2), ""),
    "only rows locked": (done("BEGIN", "SELECT 1 FROM a WHERE b = 1 FOR UPDATE NOWAIT", "ROLLBACK"), looks(2), ""),
    "locked and written": (done("BEGIN", "LOCK TABLE a", "DELETE FROM a", "ROLLBACK"), looks(2), "(rolled back)"),
    "locked and called": (done("BEGIN", "LOCK TABLE a", "SELECT fill()", "ROLLBACK"), looks(2), "(rolled back)"),
    "written in a query": (
        done("BEGIN", "WITH x AS (DELETE FROM a RETURNING b) SELECT b FROM x FOR UPDATE", "ROLLBACK"),
        looks(), "(rolled back)",
    ),
    "written by a view": (done("BEGIN", "SELECT b FROM a_view", "ROLLBACK"), looks(2), "(rolled back)"),
    "locked before a table": (done("BEGIN", "SELECT b INTO c FROM a", "ROLLBACK"), looks(2), "(rolled back)"),
    "after a savepoint": (
        done("BEGIN", "SAVEPOINT x", "DELETE FROM a", "ROLLBACK TO x", "COMMIT"), looks(3), ""
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_wrote_is_committed(case: str) -> None:
    """A transaction that wrote and was never committed is not told, or one that harms nobody is."""
    found, seen, says = CASES[case]
    told = uncommitted(found, "U1", seen, verbs_of=verbs_of)
    assert len(told) == bool(says)
    assert all(says in one for one in told), told
    assert uncommitted(found, "U2", seen, verbs_of=verbs_of) == ()


@pytest.mark.parametrize(
    ("user", "database", "says"),
    [
        ("owner", "shop", ()),
        ("", "", ()),
        ("app", "shop", ("backend 7 was a session of app in shop",)),
        ("owner", "postgres", ("backend 7 was a session of owner in postgres",)),
    ],
)
def test_a_session_of_another_is_told(user: str, database: str, says: tuple[str, ...]) -> None:
    """A session of another role, or in another database, passes for the migration's own."""
    line = ServerLine(
        at=1.0, pid=PID, session="s", line=1, user=user, database=database, application="", kind="connection",
        severity="LOG", scenario="U1",
    )  # fmt: skip
    assert of_others([line, line], "U1", role="owner", database="shop") == says
    assert of_others([line], "U2", role="owner", database="shop") == ()
