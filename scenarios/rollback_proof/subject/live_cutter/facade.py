"""A psycopg2 connection in psycopg 3's shape, as far as the live adapter and the proof use it.

`execute` returns a cursor, `autocommit` is on from the start, `closed` and `close` are psycopg2's own.
Never begins, commits or rolls back by itself: `commit` and `rollback` are not there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Psycopg3Shaped:
    """One psycopg2 connection behind the few words of psycopg 3 that are used here."""

    def __init__(self, connection: Any) -> None:
        connection.autocommit = True
        self._connection = connection

    @property
    def autocommit(self) -> bool:
        """Tell whether the driver leaves transactions to explicit statements."""
        return bool(self._connection.autocommit)

    @property
    def closed(self) -> bool:
        """Tell whether the connection is closed."""
        return bool(self._connection.closed)

    def execute(self, statement: str, values: Sequence[object] | None = None) -> Any:
        """Send one statement and return its cursor."""
        cursor = self._connection.cursor()
        cursor.execute(statement, tuple(values) if values is not None else None)
        return cursor

    def close(self) -> None:
        """Take leave of the server."""
        self._connection.close()
