"""The contract, second part: connections, cursors, results and pipelines, against the fake and the real server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg import errors
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row, namedtuple_row

Open = Callable[..., psycopg.Connection[Any]]
IDLE, INTRANS, INERROR = TransactionStatus.IDLE, TransactionStatus.INTRANS, TransactionStatus.INERROR
FIVE = "SELECT n FROM generate_series(1, 5) AS n"
SERIALIZABLE = "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"


def state(connection: psycopg.Connection[Any]) -> TransactionStatus:
    """Return the transaction status."""
    return connection.info.transaction_status


def test_with_connection_commits_and_closes(opened: Open) -> None:
    """The connection's own block closes it; an exception inside it is not swallowed."""
    with opened() as connection:
        connection.execute("SELECT 1 AS one")
    assert connection.closed
    another = opened()
    with pytest.raises(errors.DivisionByZero), another:
        another.execute("SELECT 1/0")
    assert another.closed


def test_a_closed_one_refuses(opened: Open) -> None:
    """A closed cursor and a closed connection refuse to execute and to fetch."""
    connection = opened()
    cursor = connection.execute("SELECT 1 AS one")
    cursor.close()
    with pytest.raises(psycopg.InterfaceError, match="the cursor is closed"):
        cursor.execute("SELECT 1 AS one")
    with pytest.raises(psycopg.InterfaceError, match="the cursor is closed"):
        cursor.fetchone()
    connection.close()
    for work in (connection.commit, connection.rollback, lambda: connection.execute("SELECT 1 AS one")):
        with pytest.raises(psycopg.OperationalError, match="the connection is closed"):
            work()


def test_without_a_result_there_is_nothing_to_fetch(opened: Open) -> None:
    """fetchone before any execute and after a statement without rows is refused; description is None."""
    connection = opened()
    cursor = connection.cursor()
    with pytest.raises(psycopg.ProgrammingError, match="no result available"):
        cursor.fetchone()
    cursor.execute("INSERT INTO item VALUES (1)")
    assert cursor.description is None
    assert cursor.rowcount == 1
    with pytest.raises(psycopg.ProgrammingError, match="didn't produce"):
        cursor.fetchall()


def test_fetching_goes_on_where_it_stopped(opened: Open) -> None:
    """fetchone, fetchmany, iteration and scroll share one place in the result."""
    cursor = opened().execute(FIVE)
    assert cursor.rowcount == 5
    assert cursor.description is not None
    assert [column.name for column in cursor.description] == ["n"]
    assert cursor.fetchone() == (1,)
    assert cursor.fetchmany(2) == [(2,), (3,)]
    assert list(cursor) == [(4,), (5,)]
    assert cursor.fetchone() is None
    cursor.scroll(-2)
    assert cursor.fetchall() == [(4,), (5,)]


def test_row_factories(opened: Open) -> None:
    """The connection's and the cursor's row factory make the rows."""
    connection = opened(row_factory=dict_row)
    assert connection.execute("SELECT 1 AS one").fetchone() == {"one": 1}
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        row = cursor.execute("SELECT 1 AS one").fetchone()
        assert row is not None
        assert row._fields == ("one",)


def test_binary_results(opened: Open) -> None:
    """A result that is asked for in binary has the same values."""
    with opened().cursor(binary=True) as cursor:
        assert cursor.execute("SELECT 1 AS one").fetchall() == [(1,)]


def test_executemany(opened: Open) -> None:
    """executemany sends a statement for each parameter set and adds up the rows."""
    connection = opened()
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO item VALUES (%s)", [(1,), (2,), (3,)])
        assert cursor.rowcount == 3
    assert state(connection) == INTRANS


def test_returning(opened: Open) -> None:
    """INSERT … RETURNING gives rows and their count."""
    cursor = opened().execute("INSERT INTO item VALUES (2), (3) RETURNING n")
    assert cursor.fetchall() == [(2,), (3,)]
    assert cursor.statusmessage == "INSERT 0 2"


