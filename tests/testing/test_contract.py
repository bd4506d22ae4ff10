"""The fake server's contract: every test here runs against it and against a real PostgreSQL, with the same psycopg."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg import IsolationLevel, errors
from psycopg.pq import TransactionStatus

Open = Callable[..., psycopg.Connection[Any]]
IDLE, INTRANS, INERROR = TransactionStatus.IDLE, TransactionStatus.INTRANS, TransactionStatus.INERROR
FIVE = "SELECT n FROM generate_series(1, 5) AS n"
SERIALIZABLE = "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"


def state(connection: psycopg.Connection[Any]) -> TransactionStatus:
    """Return the transaction status."""
    return connection.info.transaction_status


def refused(connection: psycopg.Connection[Any], statement: str) -> tuple[str | None, str | None]:
    """Return SQLSTATE and message of a statement that the server must refuse."""
    with pytest.raises(psycopg.Error) as caught:
        connection.execute(statement)
    return caught.value.sqlstate, caught.value.diag.message_primary


def test_the_first_execute_begins(opened: Open) -> None:
    """Without autocommit the first statement opens a transaction, and commit or rollback ends it."""
    connection = opened()
    assert state(connection) == IDLE
    assert connection.execute("SELECT 1 AS one").fetchall() == [(1,)]
    assert state(connection) == INTRANS
    connection.commit()
    assert state(connection) == IDLE
    connection.execute("SELECT 1 AS one")
    connection.rollback()
    assert state(connection) == IDLE


def test_with_autocommit_nothing_begins(opened: Open) -> None:
    """With autocommit a statement leaves no transaction behind."""
    connection = opened(autocommit=True)
    connection.execute("SELECT 1 AS one")
    assert state(connection) == IDLE


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("autocommit", True),
        ("isolation_level", IsolationLevel.SERIALIZABLE),
        ("read_only", True),
        ("deferrable", True),
    ],
)
def test_a_setting_waits_for_the_end_of_the_transaction(opened: Open, name: str, value: object) -> None:
    """Inside a transaction each setter is refused by psycopg; after its end it is taken."""
    connection = opened()
    connection.execute("SELECT 1 AS one")
    with pytest.raises(psycopg.ProgrammingError, match="can't change"):
        setattr(connection, name, value)
    connection.rollback()
    setattr(connection, name, value)
    assert getattr(connection, name) == value


def test_the_set_level_is_the_transactions(opened: Open) -> None:
    """isolation_level and read_only reach the server with BEGIN."""
    connection = opened()
    connection.isolation_level = IsolationLevel.SERIALIZABLE
    connection.read_only = True
    assert connection.execute("SHOW transaction_isolation").fetchone() == ("serializable",)
    assert connection.execute("SHOW transaction_read_only").fetchone() == ("on",)
    assert refused(connection, "INSERT INTO item VALUES (1)") == (
        "25006", "cannot execute INSERT in a read-only transaction",
    )  # fmt: skip


def test_the_level_changes_before_any_query_only(opened: Open) -> None:
    """After a query 25001 refuses another level, and the transaction is aborted; the same level is no change."""
    connection = opened()
    connection.execute("SELECT 1 AS one")
    connection.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
    assert refused(connection, SERIALIZABLE) == (
        "25001", "SET TRANSACTION ISOLATION LEVEL must be called before any query",
    )  # fmt: skip
    assert state(connection) == INERROR


def test_settings_are_no_query(opened: Open) -> None:
    """SET, SHOW, SAVEPOINT and LOCK take no snapshot: the level may be set after them, but in no savepoint."""
    connection = opened()
    connection.execute("SET LOCAL lock_timeout = '2s'")
    connection.execute("SHOW lock_timeout")
    connection.execute("LOCK TABLE item IN SHARE MODE")
    connection.execute(SERIALIZABLE)
    connection.execute("SAVEPOINT a")
    assert refused(connection, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ") == (
        "25001", "SET TRANSACTION ISOLATION LEVEL must not be called in a subtransaction",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("before", "statement", "message"),
    [
        ("SET TRANSACTION READ ONLY", "SET TRANSACTION READ WRITE",
         "transaction read-write mode must be set before any query"),
        ("SHOW lock_timeout", "SET TRANSACTION DEFERRABLE",
         "SET TRANSACTION [NOT] DEFERRABLE must be called before any query"),
    ],
)  # fmt: skip
def test_the_other_modes_come_before_any_query_too(
    opened: Open, before: str, statement: str, message: str
) -> None:
    """READ WRITE out of READ ONLY, and DEFERRABLE, are refused after a query."""
    connection = opened()
    connection.execute(before)
    connection.execute("SELECT 1 AS one")
    assert refused(connection, statement) == ("25001", message)


def test_an_aborted_transaction_takes_nothing_but_its_end(opened: Open) -> None:
    """After an error everything is refused with 25P02 until the rollback; a COMMIT then rolls back."""
    connection = opened()
    assert refused(connection, "SELECT 1/0")[0] == "22012"
    assert state(connection) == INERROR
    for statement in ("SELECT 1 AS one", "SAVEPOINT a", SERIALIZABLE, "INSERT INTO item VALUES (1)"):
        assert refused(connection, statement) == (
            "25P02", "current transaction is aborted, commands ignored until end of transaction block",
        )  # fmt: skip
    assert connection.execute("COMMIT").statusmessage == "ROLLBACK"
    assert state(connection) == IDLE
    connection.execute("SELECT 1 AS one")
    assert state(connection) == INTRANS


def test_parameters_meet_the_same_rules(opened: Open) -> None:
    """A statement with parameters, which goes another way over the wire, is refused in the same way."""
    connection = opened()
    assert connection.execute("INSERT INTO item VALUES (%s)", (7,)).rowcount == 1
    with pytest.raises(errors.UndefinedTable):
        connection.execute("SELECT n FROM no_such_table WHERE n = %s", (1,))
    with pytest.raises(errors.InFailedSqlTransaction):
        connection.execute("INSERT INTO item VALUES (%s)", (8,))
    assert state(connection) == INERROR


def test_a_nested_block_is_a_savepoint(opened: Open) -> None:
    """An error in an inner transaction() block leaves the outer one usable."""
    connection = opened()
    with connection.transaction():
        with pytest.raises(errors.DivisionByZero), connection.transaction():
            connection.execute("SELECT 1/0")
        assert state(connection) == INTRANS
        assert connection.execute("SELECT 1 AS one").fetchone() == (1,)
    assert state(connection) == IDLE


def test_a_block_ends_its_transaction_itself(opened: Open) -> None:
    """commit() and rollback() inside a transaction() block are refused by psycopg."""
    connection = opened()
    with connection.transaction():
        with pytest.raises(psycopg.ProgrammingError, match=r"commit\(\) forbidden"):
            connection.commit()
        with pytest.raises(psycopg.ProgrammingError, match=r"rollback\(\) forbidden"):
            connection.rollback()


def test_a_block_inside_a_begun_transaction_commits_nothing(opened: Open) -> None:
    """After an implicit BEGIN a transaction() block is a savepoint, and the transaction stays open."""
    connection = opened()
    connection.execute("SELECT 1 AS one")
    with connection.transaction():
        connection.execute("SELECT 1 AS one")
    assert state(connection) == INTRANS


def test_rollback_undoes_the_block(opened: Open) -> None:
    """psycopg.Rollback leaves a block without an error outside."""
    connection = opened()
    with connection.transaction():
        connection.execute("SELECT 1 AS one")
        raise psycopg.Rollback
    assert state(connection) == IDLE


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("SAVEPOINT a", ("25P01", "SAVEPOINT can only be used in transaction blocks")),
        (
            "ROLLBACK TO SAVEPOINT a",
            ("25P01", "ROLLBACK TO SAVEPOINT can only be used in transaction blocks"),
        ),
        ("RELEASE SAVEPOINT a", ("25P01", "RELEASE SAVEPOINT can only be used in transaction blocks")),
        ("LOCK TABLE item", ("25P01", "LOCK TABLE can only be used in transaction blocks")),
        ("DECLARE a CURSOR FOR " + FIVE, ("25P01", "DECLARE CURSOR can only be used in transaction blocks")),
        ("FETCH 1 FROM a", ("34000", 'cursor "a" does not exist')),
        ("SHOW no_such_setting", ("42704", 'unrecognized configuration parameter "no_such_setting"')),
        ("DEALLOCATE a", ("26000", 'prepared statement "a" does not exist')),
    ],
)
def test_what_needs_a_block_is_refused_outside(opened: Open, statement: str, told: tuple[str, str]) -> None:
    """Savepoints, locks and cursors need a transaction block, and what does not exist is said."""
    connection = opened(autocommit=True)
    assert refused(connection, statement) == told
    assert state(connection) == IDLE


@pytest.mark.parametrize(
    "statement", ["VACUUM item", "CREATE DATABASE other", "ALTER SYSTEM SET work_mem = '4MB'"]
)
def test_what_may_not_be_in_a_block_is_refused_inside(opened: Open, statement: str) -> None:
    """VACUUM and its like cannot run in the implicit transaction."""
    connection = opened()
    connection.execute("SHOW lock_timeout")
    assert refused(connection, statement)[0] == "25001"


def test_savepoints_are_a_stack(opened: Open) -> None:
    """ROLLBACK TO keeps its savepoint and drops the later ones; RELEASE drops both; an unknown one is 3B001."""
    connection = opened()
    for statement in ("SAVEPOINT a", "SAVEPOINT b", "ROLLBACK TO a", "ROLLBACK TO SAVEPOINT a"):
        connection.execute(statement)
    assert refused(connection, "ROLLBACK TO b") == ("3B001", 'savepoint "b" does not exist')
    connection.execute("ROLLBACK TO a")
    assert state(connection) == INTRANS
    connection.execute("RELEASE a")
    assert refused(connection, "RELEASE a") == ("3B001", 'savepoint "a" does not exist')


@pytest.mark.parametrize(
    ("statements", "warnings"),
    [
        (["BEGIN", "BEGIN", "ROLLBACK"], ["there is already a transaction in progress"]),
        (["COMMIT"], ["there is no transaction in progress"]),
        (["ROLLBACK"], ["there is no transaction in progress"]),
        ([SERIALIZABLE], ["SET TRANSACTION can only be used in transaction blocks"]),
        (["SET LOCAL lock_timeout = '1s'"], ["SET LOCAL can only be used in transaction blocks"]),
    ],
)
def test_what_is_only_a_warning(opened: Open, statements: list[str], warnings: list[str]) -> None:
    """What the server lets pass with a warning comes as a notice and changes no state."""
    connection = opened(autocommit=True)
    told: list[str] = []
    connection.add_notice_handler(lambda said: told.append(said.message_primary or ""))
    for statement in statements:
        connection.execute(statement)
    assert told == warnings
    assert state(connection) == IDLE


def test_settings_are_transactional(opened: Open) -> None:
    """A SET is undone by the rollback, a SET LOCAL by either end."""
    connection = opened()
    connection.execute("SET lock_timeout = '3s'")
    connection.execute("SAVEPOINT a")
    connection.execute("SET lock_timeout = '4s'")
    connection.execute("ROLLBACK TO a")
    assert connection.execute("SHOW lock_timeout").fetchone() == ("3s",)
    connection.rollback()
    assert connection.execute("SHOW lock_timeout").fetchone() == ("0",)
    connection.execute("SET LOCAL lock_timeout = '5s'")
    assert connection.execute("SHOW lock_timeout").fetchone() == ("5s",)
    connection.commit()
    assert connection.execute("SHOW lock_timeout").fetchone() == ("0",)
    connection.execute("SET lock_timeout = '6s'")
    connection.commit()
    assert connection.execute("SHOW lock_timeout").fetchone() == ("6s",)


def test_a_sessions_default_is_the_next_transactions_level(opened: Open) -> None:
    """SET SESSION CHARACTERISTICS and default_transaction_isolation decide what BEGIN begins."""
    connection = opened(autocommit=True)
    connection.execute("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    assert connection.execute("SHOW transaction_isolation").fetchone() == ("repeatable read",)
    connection.execute("SET default_transaction_isolation = 'serializable'")
    connection.execute("BEGIN")
    assert connection.execute("SHOW transaction_isolation").fetchone() == ("serializable",)
    connection.execute("ROLLBACK")
