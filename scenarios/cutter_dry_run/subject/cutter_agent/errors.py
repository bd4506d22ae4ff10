"""Every error that cutter_agent raises on purpose, and what a SQLSTATE means for a phase.

Owns the classification; never looks at message text to decide.

::

    CutterError
    ├── ConfigMissing             a key of the explicit mapping is absent or empty
    ├── ConfigInvalid             a key is there and cannot be used
    ├── ConfigMismatch            the session is not the principal it was opened for
    ├── PrincipalCapabilityError  this principal may not do that; raised before any SQL
    ├── AppendOnlyViolation       something asked for a deletion
    ├── PoolExhausted             the one connection is already lent
    ├── PhaseStop                 the phase cannot go on (42501, unknown, retries used up)
    ├── IdempotencyResume         the row is there already (23505): resume from it
    └── TransientFailure          40001, 40P01, 08*: the whole phase may be tried again
"""

from __future__ import annotations

from enum import StrEnum

import psycopg


class CutterError(Exception):
    """The base of every error raised on purpose."""


class ConfigMissing(CutterError):
    """A key of the environment mapping is absent or empty."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"{key} is missing from the environment mapping")


class ConfigInvalid(CutterError):
    """A key of the environment mapping holds something that cannot be used."""

    def __init__(self, key: str, what: str) -> None:
        self.key = key
        super().__init__(f"{key} {what}")


class ConfigMismatch(CutterError):
    """The server says that the session belongs to somebody else."""

    def __init__(self, *, expected: str, found: str) -> None:
        self.expected, self.found = expected, found
        super().__init__(f"the session is {found}, but the adapter is bound to {expected}")


class PrincipalCapabilityError(CutterError):
    """The bound principal may not do what was asked."""

    def __init__(self, principal: str, deed: str) -> None:
        self.principal, self.deed = principal, deed
        super().__init__(f"{principal} may not {deed}")


class AppendOnlyViolation(CutterError):
    """The ledger is append-only."""

    def __init__(self, deed: str, table: str) -> None:
        super().__init__(f"{deed} on {table} refused: the ledger is append-only")


class PoolExhausted(CutterError):
    """The pool's one connection is already lent."""


class PhaseStop(CutterError):
    """A phase cannot go on; nothing of it was kept."""

    def __init__(self, what: str, *, sqlstate: str = "") -> None:
        self.sqlstate = sqlstate
        super().__init__(f"{sqlstate}: {what}" if sqlstate else what)


class IdempotencyResume(CutterError):
    """The row exists already: the caller resumes from it instead of writing it again."""

    def __init__(self, what: str, *, sqlstate: str = "23505") -> None:
        self.sqlstate = sqlstate
        super().__init__(f"{sqlstate}: {what}")


class TransientFailure(CutterError):
    """The transaction lost a race or its connection; the whole phase may be tried again."""

    def __init__(self, what: str, *, sqlstate: str = "") -> None:
        self.sqlstate = sqlstate
        super().__init__(f"{sqlstate}: {what}" if sqlstate else what)


class Reaction(StrEnum):
    """What a phase does about a database error."""

    STOP = "stop"
    RESUME = "resume"
    RETRY = "retry"


def classify(sqlstate: str | None, *, connection_lost: bool = False) -> Reaction:
    """Return the reaction to a SQLSTATE; unknown ones stop.

    `connection_lost` stands for a failure that the server could not put into words (no SQLSTATE).
    """
    if sqlstate is None:
        return Reaction.RETRY if connection_lost else Reaction.STOP
    if sqlstate == "23505":
        return Reaction.RESUME
    if sqlstate in ("40001", "40P01") or sqlstate.startswith("08"):
        return Reaction.RETRY
    return Reaction.STOP


def as_phase_error(error: psycopg.Error) -> CutterError:
    """Return the error of ours that a database error becomes.

    Only the server's primary message is carried over: its DETAIL holds values.
    """
    primary = error.diag.message_primary or str(error).partition("\n")[0]
    sqlstate = error.sqlstate or ""
    lost = isinstance(error, psycopg.OperationalError)
    reaction = classify(error.sqlstate, connection_lost=lost)
    if reaction is Reaction.RESUME:
        return IdempotencyResume(primary, sqlstate=sqlstate)
    if reaction is Reaction.RETRY:
        return TransientFailure(primary, sqlstate=sqlstate)
    return PhaseStop(primary, sqlstate=sqlstate)
