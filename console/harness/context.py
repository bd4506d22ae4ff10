"""What a scenario function is given: where the database is, passwords, attempts, phases and rivals."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any

import psycopg

from console.harness.report import Outcome
from console.harness.rollback_only import RollbackOnly
from console.harness.tracer import Tracer


@dataclass(frozen=True, kw_only=True)
class Place:
    """The rehearsal's database and the passwords of its roles."""

    host: str
    port: int
    database: str
    sslmode: str
    passwords: Mapping[str, str] = field(repr=False)
    limits_ms: Mapping[str, int] = field(default_factory=dict)


class _Attempt:
    """The block of one attempt; its window is in the trace, its outcome in the report."""

    def __init__(self, tracer: Tracer, outcome: Outcome) -> None:
        self._tracer = tracer
        self._outcome = outcome

    def __enter__(self) -> Outcome:
        self._tracer.label(a=self._outcome.name)
        self._tracer.window("begin")
        return self._outcome

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        self._outcome.outcome = "returned" if error is None else "raised"
        self._outcome.error = error
        self._tracer.window("end")
        self._tracer.label(a="")
        return True


class Context:
    """One for all scenarios of a run; `memory` is theirs to share."""

    def __init__(self, place: Place, tracer: Tracer, hold: Callable[[str], None] | None = None) -> None:
        self._place = place
        self._hold = hold
        self._tracer = tracer
        self._outcomes: list[Outcome] = []
        self._rivals: list[psycopg.Connection[Any]] = []
        self.memory: dict[str, object] = {}

    @property
    def host(self) -> str:
        """Return the folder of the database's socket."""
        return self._place.host

    @property
    def port(self) -> int:
        """Return the port, which names the socket."""
        return self._place.port

    @property
    def database(self) -> str:
        """Return the database's name."""
        return self._place.database

    @property
    def sslmode(self) -> str:
        """Return the sslmode to connect with."""
        return self._place.sslmode

    def password(self, role: str) -> str:
        """Return the rehearsal's password of a role. Raises KeyError when the run has no such role."""
        return self._place.passwords[role]

    @property
    def has_passwords(self) -> bool:
        """Tell whether the engine has handed over the passwords."""
        return bool(self._place.passwords)

    def learn(self, passwords: Mapping[str, str]) -> None:
        """Take the passwords that the engine hands over once the operator let it connect."""
        self._place = replace(self._place, passwords=passwords)

    def checkpoint(self, name: str) -> None:
        """Return when the engine has looked at the database from a session of its own.

        Raises RuntimeError when nobody listens or the engine does not let the pack go on.
        """
        if self._hold is None:
            raise RuntimeError("this plan has no checkpoints")
        self._hold(name)

    def rollback_only(self, connection: Any, *, allowed: Collection[str]) -> RollbackOnly:
        """Return the block of one transaction that is always rolled back; it closes the connection."""
        return RollbackOnly(connection, allowed=allowed, limits_ms=self._place.limits_ms)

    def attempt(self, name: str) -> _Attempt:
        """Return the block of one attempt: whatever is raised in it is recorded and ends there.

        Raises ValueError when the scenario names an attempt twice or opens one inside another.
        """
        if any(outcome.name == name for outcome in self._outcomes):
            raise ValueError(f"the attempt {name} occurs twice in one scenario")
        if self._tracer.labelled("a"):
            raise ValueError(f"the attempt {name} begins inside {self._tracer.labelled('a')}")
        outcome = Outcome(name=name)
        self._outcomes.append(outcome)
        return _Attempt(self._tracer, outcome)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Label the statements sent within the block."""
        before = self._tracer.labelled("p")
        self._tracer.label(p=name)
        try:
            yield
        finally:
            self._tracer.label(p=before)

    def rival(self, role: str) -> psycopg.Connection[Any]:
        """Open an autocommit connection for deliberate interference; traced, closed with the scenario."""
        connection = psycopg.connect(
            host=self.host, port=self.port, dbname=self.database, sslmode=self.sslmode, user=role,
            password=self.password(role), autocommit=True, application_name="drydock-rival",
        )  # fmt: skip
        self._rivals.append(connection)
        return connection

    def take_outcomes(self) -> list[Outcome]:
        """Return the outcomes since the last call."""
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    def close_rivals(self) -> None:
        """Close the connections that `rival` opened."""
        rivals, self._rivals = self._rivals, []
        for connection in rivals:
            connection.close()
