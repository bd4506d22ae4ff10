"""Every error that Drydock raises on purpose; a leaf module that imports nothing of ours.

::

    DrydockError
    ├── UsageError             exit 2: the operator's input cannot be used
    │   ├── PlanError          a plan file or an option
    │   ├── PackError          a scenario pack
    │   ├── SubjectError       the code under rehearsal, before anything was made
    │   ├── RunsFolderError    the folder that holds the runs
    │   ├── SecretUnavailable  a secret that is named and cannot be had
    │   └── RunNotFound        a run that is named and is not there
    ├── StepFailed             a step of a plan cannot go on; carries whose fault it is
    ├── AbortRequested         the operator asked for the end
    ├── FactMissing            a gate's fact was never recorded: the gate is UNKNOWN
    ├── FactMalformed          a gate's fact cannot be read: the gate is UNKNOWN
    ├── Unsettled              a gate's facts are there and do not settle it: the gate is UNKNOWN
    ├── JournalBroken          a chained file does not verify; names the place
    ├── ControlRefused         the engine refused a verb on its socket
    └── SqlMissing             a SQL file that the engine names is not there

A message says what happened, to which object, against which limit, and what to do next: lower case,
no final period, no secret.
"""

from __future__ import annotations

from typing import Literal

Cause = Literal["subject", "source", "environment", "drydock"]


class DrydockError(Exception):
    """The base of every error raised on purpose."""


class UsageError(DrydockError):
    """The operator's input cannot be used; the process ends with exit code 2."""

    def __init__(self, what: str, *, remedy: str) -> None:
        self.what = what
        self.remedy = remedy
        super().__init__(f"{what}; {remedy}")


class PlanError(UsageError):
    """A plan file or an option is wrong."""


class PackError(UsageError):
    """A scenario pack is missing, unreadable or contradicts itself."""


class SubjectError(UsageError):
    """The code under rehearsal is missing or cannot be imported."""


class RunsFolderError(UsageError):
    """The folder that holds the runs cannot be used."""


class SecretUnavailable(UsageError):
    """A secret that is named cannot be had, or cannot be kept."""


class RunNotFound(UsageError):
    """No such run in the runs folder."""


class StepFailed(DrydockError):
    """A step cannot go on: `cause` says whose fault it is, `gate` which truth fails with it."""

    def __init__(self, reason: str, *, cause: Cause, gate: str | None = None) -> None:
        self.reason = reason
        self.cause: Cause = cause
        self.gate = gate
        super().__init__(reason)


class AbortRequested(DrydockError):
    """The operator asked for the end of the run; the teardown follows."""


class FactMissing(DrydockError):
    """A gate rests on a fact that was never recorded."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"the fact {name} was never recorded")


class FactMalformed(DrydockError):
    """A gate rests on a fact that cannot be read as what it should be."""

    def __init__(self, name: str, detail: str) -> None:
        self.name = name
        super().__init__(f"the fact {name} cannot be read: {detail}")


class Unsettled(DrydockError):
    """A gate's facts are there, and neither show that it holds nor that it does not."""


class JournalBroken(DrydockError):
    """A hash-chained file does not verify."""

    def __init__(self, path: str, line: int, what: str) -> None:
        self.path, self.line, self.what = path, line, what
        super().__init__(f"{path}, line {line}: {what}")


class ControlRefused(DrydockError):
    """The engine refused a verb sent to its control socket."""


class SqlMissing(DrydockError):
    """The engine names a SQL file that is not in the sql folder."""
