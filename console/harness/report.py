"""What a scenario's attempts came to, as plain values for the engine; a claim, never a verdict."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import psycopg

from console.harness.frames import OwnFrames
from console.harness.tracer import Tracer

LONGEST_MESSAGE_CHARS = 20_000
_DEEPEST_CAUSE = 10


@dataclass(kw_only=True)
class Outcome:
    """One attempt: `outcome` is running, returned or raised; `error` is the exception itself.

    `told` are plain values (JSON) that the pack wants to report; a claim like everything here.
    """

    name: str
    outcome: str = "running"
    error: BaseException | None = field(default=None, repr=False)
    told: dict[str, Any] = field(default_factory=dict, repr=False)


class Reporter:
    """Turns outcomes and errors into values without passwords."""

    def __init__(self, *, tracer: Tracer, subject: OwnFrames, pack: OwnFrames) -> None:
        self._tracer = tracer
        self.subject = subject
        self.pack = pack

    def attempt(self, outcome: Outcome) -> dict[str, Any]:
        """Return one attempt as the engine reads it."""
        told: dict[str, Any] = {
            "name": outcome.name, "outcome": outcome.outcome, "type": "", "module": "", "message": "",
            "sqlstate": "", "frames": [], "told": self.told(outcome.told),
        }  # fmt: skip
        error = outcome.error
        if error is not None:
            told["type"] = type(error).__qualname__
            told["module"] = str(type(error).__module__)
            told["message"] = self.message(error)
            told["sqlstate"] = sqlstate_of(error)
            told["frames"] = [self._tracer.redact(frame, "attempt message") for frame in self.frames(error)]
        return told

    def told(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return plain values without passwords."""
        found: dict[str, Any] = json.loads(self._tracer.redact(json.dumps(values), "attempt value"))
        return found

    def message(self, error: BaseException) -> str:
        """Return an exception's message, cut at a limit; the exception's own code may fail at it."""
        try:
            text = str(error)
        except Exception as wrong:  # noqa: BLE001 - the subject's __str__ runs here
            text = f"(its message cannot be read: {type(wrong).__qualname__})"
        return self._tracer.redact(text, "attempt message")[:LONGEST_MESSAGE_CHARS]

    def frames(self, error: BaseException) -> list[str]:
        """Return the subject's frames of an error, innermost first; the pack's when there is none."""
        return self.subject.of_traceback(error.__traceback__) or self.pack.of_traceback(error.__traceback__)

    def sentence(self, error: BaseException) -> str:
        """Return "Type: message (at frame)" for an error that ended a scenario or an import."""
        where = self.frames(error)
        tail = self._tracer.redact(f" (at {where[0]})", "attempt message") if where else ""
        return f"{type(error).__qualname__}: {self.message(error)}{tail}"


def sqlstate_of(error: BaseException) -> str:
    """Return the SQLSTATE of the nearest psycopg error among an exception and its causes, else empty."""
    at: BaseException | None = error
    for _ in range(_DEEPEST_CAUSE):
        if at is None:
            break
        if isinstance(at, psycopg.Error) and at.sqlstate:
            return str(at.sqlstate)
        at = at.__cause__ or at.__context__
    return ""