def test_a_server_cursor_reads_in_parts(opened: Open) -> None:
    """A named cursor fetches, scrolls and ends with its block; the transaction stays open."""
    connection = opened()
    with connection.cursor(name="some", scrollable=True) as cursor:
        cursor.execute(FIVE)
        assert cursor.fetchmany(2) == [(1,), (2,)]
        cursor.scroll(1)
        assert cursor.fetchone() == (4,)
        cursor.scroll(1, mode="absolute")
        assert cursor.fetchall() == [(2,), (3,), (4,), (5,)]
    assert state(connection) == INTRANS


def test_a_server_cursor_needs_a_transaction(opened: Open) -> None:
    """With autocommit, outside a block, DECLARE is refused by the server; withhold is let through."""
    connection = opened(autocommit=True)
    with pytest.raises(errors.NoActiveSqlTransaction), connection.cursor(name="some") as cursor:
        cursor.execute(FIVE)
    with connection.cursor(name="held", withhold=True) as cursor:
        cursor.execute(FIVE)
        assert cursor.fetchone() == (1,)


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_a_server_cursor_ends_with_its_transaction(opened: Open, end: str) -> None:
    """After commit or rollback the cursor does not exist any more."""
    connection = opened()
    cursor = connection.cursor(name="some")
    cursor.execute(FIVE)
    getattr(connection, end)()
    with pytest.raises(errors.InvalidCursorName):
        cursor.fetchone()
    cursor.close()
    connection.rollback()


def test_backwards(opened: Open) -> None:
    """FETCH BACKWARD, ABSOLUTE and RELATIVE go where the server's go."""
    connection = opened()
    connection.execute("DECLARE c SCROLL CURSOR FOR " + FIVE)
    for words, rows in (
        ("2", [1, 2]), ("ALL", [3, 4, 5]), ("BACKWARD 2", [5, 4]), ("PRIOR", [3]), ("ABSOLUTE 2", [2]),
        ("RELATIVE 2", [4]), ("ABSOLUTE -1", [5]), ("NEXT", []), ("BACKWARD ALL", [5, 4, 3, 2, 1]), ("NEXT", [1]),
    ):  # fmt: skip
        assert [row[0] for row in connection.execute(f"FETCH {words} FROM c").fetchall()] == rows, words


def test_prepared_statements(opened: Open) -> None:
    """A prepared statement works again and again, also after a rollback, which deallocates."""
    connection = opened()
    for _ in range(3):
        assert connection.execute("SELECT 1 AS one", prepare=True).fetchone() == (1,)
    connection.rollback()
    assert connection.execute("SELECT 1 AS one", prepare=True).fetchone() == (1,)


def test_a_pipeline_answers_in_order(opened: Open) -> None:
    """In pipeline mode results come with the sync; a statement after an error is skipped."""
    connection = opened()
    with connection.pipeline() as pipeline:
        first, second = connection.execute("SELECT 1 AS one"), connection.execute(FIVE)
        pipeline.sync()
        assert (first.fetchall(), len(second.fetchall())) == ([(1,)], 5)
    assert state(connection) == INTRANS
    connection.rollback()
    with pytest.raises(errors.DivisionByZero), connection.pipeline():
        connection.execute("SELECT 1/0")
    assert state(connection) == INERROR


def test_several_statements_in_one_text(opened: Open) -> None:
    """A text of several statements gives several results; after an error the rest is not run."""
    connection = opened(autocommit=True)
    cursor = connection.execute(f"SELECT 1 AS one; {FIVE};")
    assert cursor.fetchall() == [(1,)]
    assert cursor.nextset()
    assert len(cursor.fetchall()) == 5
    with pytest.raises(errors.DivisionByZero):
        connection.execute(f"SELECT 1/0; {FIVE}")
    assert state(connection) == IDLE
    with pytest.raises(errors.SyntaxError, match="multiple commands"):
        connection.execute("SELECT 1 AS one; SELECT %s", (1,))


def test_an_empty_statement(opened: Open) -> None:
    """An empty text is no error and no result."""
    cursor = opened().execute("")
    assert cursor.description is None
