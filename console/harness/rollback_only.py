"""A connection that can only roll back: explicit BEGIN and ROLLBACK, autocommit on, and limits that the server keeps.

Never begins twice, never commits, never sends a text that was not named beforehand, and sends ROLLBACK on every
path out. When not even that can be sent, the connection is closed, and the server rolls back for it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any

SET_LIMIT = "SELECT pg_catalog.set_config(%s, %s, false)"
SETTINGS = (
    "SELECT name, setting FROM pg_catalog.pg_settings WHERE setting IS DISTINCT FROM reset_val ORDER BY name"
)
"""What this session has set otherwise than it found it; a module that is loaded meanwhile adds settings of its own."""
BEGIN, ROLLBACK = "BEGIN", "ROLLBACK"
NUMBER = "SELECT pg_catalog.pg_current_xact_id()"
"""Gives the transaction its number before it has done anything: whoever looks on can write it down first."""


class NotRollbackOnly(RuntimeError):
    """The connection could commit, or a text was to be sent that nobody had named."""


class RollbackOnly:
    """One transaction on a psycopg 3-shaped connection; `settings_changed` names what it left otherwise."""

    def __init__(self, connection: Any, *, allowed: Collection[str], limits_ms: Mapping[str, int]) -> None:
        self._connection = connection
        self._allowed = frozenset(allowed)
        self._limits_ms = limits_ms
        self._settings: dict[str, str] = {}
        self.settings_changed: list[str] = []

    def __enter__(self) -> RollbackOnly:
        """Set the limits and begin. Raises NotRollbackOnly where the driver would begin by itself."""
        try:
            if self._connection.autocommit is not True:
                raise NotRollbackOnly(
                    "the connection has autocommit off: closing it could end a transaction of its own"
                )
            for name, limit_ms in self._limits_ms.items():
                self._connection.execute(SET_LIMIT, (name, f"{limit_ms}ms"))
            self._settings = self._read_settings()
            self._connection.execute(BEGIN)
        except BaseException:
            self._connection.close()
            raise
        return self

    def take_number(self) -> None:
        """Let the server give the transaction its number, which it otherwise gives with the first write."""
        self._connection.execute(NUMBER)

    def execute(self, statement: str, values: Sequence[object] | None = None) -> Any:
        """Send one of the named statements and return its cursor."""
        if statement not in self._allowed:
            raise NotRollbackOnly("a statement was to be sent that was not named beforehand")
        return self._connection.execute(statement, values)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._connection.execute(ROLLBACK)
            after = self._read_settings()
            self.settings_changed = sorted(
                name for name in after.keys() | self._settings.keys()
                if after.get(name) != self._settings.get(name)
            )  # fmt: skip
        except Exception:
            if error is None:
                raise
        finally:
            with suppress(Exception):
                self._connection.close()

    def _read_settings(self) -> dict[str, str]:
        return {str(name): str(value) for name, value in self._connection.execute(SETTINGS).fetchall()}
