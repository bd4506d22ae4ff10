"""Isolation level, read-only and deferrable of one transaction, and when each may still be set.

The rules are those of PostgreSQL's check hooks (variable.c); same words, same SQLSTATEs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from console.testing.answers import ServerError

LEVELS = ("read uncommitted", "read committed", "repeatable read", "serializable")


def is_on(value: str) -> bool:
    """Tell whether a setting's text means true."""
    return value.lower() in ("on", "true", "yes", "1")


@dataclass(kw_only=True)
class Modes:
    """`queried` once the transaction's first snapshot was taken; `nested` below means inside a savepoint."""

    isolation: str
    read_only: bool
    deferrable: bool
    queried: bool = False

    def take(self, words: Sequence[str], *, nested: bool) -> None:
        """Take the modes that BEGIN and SET TRANSACTION name. Raises ServerError 25001 when it is too late."""
        for at, word in enumerate(words):
            following = words[at + 1] if at + 1 < len(words) else ""
            if word == "LEVEL":
                level = following.lower()
                level += f" {words[at + 2].lower()}" if level in ("read", "repeatable") else ""
                self._set_isolation(level, nested=nested)
            elif word == "READ" and following in ("ONLY", "WRITE"):
                self._set_read_only(following == "ONLY", nested=nested)
            elif word == "DEFERRABLE":
                self._set_deferrable(words[max(at - 1, 0)] != "NOT", nested=nested)

    def set(self, name: str, value: str, *, nested: bool) -> None:
        """Set one by its setting's name, such as transaction_isolation."""
        if name == "transaction_isolation":
            self._set_isolation(value, nested=nested)
        elif name == "transaction_read_only":
            self._set_read_only(is_on(value), nested=nested)
        else:
            self._set_deferrable(is_on(value), nested=nested)

    def _set_isolation(self, level: str, *, nested: bool) -> None:
        if level not in LEVELS:
            raise ServerError("22023", f'invalid value for parameter "transaction_isolation": "{level}"')
        if level != self.isolation:
            if self.queried:
                raise ServerError("25001", "SET TRANSACTION ISOLATION LEVEL must be called before any query")
            if nested:
                raise ServerError(
                    "25001", "SET TRANSACTION ISOLATION LEVEL must not be called in a subtransaction"
                )
        self.isolation = level

    def _set_read_only(self, read_only: bool, *, nested: bool) -> None:
        if self.read_only and not read_only:
            if nested:
                raise ServerError(
                    "25001", "cannot set transaction read-write mode inside a read-only transaction"
                )
            if self.queried:
                raise ServerError("25001", "transaction read-write mode must be set before any query")
        self.read_only = read_only

    def _set_deferrable(self, deferrable: bool, *, nested: bool) -> None:
        if nested:
            raise ServerError(
                "25001", "SET TRANSACTION [NOT] DEFERRABLE cannot be called within a subtransaction"
            )
        if self.queried:
            raise ServerError("25001", "SET TRANSACTION [NOT] DEFERRABLE must be called before any query")
        self.deferrable = deferrable
