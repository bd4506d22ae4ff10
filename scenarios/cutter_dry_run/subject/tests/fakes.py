"""FakeConn: enough of a psycopg connection to run the unit suite without a database.

It keeps rows in memory and forgets them on rollback. It knows none of the rules of a real connection:
neither which statement may come first in a transaction nor who may do what.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from cutter_agent.config import ConnectionConfig
from cutter_agent.db_adapter import RealPostgresAdapter
from cutter_agent.phases import CutterPhases
from cutter_agent.principals import Principal

ENV = {
    "DOT_CUTTER_DB_HOST": "/run/rehearsal",
    "DOT_CUTTER_DB_PORT": "5432",
    "DOT_CUTTER_DB_NAME": "directus",
    "DOT_CUTTER_DB_SSLMODE": "disable",
    "DOT_CUTTER_EXEC_DB_USER": "cutter_exec",
    "DOT_CUTTER_EXEC_DB_PASSWORD": "exec-pass-word",
    "DOT_CUTTER_VERIFY_DB_USER": "cutter_verify",
    "DOT_CUTTER_VERIFY_DB_PASSWORD": "verify-pass-word",
}

_INSERT = re.compile(r"insert into public\.(\w+) \(([^)]*)\)")
_SELECT = re.compile(r"select (.*) from public\.(\w+) where (.*)")
_UPDATE = re.compile(r"update public\.(\w+) set (\w+) = %s where (\w+) = %s")


class FakeDatabase:
    """Rows by table, shared by the connections of one test; `failures` are raised, first come."""

    def __init__(self) -> None:
        self.tables: dict[str, list[dict[str, Any]]] = {}
        self.failures: dict[str, list[Exception]] = {}
        self.connections: list[FakeConn] = []

    def connect(self, config: ConnectionConfig) -> FakeConn:
        """Return a new connection, as a connection_provider does."""
        connection = FakeConn(self, config.user)
        self.connections.append(connection)
        return connection

    def fail(self, verb_and_table: str, *errors: Exception) -> None:
        """Raise these, one a time, when a statement such as "insert sweep_log" comes."""
        self.failures.setdefault(verb_and_table, []).extend(errors)

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return the rows of one table."""
        return self.tables.get(table, [])

    def total(self) -> int:
        """Return the number of rows over all tables."""
        return sum(len(rows) for rows in self.tables.values())

    def statements(self) -> list[str]:
        """Return what every connection was asked to execute, normalised."""
        return [statement for connection in self.connections for statement in connection.executed]


class FakeCursor:
    """The rows of one statement."""

    def __init__(self, rows: list[dict[str, Any]], *, has_rows: bool) -> None:
        self._rows = rows
        self.description: list[str] | None = ["columns"] if has_rows else None

    def fetchone(self) -> dict[str, Any] | None:
        """Return the first row."""
        return self._rows[0] if self._rows else None

    def fetchall(self) -> list[dict[str, Any]]:
        """Return all rows."""
        return list(self._rows)


class FakeConn:
    """A connection that accepts everything, in any order."""

    def __init__(self, database: FakeDatabase, user: str) -> None:
        self._database = database
        self._before: dict[str, list[dict[str, Any]]] | None = None
        self.user = user
        self.closed = False
        self.executed: list[str] = []
        self.values: list[tuple[Any, ...]] = []
        self.commits = 0
        self.rollbacks = 0

    def execute(self, query: str, values: Sequence[Any] = (), *, prepare: bool | None = None) -> FakeCursor:
        """Do what an INSERT, SELECT or UPDATE of the ledger asks for."""
        text = normalised(query)
        self.executed.append(text)
        self.values.append(tuple(values))
        if self._before is None:
            self._before = copy.deepcopy(self._database.tables)
        if text == "select current_user as principal":
            return FakeCursor([{"principal": self.user}], has_rows=True)
        if text.startswith("set transaction"):
            return FakeCursor([], has_rows=False)
        if insert := _INSERT.match(text):
            return self._insert(insert[1], insert[2].split(", "), values)
        if update := _UPDATE.match(text):
            return self._update(update[1], update[2], update[3], values)
        if select := _SELECT.match(text):
            keys = [condition.split(" = ")[0] for condition in select[3].split(" and ")]
            return self._select(select[2], keys, values)
        raise AssertionError(f"the fake does not know {text}")

    def _insert(self, table: str, columns: list[str], values: Sequence[Any]) -> FakeCursor:
        self._maybe_fail(f"insert {table}")
        row = dict(zip(columns, values, strict=True))
        self._database.tables.setdefault(table, []).append(row)
        return FakeCursor([], has_rows=False)

    def _select(self, table: str, keys: list[str], values: Sequence[Any]) -> FakeCursor:
        self._maybe_fail(f"select {table}")
        wanted = dict(zip(keys, values, strict=True))
        rows = self._database.rows(table)
        found = [row for row in rows if all(row[key] == value for key, value in wanted.items())]
        return FakeCursor(copy.deepcopy(found), has_rows=True)

    def _update(self, table: str, column: str, key: str, values: Sequence[Any]) -> FakeCursor:
        self._maybe_fail(f"update {table}")
        value, identity, expected = values
        moved = []
        for row in self._database.rows(table):
            if row[key] == identity and row[column] == expected:
                row[column] = value
                moved.append({key: identity})
        return FakeCursor(moved, has_rows=True)

    def _maybe_fail(self, verb_and_table: str) -> None:
        waiting = self._database.failures.get(verb_and_table)
        if waiting:
            raise waiting.pop(0)

    def commit(self) -> None:
        """Keep what was written."""
        self.commits += 1
        self._before = None

    def rollback(self) -> None:
        """Forget what was written since the last commit or rollback."""
        self.rollbacks += 1
        if self._before is not None:
            self._database.tables = self._before
        self._before = None

    def close(self) -> None:
        """Close."""
        self.closed = True

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Stand for a savepoint."""
        yield

    @contextmanager
    def pipeline(self) -> Iterator[None]:
        """Stand for pipeline mode."""
        yield


def normalised(query: str) -> str:
    """Return a statement in lower case on one line, without quotes, comments and semicolon."""
    bare = re.sub(r"/\*.*?\*/", " ", query).replace('"', "").rstrip("; ")
    return " ".join(bare.lower().split())


def adapter(database: FakeDatabase, principal: Principal = Principal.EXEC, **env: str) -> RealPostgresAdapter:
    """Return an adapter over fake connections."""
    return RealPostgresAdapter(
        principal,
        env=ENV | env,
        connection_provider=database.connect,  # type: ignore[arg-type]
    )


def phases(database: FakeDatabase, **seams: Any) -> CutterPhases:
    """Return the phases over two fake adapters, without pauses."""
    seams.setdefault("pause", lambda seconds: None)
    return CutterPhases(
        exec_adapter=adapter(database, Principal.EXEC),
        verify_adapter=adapter(database, Principal.VERIFY),
        **seams,
    )


def server_error(sqlstate: str) -> psycopg.Error:
    """Return the psycopg error of a SQLSTATE, as if the server had raised it."""
    known: type[psycopg.Error] = psycopg.errors.lookup(sqlstate)
    return known("the server's words")
