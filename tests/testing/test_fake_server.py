"""What a test says to a FakeServer, and what the fake says when the test or the subject is wrong."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import threading
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import errors
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from console.testing import Answer, FakeServer, ServerError, Statement

VALUES = {
    "a": 1 << 40, "b": "x", "c": True, "d": 1.5, "e": Decimal("1.25"), "f": UUID(int=7), "g": b"\0\1",
    "h": datetime(2026, 1, 2, 3, 4, tzinfo=UTC), "i": date(2026, 1, 2), "j": {"k": [1]}, "l": [1, 2], "m": None,
}  # fmt: skip


def test_a_statement_without_an_answer_fails_the_test() -> None:
    """It is refused at once, and again at the end, where the subject swallowed the error."""
    server = FakeServer()
    with (
        server.connect() as connection,
        pytest.raises(errors.InternalError_, match="the fake server has no answer to: SELECT 1"),
    ):
        connection.execute("SELECT 1")
    with pytest.raises(AssertionError, match="no answer to: SELECT 1"):
        server.__exit__(None)


def test_an_error_of_the_tests_own_is_not_covered_up() -> None:
    """What a test raises leaves the block as it is, whatever else had no answer."""

    def wrong() -> None:
        with FakeServer() as server, server.connect(autocommit=True) as connection:
            connection.execute("SELECT 1")

    with pytest.raises(errors.InternalError_):
        wrong()


def test_what_an_answers_code_raises_is_raised_at_the_end() -> None:
    """A failed assertion inside an answer is not lost in the server's thread."""

    def asked(statement: Statement) -> None:
        raise LookupError(statement.sql)

    server = FakeServer()
    server.on("SELECT 1", answer=asked)
    with (
        server.connect() as connection,
        pytest.raises(errors.InternalError_, match="the answer's own code raised LookupError"),
    ):
        connection.execute("SELECT 1")
    with pytest.raises(LookupError, match="SELECT 1"):
        server.__exit__(None)


def test_rows_that_cannot_be_sent_are_said() -> None:
    """A value that psycopg cannot adapt ends the test with psycopg's own words."""
    server = FakeServer()
    server.on("SELECT 1", rows=[{"one": object()}])
    with (
        server.connect() as connection,
        pytest.raises(errors.InternalError_, match="the answer's rows cannot be sent"),
    ):
        connection.execute("SELECT 1")
    with pytest.raises(psycopg.ProgrammingError, match="cannot adapt type 'object'"):
        server.__exit__(None)


@pytest.mark.parametrize(
    ("rows", "columns", "says"),
    [
        ([(1,)], (), "rows without names need columns"),
        ([(1, 2)], ("a",), "not exactly the columns a"),
        ([], (), "need columns"),
    ],
)
def test_rows_need_their_columns(rows: list[tuple[int, ...]], columns: tuple[str, ...], says: str) -> None:
    """Rows whose columns nobody can know are refused where they are written."""
    with FakeServer() as server, pytest.raises(ValueError, match=says):
        server.on("SELECT", rows=rows, columns=columns)


@pytest.mark.parametrize("binary", [False, True])
def test_values_come_as_they_were_said(binary: bool) -> None:
    """Numbers, texts, times, uuids, bytes, JSON, arrays and NULL survive in text and in binary."""
    with FakeServer() as server, server.connect(row_factory=dict_row) as connection:
        server.on("SELECT", rows=[VALUES])
        with connection.cursor(binary=binary) as cursor:
            assert cursor.execute("SELECT everything").fetchone() == VALUES


def test_parameters_are_recorded_as_values() -> None:
    """What the subject bound is in the recorded statement, with the state and level it met."""
    with FakeServer(user="writer") as server, server.connect() as connection:
        server.on("INSERT INTO entry", rowcount=1)
        connection.execute("INSERT INTO entry VALUES (%s, %s, %s, %s)", (1, "x", None, Jsonb({"a": 1})))
        [sent] = server.sent("insert into ENTRY")
        assert sent == Statement(
            sql="INSERT INTO entry VALUES ($1, $2, $3, $4)", values=(1, "x", None, {"a": 1}),
            transaction="intrans", isolation="read committed", backend=connection.info.backend_pid, user="writer",
        )  # fmt: skip
        assert connection.statements[0].sql == "BEGIN"


def test_the_newest_script_answers_and_times_are_counted() -> None:
    """`times=1` fails once, then what stood before answers again: a retry can be tested."""
    with FakeServer() as server, server.connect(autocommit=True) as connection:
        server.on("UPDATE entry", rowcount=3)
        server.on(re.compile(r"^UPDATE\s+entry\b"), error="40001", times=1)
        with pytest.raises(errors.SerializationFailure, match="the server's words"):
            connection.execute("UPDATE entry SET a = 1")
        assert connection.execute("UPDATE entry SET a = 1").rowcount == 3


def test_an_answer_can_look_at_the_statement() -> None:
    """A function answers from the bound values; None touches one row, an Answer says how many."""
    kept: list[object] = []

    def asked(statement: Statement) -> Answer:
        kept.extend(statement.values)
        return Answer(rowcount=2)

    with FakeServer() as server, server.connect() as connection:
        server.on("DELETE FROM entry", answer=asked)
        assert connection.execute("DELETE FROM entry WHERE n = %s", ("seven",)).rowcount == 2
    assert kept == ["seven"]


