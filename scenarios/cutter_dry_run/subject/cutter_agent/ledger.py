"""LedgerWriter: the rows of the ledger, one method for each kind.

Owns the values of a row: client-made UUID keys and times passed as parameters. Knows nothing about
transactions or phases' order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

from cutter_agent.errors import PhaseStop
from cutter_agent.principals import Phase, Principal

Clock = Callable[[], datetime]
NewId = Callable[[], UUID]


class LedgerAdapter(Protocol):
    """What the writer needs of an adapter."""

    principal: Principal

    def insert(self, table: str, row: dict[str, Any]) -> None:
        """Insert one row."""

    def compare_and_set(
        self, table: str, key: dict[str, Any], *, column: str, expected: object, value: object
    ) -> bool:
        """Set one column while it holds what is expected; return whether it did."""


def utc_now() -> datetime:
    """Return the time with its zone."""
    return datetime.now(UTC)


def digest_of(*parts: str) -> str:
    """Return the sha256 of the parts in hex; parts do not run into each other."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


class LedgerWriter:
    """Writes single rows through an adapter."""

    def __init__(self, adapter: LedgerAdapter, *, new_id: NewId = uuid4, clock: Clock = utc_now) -> None:
        self._adapter = adapter
        self._new_id = new_id
        self._clock = clock

    def entry(
        self, *, idempotency_key: str, unit_ref: str, priority: int, payload: Mapping[str, Any]
    ) -> UUID:
        """Insert a marked backlog entry and return its id."""
        return self._keyed(
            "decision_backlog_entry",
            "entry_id",
            {
                "idempotency_key": idempotency_key,
                "unit_ref": unit_ref,
                "priority": priority,
                "status": "marked",
                "payload": Jsonb(dict(payload)),
                "marked_at": self._clock(),
            },
        )

    def history(self, *, entry_id: UUID, from_status: str | None, to_status: str, phase: Phase) -> UUID:
        """Insert one step of an entry's history."""
        return self._keyed(
            "decision_backlog_history",
            "history_id",
            {
                "entry_id": entry_id,
                "from_status": from_status,
                "to_status": to_status,
                "phase": phase.value,
                "principal": self._adapter.principal.value,
                "recorded_at": self._clock(),
            },
        )

    def advance(self, *, entry_id: UUID, from_status: str, to_status: str, phase: Phase) -> None:
        """Move an entry's status and record it; raises PhaseStop when the status has changed."""
        moved = self._adapter.compare_and_set(
            "decision_backlog_entry",
            {"entry_id": entry_id},
            column="status",
            expected=from_status,
            value=to_status,
        )
        if not moved:
            raise PhaseStop(f"the entry is no longer {from_status}")
        self.history(entry_id=entry_id, from_status=from_status, to_status=to_status, phase=phase)

    def dependency(self, *, entry_id: UUID, depends_on_ref: str, reason: str) -> UUID:
        """Insert what an entry depends on."""
        return self._keyed(
            "decision_backlog_dependency",
            "dependency_id",
            {
                "entry_id": entry_id,
                "depends_on_ref": depends_on_ref,
                "reason": reason,
                "recorded_at": self._clock(),
            },
        )

    def sweep(self, *, entry_id: UUID, dependencies_seen: int, outcome: str) -> UUID:
        """Insert the result of sweeping an entry's dependencies."""
        return self._keyed(
            "sweep_log",
            "sweep_id",
            {
                "entry_id": entry_id,
                "dependencies_seen": dependencies_seen,
                "outcome": outcome,
                "swept_at": self._clock(),
            },
        )

    def envelope(self, *, entry_id: UUID, digest: str, block_count: int) -> UUID:
        """Insert the envelope of a manifest."""
        return self._keyed(
            "manifest_envelope",
            "envelope_id",
            {
                "entry_id": entry_id,
                "digest": digest,
                "block_count": block_count,
                "sealed_at": self._clock(),
            },
        )

    def block(self, *, envelope_id: UUID, ordinal: int, unit_ref: str, digest: str) -> UUID:
        """Insert one block of a manifest; ordinals count from 1."""
        return self._keyed(
            "manifest_unit_block",
            "block_id",
            {
                "envelope_id": envelope_id,
                "ordinal": ordinal,
                "unit_ref": unit_ref,
                "digest": digest,
            },
        )

    def review(self, *, entry_id: UUID, envelope_id: UUID, verdict: str, reviewer: str) -> UUID:
        """Insert a reviewer's decision."""
        return self._keyed(
            "review_decision",
            "review_id",
            {
                "entry_id": entry_id,
                "envelope_id": envelope_id,
                "verdict": verdict,
                "reviewer": reviewer,
                "decided_at": self._clock(),
            },
        )

    def signature(self, *, entry_id: UUID, side: str, digest: str) -> UUID:
        """Insert one half of a pair signature."""
        return self._keyed(
            "dot_pair_signature",
            "signature_id",
            {
                "entry_id": entry_id,
                "side": side,
                "principal": self._adapter.principal.value,
                "digest": digest,
                "signed_at": self._clock(),
            },
        )

    def change_set(self, *, entry_id: UUID, envelope_id: UUID, signature_id: UUID) -> UUID:
        """Insert a change set that its verifier has not signed yet."""
        return self._keyed(
            "cut_change_set",
            "change_set_id",
            {
                "entry_id": entry_id,
                "envelope_id": envelope_id,
                "executor_signature_id": signature_id,
                "verifier_signature_id": None,
                "applied_at": self._clock(),
            },
        )

    def affected_row(self, *, change_set_id: UUID, block_id: UUID, before: str, after: str) -> UUID:
        """Insert what a change set did to one block."""
        return self._keyed(
            "cut_change_set_affected_row",
            "affected_row_id",
            {
                "change_set_id": change_set_id,
                "block_id": block_id,
                "before_digest": before,
                "after_digest": after,
            },
        )

    def countersign(self, *, change_set_id: UUID, signature_id: UUID) -> None:
        """Set the verifier's signature; raises PhaseStop when there is one already."""
        signed = self._adapter.compare_and_set(
            "cut_change_set",
            {"change_set_id": change_set_id},
            column="verifier_signature_id",
            expected=None,
            value=signature_id,
        )
        if not signed:
            raise PhaseStop("the change set is already signed by a verifier")

    def verify_result(self, *, change_set_id: UUID, signature_id: UUID, outcome: str) -> UUID:
        """Insert the verifier's result."""
        return self._keyed(
            "verify_result",
            "result_id",
            {
                "change_set_id": change_set_id,
                "signature_id": signature_id,
                "outcome": outcome,
                "verified_at": self._clock(),
            },
        )

    def _keyed(self, table: str, key: str, row: dict[str, Any]) -> UUID:
        identity = self._new_id()
        self._adapter.insert(table, {key: identity, **row})
        return identity
