"""The small protocols between the engine and what it drives."""

from __future__ import annotations

from typing import Protocol


class Receipts(Protocol):
    """Where objects are named before they exist (design section 3, receipts first)."""

    @property
    def mark(self) -> str:
        """Return what every child of the run carries in its environment, "" for no run; not a secret."""

    def opening(self, kind: str, name: str) -> None:
        """Record durably that the object `kind` `name` is about to be created."""

    def identified(self, kind: str, name: str, identity: str) -> None:
        """Record durably which object it became."""

    def closed(self, kind: str, name: str, *, identity: str, how: str) -> None:
        """Record durably that we removed it; what vanishes without that is missed at the teardown."""


class Abort(Protocol):
    """Tells a long step that the operator asked for the end."""

    def raise_if_requested(self) -> None:
        """Raise AbortRequested when the end was asked for."""


class NoReceipts:
    """For clusters that no run owns (tests, the operator's own tools)."""

    mark = ""

    def opening(self, kind: str, name: str) -> None:
        """Record nothing."""

    def identified(self, kind: str, name: str, identity: str) -> None:
        """Record nothing."""

    def closed(self, kind: str, name: str, *, identity: str, how: str) -> None:
        """Record nothing."""


class NeverAborted:
    """For steps outside a run."""

    def raise_if_requested(self) -> None:
        """Return."""