def test_a_commit_can_fail() -> None:
    """An error at COMMIT rolls back, as a serialisation failure there does."""
    with FakeServer() as server, server.connect() as connection:
        server.on("SELECT", rows=[{"n": 1}])
        server.on("COMMIT", error=ServerError("40001", "could not serialize access"), times=1)
        connection.execute("SELECT n FROM entry")
        with pytest.raises(errors.SerializationFailure, match="could not serialize access"):
            connection.commit()
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def test_a_connection_can_be_killed() -> None:
    """A fatal error ends the connection, and the next one works."""
    with FakeServer() as server, server.connect() as connection:
        server.on("SELECT", rows=[{"n": 1}])
        server.on("SELECT", error=ServerError("57P01", "terminating connection", fatal=True), times=1)
        with pytest.raises(errors.AdminShutdown, match="terminating connection"):
            connection.execute("SELECT n FROM entry")
        assert connection.closed
        with server.connect() as another:
            assert another.execute("SELECT n FROM entry").fetchone() == (1,)


def test_a_connection_can_be_refused() -> None:
    """A refused connection raises what psycopg raises for the server's words."""
    with FakeServer() as server:
        server.refuse_connections("28P01", 'password authentication failed for user "fake"')
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            server.connect()


def test_an_async_connection_meets_the_same_rules() -> None:
    """What is awaited begins, is refused and rolls back in the same way."""

    async def refused(conninfo: dict[str, Any]) -> str | None:
        connection = await psycopg.AsyncConnection.connect(**conninfo)
        async with connection:
            await connection.execute("SELECT n FROM entry")
            with pytest.raises(errors.ActiveSqlTransaction) as caught:
                await connection.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
            await connection.rollback()
        return caught.value.sqlstate

    with FakeServer() as server:
        server.on("SELECT", rows=[{"n": 1}])
        assert asyncio.run(refused(server.conninfo)) == "25001"
        assert [one.sql for one in server.statements][-1] == "ROLLBACK"


@pytest.mark.parametrize(
    "text", ["PREPARE a AS SELECT 1", "DISCARD ALL", "CHECKPOINT", "COPY entry TO STDOUT", "MERGE x"]
)
def test_what_it_does_not_know_needs_a_script(text: str) -> None:
    """Nothing that has an effect passes because nobody thought of it."""
    server = FakeServer()
    with server.connect(autocommit=True) as connection, pytest.raises(errors.InternalError_):
        connection.execute(text)
    with pytest.raises(AssertionError, match=text):
        server.__exit__(None)


def test_who_the_session_is() -> None:
    """current_user is the user that connected, under whatever name the statement gives it."""
    with FakeServer() as server, psycopg.connect(**{**server.conninfo, "user": "reader"}) as connection:
        cursor = connection.execute("SELECT current_user AS principal")
        assert cursor.fetchone() == ("reader",)
        assert cursor.description is not None
        assert cursor.description[0].name == "principal"


@pytest.mark.parametrize(
    "text",
    [
        "SELECT ';' AS a",
        "SELECT $$;$$ -- ;",
        "/* ; /* ; */ ; */ SELECT 1",
        'SELECT ";" FROM entry;',
        r"SELECT E'\';'",
    ],
)
def test_a_semicolon_inside_something_ends_nothing(text: str) -> None:
    """Quotes, dollar quotes, names and nested comments are one statement."""
    with FakeServer() as server, server.connect() as connection:
        server.on("SELECT", rows=[{"a": 1}])
        assert connection.execute(text).fetchall() == [(1,)]
        assert [one.sql for one in server.statements] == ["BEGIN", text]


@pytest.mark.parametrize(
    "text", ["SAVEPOINT", "SET", "FETCH", "SET TRANSACTION ISOLATION LEVEL READ", "DECLARE"]
)
def test_what_cannot_be_read_is_an_error_and_no_crash(text: str) -> None:
    """A cut-off statement is refused; the server's thread lives on."""
    with FakeServer() as server, server.connect() as connection:
        server.on("SELECT", rows=[{"a": 1}])
        with pytest.raises(psycopg.Error):
            connection.execute(text)
        connection.rollback()
        assert connection.execute("SELECT a FROM entry").fetchall() == [(1,)]


def test_nothing_is_left_behind() -> None:
    """After close neither a thread nor the folder is there, even with a connection still open."""
    before = threading.active_count()
    with FakeServer() as server:
        connection = server.connect()
        host = server.conninfo["host"]
    assert threading.active_count() == before
    connection.close()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(host=host, dbname="fake")


def test_it_imports_psycopg_and_nothing_else() -> None:
    """Neither the screen library nor docker, nor anything of the engine, comes with it."""
    code = (
        "import sys, console.testing\n"
        "names = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(names & {'textual', 'rich', 'docker', 'msgspec', 'keyring', 'pg_query'}))\n"
        "print(sorted({'.'.join(name.split('.')[:2]) for name in sys.modules if name.startswith('console.')}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "['console.testing']"]
