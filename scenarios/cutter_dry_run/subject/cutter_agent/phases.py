"""The phases of a backlog entry: MARK, SWEEP, REVIEW, CUT, VERIFY.

Each phase checks its principal, looks outside any transaction whether it is done already, and
otherwise writes everything in one transaction at its own isolation level. Never writes without
having read first.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from cutter_agent.db_adapter import RealPostgresAdapter, Row
from cutter_agent.errors import PhaseStop
from cutter_agent.ledger import Clock, LedgerWriter, NewId, digest_of, utc_now
from cutter_agent.principals import PHASE_ISOLATION, PHASE_PRINCIPAL, Phase, Principal
from cutter_agent.retry import whole_phase

STATUSES = ("marked", "reviewed", "cut_applied", "verified_complete")


@dataclass(frozen=True, kw_only=True)
class MarkRequest:
    """What is to be put on the backlog."""

    idempotency_key: str
    unit_ref: str
    priority: int
    depends_on: tuple[str, ...] = ()
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PhaseResult:
    """What a phase left: `replayed` means that it had been done before and wrote nothing."""

    phase: Phase
    entry_id: UUID
    replayed: bool


class CutterPhases:
    """Runs phases over the two principals' adapters."""

    def __init__(
        self,
        *,
        exec_adapter: RealPostgresAdapter,
        verify_adapter: RealPostgresAdapter,
        new_id: NewId = uuid4,
        clock: Clock = utc_now,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._adapters = {Principal.EXEC: exec_adapter, Principal.VERIFY: verify_adapter}
        self._new_id = new_id
        self._clock = clock
        self._pause = pause

    def mark(self, request: MarkRequest) -> PhaseResult:
        """Put a unit on the backlog, once for each idempotency key."""
        adapter = self._adapter(Phase.MARK)
        return whole_phase(lambda: self._mark(adapter, request), pause=self._pause)

    def sweep(self, entry_id: UUID) -> PhaseResult:
        """Look through an entry's dependencies, once."""
        adapter = self._adapter(Phase.SWEEP)
        return whole_phase(lambda: self._sweep(adapter, entry_id), pause=self._pause)

    def review(self, entry_id: UUID, *, reviewer: str) -> PhaseResult:
        """Seal the manifest of a marked entry and approve it."""
        adapter = self._adapter(Phase.REVIEW)
        return whole_phase(lambda: self._review(adapter, entry_id, reviewer), pause=self._pause)

    def cut(self, entry_id: UUID) -> PhaseResult:
        """Apply a reviewed entry as a signed change set."""
        adapter = self._adapter(Phase.CUT)
        return whole_phase(lambda: self._cut(adapter, entry_id), pause=self._pause)

    def verify(self, entry_id: UUID) -> PhaseResult:
        """Check an applied change set independently and countersign it."""
        adapter = self._adapter(Phase.VERIFY)
        return whole_phase(lambda: self._verify(adapter, entry_id), pause=self._pause)

    def _adapter(self, phase: Phase) -> RealPostgresAdapter:
        adapter = self._adapters[PHASE_PRINCIPAL[phase]]
        adapter.require_phase(phase)
        return adapter

    def _writer(self, adapter: RealPostgresAdapter) -> LedgerWriter:
        return LedgerWriter(adapter, new_id=self._new_id, clock=self._clock)

    def _mark(self, adapter: RealPostgresAdapter, request: MarkRequest) -> PhaseResult:
        known = adapter.find("decision_backlog_entry", idempotency_key=request.idempotency_key)
        if known is not None:
            return PhaseResult(phase=Phase.MARK, entry_id=known["entry_id"], replayed=True)
        writer = self._writer(adapter)
        with adapter.transaction(PHASE_ISOLATION[Phase.MARK]):
            entry_id = writer.entry(
                idempotency_key=request.idempotency_key,
                unit_ref=request.unit_ref,
                priority=request.priority,
                payload=request.payload,
            )
            writer.history(entry_id=entry_id, from_status=None, to_status="marked", phase=Phase.MARK)
            for depends_on_ref in request.depends_on:
                writer.dependency(entry_id=entry_id, depends_on_ref=depends_on_ref, reason="declared")
        return PhaseResult(phase=Phase.MARK, entry_id=entry_id, replayed=False)

    def _sweep(self, adapter: RealPostgresAdapter, entry_id: UUID) -> PhaseResult:
        if adapter.find("sweep_log", entry_id=entry_id) is not None:
            return PhaseResult(phase=Phase.SWEEP, entry_id=entry_id, replayed=True)
        writer = self._writer(adapter)
        with adapter.transaction(PHASE_ISOLATION[Phase.SWEEP]):
            dependencies = adapter.find_all("decision_backlog_dependency", entry_id=entry_id)
            writer.sweep(entry_id=entry_id, dependencies_seen=len(dependencies), outcome="clear")
        return PhaseResult(phase=Phase.SWEEP, entry_id=entry_id, replayed=False)

    def _review(self, adapter: RealPostgresAdapter, entry_id: UUID, reviewer: str) -> PhaseResult:
        entry = _entry(adapter, entry_id)
        if _is_past(entry, "marked"):
            return PhaseResult(phase=Phase.REVIEW, entry_id=entry_id, replayed=True)
        writer = self._writer(adapter)
        block_digest = digest_of(entry["unit_ref"], entry["idempotency_key"])
        with adapter.transaction(PHASE_ISOLATION[Phase.REVIEW]):
            envelope_id = writer.envelope(entry_id=entry_id, digest=digest_of(block_digest), block_count=1)
            writer.block(
                envelope_id=envelope_id,
                ordinal=1,
                unit_ref=entry["unit_ref"],
                digest=block_digest,
            )
            writer.review(
                entry_id=entry_id,
                envelope_id=envelope_id,
                verdict="approved",
                reviewer=reviewer,
            )
            writer.advance(
                entry_id=entry_id,
                from_status="marked",
                to_status="reviewed",
                phase=Phase.REVIEW,
            )
        return PhaseResult(phase=Phase.REVIEW, entry_id=entry_id, replayed=False)

    def _cut(self, adapter: RealPostgresAdapter, entry_id: UUID) -> PhaseResult:
        if _is_past(_entry(adapter, entry_id), "reviewed"):
            return PhaseResult(phase=Phase.CUT, entry_id=entry_id, replayed=True)
        writer = self._writer(adapter)
        with adapter.transaction(PHASE_ISOLATION[Phase.CUT]):
            envelope = _needed(adapter, "manifest_envelope", entry_id=entry_id)
            block = _needed(adapter, "manifest_unit_block", envelope_id=envelope["envelope_id"])
            signature_id = writer.signature(entry_id=entry_id, side="executor", digest=envelope["digest"])
            change_set_id = writer.change_set(
                entry_id=entry_id,
                envelope_id=envelope["envelope_id"],
                signature_id=signature_id,
            )
            writer.affected_row(
                change_set_id=change_set_id,
                block_id=block["block_id"],
                before=block["digest"],
                after=digest_of(block["digest"], "cut"),
            )
            writer.advance(
                entry_id=entry_id,
                from_status="reviewed",
                to_status="cut_applied",
                phase=Phase.CUT,
            )
        return PhaseResult(phase=Phase.CUT, entry_id=entry_id, replayed=False)

    def _verify(self, adapter: RealPostgresAdapter, entry_id: UUID) -> PhaseResult:
        if _is_past(_entry(adapter, entry_id), "cut_applied"):
            return PhaseResult(phase=Phase.VERIFY, entry_id=entry_id, replayed=True)
        writer = self._writer(adapter)
        with adapter.transaction(PHASE_ISOLATION[Phase.VERIFY]):
            change_set = _needed(adapter, "cut_change_set", entry_id=entry_id)
            change_set_id = change_set["change_set_id"]
            affected = _needed(adapter, "cut_change_set_affected_row", change_set_id=change_set_id)
            if affected["after_digest"] != digest_of(affected["before_digest"], "cut"):
                raise PhaseStop("the change set does not hold what its manifest promised")
            signature_id = writer.signature(
                entry_id=entry_id, side="verifier", digest=affected["after_digest"]
            )
            writer.verify_result(change_set_id=change_set_id, signature_id=signature_id, outcome="pass")
            writer.countersign(change_set_id=change_set_id, signature_id=signature_id)
            writer.advance(
                entry_id=entry_id,
                from_status="cut_applied",
                to_status="verified_complete",
                phase=Phase.VERIFY,
            )
        return PhaseResult(phase=Phase.VERIFY, entry_id=entry_id, replayed=False)


def _entry(adapter: RealPostgresAdapter, entry_id: UUID) -> Row:
    return _needed(adapter, "decision_backlog_entry", entry_id=entry_id)


def _needed(adapter: RealPostgresAdapter, table: str, **key: Any) -> Row:
    row = adapter.find(table, **key)
    if row is None:
        raise PhaseStop(f"{table} has no row for this entry")
    return row


def _is_past(entry: Row, status: str) -> bool:
    """Return whether the entry has gone beyond `status`; raises PhaseStop when it is not there yet."""
    reached, wanted = STATUSES.index(entry["status"]), STATUSES.index(status)
    if reached < wanted:
        raise PhaseStop(f"the entry is {entry['status']}, not yet {status}")
    return reached > wanted
