"""The live adapter: six methods, each behind the kill-switch, and one seam for its connections.

Never connects by itself: `connection_provider` does, and only after the kill-switch let a method through.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from live_cutter import statements
from live_cutter.errors import KillSwitchOff, NotLiveAdapter

__execution_enabled__ = False
"""The kill-switch. Turning it on is a decision of its own, made by people, in a change of its own."""

PRINCIPAL_EXEC = "cutter_exec"
PRINCIPAL_VERIFY = "cutter_verify"

ConnectionProvider = Callable[[str], Any]
"""Principal in, a psycopg 3-shaped autocommit connection out."""


def refuse_if_killswitch_off(method: str) -> None:
    """Raise KillSwitchOff while live execution is switched off."""
    if not __execution_enabled__:
        raise KillSwitchOff(f"{method} is refused: __execution_enabled__ is False")


class ProductionLiveExecutionAdapter:
    """What production calls; every method asks the kill-switch on its first line."""

    def __init__(self, *, connection_provider: ConnectionProvider) -> None:
        self._connection_provider = connection_provider

    def _assert_live_allowed(self, method: str) -> None:
        refuse_if_killswitch_off(method)

    def _connect(self, principal: str) -> Any:
        """Return a connection of one principal: the seam that tests and proofs may use."""
        return self._connection_provider(principal)

    def mark(self, values: Sequence[object]) -> None:
        """Put one unit on the backlog."""
        self._assert_live_allowed("mark")
        self._write(statements.MARK, values)

    def review(self, values: Sequence[object]) -> None:
        """Record one review."""
        self._assert_live_allowed("review")
        self._write(statements.REVIEW, values)

    def cut_leg_a(self, values: Sequence[object]) -> None:
        """Create the information unit by fn_iu_create."""
        self._assert_live_allowed("cut_leg_a")
        self._write(statements.CUT_LEG_A, values)

    def cut_leg_b(self, values: Sequence[object]) -> None:
        """Record the change set."""
        self._assert_live_allowed("cut_leg_b")
        self._write(statements.CUT_LEG_B, values)

    def verify(self, values: Sequence[object]) -> list[Any]:
        """Read what the verifier judges."""
        self._assert_live_allowed("verify")
        return self._read(PRINCIPAL_VERIFY, statements.VERIFY_CHANGE_SET, values)

    def find(self, values: Sequence[object]) -> list[Any]:
        """Return the backlog entries of one idempotency key."""
        self._assert_live_allowed("find")
        return self._read(PRINCIPAL_EXEC, statements.FIND, values)

    def _write(self, statement: str, values: Sequence[object]) -> None:
        connection = self._connect(PRINCIPAL_EXEC)
        try:
            connection.execute("BEGIN")
            connection.execute(statement, values)
            connection.execute("COMMIT")
        finally:
            connection.close()

    def _read(self, principal: str, statement: str, values: Sequence[object]) -> list[Any]:
        connection = self._connect(principal)
        try:
            return list(connection.execute(statement, values).fetchall())
        finally:
            connection.close()


def require_live_adapter(candidate: object) -> ProductionLiveExecutionAdapter:
    """Return the live adapter; raises NotLiveAdapter for everything else, a look-alike or subclass too."""
    if type(candidate) is not ProductionLiveExecutionAdapter:
        raise NotLiveAdapter(f"{type(candidate).__qualname__} is not the live adapter")
    return candidate
