"""A pool of one connection.

Owns the connection while nobody uses it. Never lends it twice and never hands out a broken one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg

from cutter_agent.errors import PoolExhausted

Connection = psycopg.Connection[dict[str, Any]]


class _ConnPool:
    """Lends the one connection that `open_session` makes."""

    MAX_CONNECTIONS = 1

    def __init__(self, open_session: Callable[[], Connection]) -> None:
        self._open_session = open_session
        self._idle: Connection | None = None
        self._lent: Connection | None = None

    def acquire(self) -> Connection:
        """Return the connection, opened when there is none; raises PoolExhausted while it is lent."""
        if self._lent is not None:
            raise PoolExhausted(f"all {self.MAX_CONNECTIONS} connection of the pool is lent")
        connection, self._idle = self._idle, None
        if connection is None or connection.closed:
            connection = self._open_session()
        self._lent = connection
        return connection

    def release(self, connection: Connection) -> None:
        """Take the connection back; a closed one is forgotten."""
        self._lent = None
        self._idle = None if connection.closed else connection

    def close(self) -> None:
        """Close the idle connection; afterwards the next acquire opens another."""
        connection, self._idle = self._idle, None
        if connection is not None:
            connection.close()
