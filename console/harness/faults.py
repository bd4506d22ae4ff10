"""Making an attempt fail on purpose, once, at a statement of the subject's that the engine names."""

from __future__ import annotations

from typing import Any

import psycopg


class InducedFault(psycopg.OperationalError):
    """Raised in the place of a statement: it was not sent."""


class Fault:
    """Waits for its statement: the n-th of the attempt, or the first that holds a text (white space and case aside)."""

    def __init__(self, *, attempt: str, at: int | str, kind: str) -> None:
        self.attempt = attempt
        self.kind = kind
        self._at = at if isinstance(at, int) else _folded(at)
        self._seen = 0

    @classmethod
    def of(cls, told: Any) -> Fault:
        """Return the fault that the engine's command describes. Raises KeyError or TypeError for another shape."""
        return cls(attempt=str(told["attempt"]), at=told["at"], kind=str(told["kind"]))

    def strikes(self, text: str) -> int:
        """Count one statement; return its number when it is the one, else 0."""
        self._seen += 1
        hit = self._seen == self._at if isinstance(self._at, int) else self._at in _folded(text)
        return self._seen if hit else 0


def _folded(text: str) -> str:
    return " ".join(text.lower().split())
