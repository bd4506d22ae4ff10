"""RealPostgresAdapter: one principal's way to PostgreSQL over psycopg 3.

Owns sessions and transactions. Connects with discrete keyword arguments, never with a DSN string;
proves who the session is before anything else; never deletes; turns every database error into one of
ours in one place.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import psycopg
from psycopg.rows import dict_row

from cutter_agent import statements
from cutter_agent.config import ConnectionConfig
from cutter_agent.errors import (
    AppendOnlyViolation,
    ConfigMismatch,
    PhaseStop,
    PrincipalCapabilityError,
    as_phase_error,
)
from cutter_agent.pool import Connection, _ConnPool
from cutter_agent.principals import INSERTS, PHASE_PRINCIPAL, UPDATES, Isolation, Phase, Principal

log = logging.getLogger(__name__)

ConnectionProvider = Callable[[ConnectionConfig], Connection]
Row = dict[str, Any]


def _default_provider(config: ConnectionConfig) -> Connection:
    """Return a new session with autocommit off."""
    connection = psycopg.connect(
        host=config.host,
        port=config.port,
        dbname=config.name,
        sslmode=config.sslmode,
        user=config.user,
        password=config.password.reveal(),
        row_factory=dict_row,
    )
    connection.autocommit = False
    return connection


class RealPostgresAdapter:
    """The ledger as one principal may touch it."""

    def __init__(
        self,
        principal: Principal,
        *,
        env: Mapping[str, str],
        connection_provider: ConnectionProvider = _default_provider,
    ) -> None:
        """Bind a principal to its configuration; no socket is opened (raises ConfigMissing)."""
        self.principal = principal
        self.config = ConnectionConfig.from_env(principal, env)
        self._provider = connection_provider
        self._pool = _ConnPool(self._open_session)
        self._transaction: Connection | None = None

    def connect(self) -> str:
        """Open the session, if there is none, and return the role that the server says it is.

        Raises ConfigMismatch when that is not the bound principal.
        """
        with _phase_errors(), self._session():
            return self.principal.value

    def find(self, table: str, **key: Any) -> Row | None:
        """Return the only row with that key, or None.

        Inside a transaction it reads there. Outside it ends the transaction that the SELECT began,
        so that the connection goes back idle. Raises PhaseStop when the key names several rows.
        """
        query = statements.select_rows(table, tuple(key))
        values = tuple(key.values())
        if self._transaction is not None:
            return _only_row(self._transaction.execute(query, values).fetchall())
        with _phase_errors(), self._session() as connection:
            row = _only_row(connection.execute(query, values).fetchall())
            connection.rollback()
            return row

    def find_all(self, table: str, **key: Any) -> list[Row]:
        """Return the rows with that key, read inside the open transaction."""
        return self.execute(statements.select_rows(table, tuple(key)), tuple(key.values()))

    @contextmanager
    def transaction(self, isolation: Isolation) -> Iterator[None]:
        """Hold one transaction at `isolation`: committed at the end, rolled back on any exception.

        Raises PhaseStop, IdempotencyResume or TransientFailure for what the database refused.
        """
        if self._transaction is not None:
            raise PhaseStop("a transaction is already open on this adapter")
        with _phase_errors(), self._session() as connection:
            connection.execute(statements.set_isolation(isolation))
            self._transaction = connection
            try:
                yield
            finally:
                self._transaction = None
            connection.commit()

    def insert(self, table: str, row: Row) -> None:
        """Insert one row; raises PrincipalCapabilityError before any SQL where that is not allowed."""
        if table not in INSERTS[self.principal]:
            raise PrincipalCapabilityError(self.principal, f"insert into {table}")
        columns = tuple(row)
        self.execute(statements.insert_row(table, columns), tuple(row.values()))

    def compare_and_set(self, table: str, key: Row, *, column: str, expected: object, value: object) -> bool:
        """Set one column of the keyed row while it holds `expected`; return whether it did."""
        if (table, column) not in UPDATES[self.principal]:
            raise PrincipalCapabilityError(self.principal, f"update {table}.{column}")
        ((name, identity),) = key.items()
        query = statements.compare_and_set(table, name, column)
        return bool(self.execute(query, (value, identity, expected)))

    def execute(self, query: str, values: Sequence[object] = ()) -> list[Row]:
        """Send one statement inside the open transaction and return its rows.

        Raises PhaseStop without an open transaction; the server alone judges what the principal may do.
        """
        if self._transaction is None:
            raise PhaseStop("a statement needs an open transaction")
        cursor = self._transaction.execute(query, tuple(values))
        return cursor.fetchall() if cursor.description else []

    def require_phase(self, phase: Phase) -> None:
        """Raise PrincipalCapabilityError unless the phase belongs to the bound principal."""
        if PHASE_PRINCIPAL[phase] is not self.principal:
            raise PrincipalCapabilityError(self.principal, f"run {phase.value}")

    def delete(self, table: str, **key: Any) -> NoReturn:
        """Refuse: rows of the ledger are never deleted."""
        raise AppendOnlyViolation("delete", table)

    def truncate(self, table: str) -> NoReturn:
        """Refuse: tables of the ledger are never emptied."""
        raise AppendOnlyViolation("truncate", table)

    def close(self) -> None:
        """Close the idle session; the adapter stays usable."""
        self._pool.close()

    def _open_session(self) -> Connection:
        log.info("opening a session as %s on %s", self.config.user, self.config.name)
        connection = self._provider(self.config)
        try:
            self._assert_identity(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _assert_identity(self, connection: Connection) -> None:
        row = connection.execute(statements.CURRENT_USER).fetchone()
        connection.rollback()
        found = row["principal"] if row else ""
        if found != self.principal.value:
            raise ConfigMismatch(expected=self.principal.value, found=found)

    @contextmanager
    def _session(self) -> Iterator[Connection]:
        """Lend the pooled connection; whatever fails while it is lent is rolled back."""
        connection = self._pool.acquire()
        try:
            yield connection
        except BaseException:
            _roll_back(connection)
            raise
        finally:
            self._pool.release(connection)


def _only_row(rows: list[Row]) -> Row | None:
    if len(rows) > 1:
        raise PhaseStop(f"{len(rows)} rows where one was expected")
    return rows[0] if rows else None


def _roll_back(connection: Connection) -> None:
    """Roll back, or close a connection that can no longer do it."""
    try:
        connection.rollback()
    except psycopg.Error:
        connection.close()


@contextmanager
def _phase_errors() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise as_phase_error(error) from error
