"""The state of a run: a pure fold over its events, and the only thing that readers look at."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

import msgspec

from console.errors import Cause
from console.model.event import (
    AbortAsked,
    ApprovalGiven,
    BoundaryArmed,
    DecisionMade,
    EngineFailed,
    EngineLost,
    EngineStarted,
    Entry,
    FactRecorded,
    GateJudged,
    NoteRecorded,
    ProgressReported,
    ReceiptClosed,
    ReceiptIdentified,
    ReceiptOpened,
    RemovalFailed,
    RowsCounted,
    RowsEstimated,
    RunCreated,
    RunEnded,
    RunReopened,
    ScenarioFinished,
    ScenarioStarted,
    SecretRedacted,
    StepFinished,
    StepStarted,
)
from console.model.verdict import GateVerdict

Put = Callable[[dict[str, Any], str, Any], dict[str, Any]]
"""Returns a mapping with one value more; whether that is a new mapping is its caller's business."""


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """One object of the run: `identity` is None until it is known, `closed` says how it ended.

    `part` is rehearsal, or demo for the demo's own production and neighbour, which outlive the copy
    until the closing gates have looked at them.
    """

    kind: str
    name: str
    part: str = "rehearsal"
    identity: str | None = None
    closed: str = ""
    trouble: str = ""


class RunState(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the events so far amount to. Mappings keep the order of first mention."""

    created: RunCreated | None = None
    created_at: str = ""
    engine: EngineStarted | None = None
    last_n: int = 0
    last_at: str = ""
    steps_started: dict[str, str] = {}
    steps_finished: dict[str, StepFinished] = {}
    facts: dict[str, Any] = {}
    fact_sources: dict[str, str] = {}
    notes: dict[str, Any] = {}
    gates: dict[str, GateJudged] = {}
    gates_after_scenario: dict[str, GateJudged] = {}
    times_asked: dict[str, int] = {}
    armed: BoundaryArmed | None = None
    armed_at: str = ""
    approvals: tuple[ApprovalGiven, ...] = ()
    decisions: dict[str, DecisionMade] = {}
    decided_at: dict[str, str] = {}
    scenarios_started: dict[str, str] = {}
    scenarios: dict[str, ScenarioFinished] = {}
    rows: dict[str, dict[str, int]] = {}
    estimated: RowsEstimated | None = None
    receipts: dict[str, Receipt] = {}
    progress: ProgressReported | None = None
    abort: AbortAsked | None = None
    engine_failed: EngineFailed | None = None
    engine_lost: EngineLost | None = None
    reopened: RunReopened | None = None
    ended_before: RunEnded | None = None
    redactions: tuple[SecretRedacted, ...] = ()
    ended: RunEnded | None = None

    @property
    def run(self) -> str:
        """Return the run's id, empty before the first event."""
        return self.created.run if self.created else ""

    @property
    def open_receipts(self) -> list[Receipt]:
        """Return the receipts of objects that may still exist, oldest first."""
        return [receipt for receipt in self.receipts.values() if not receipt.closed]

    @property
    def current_step(self) -> str:
        """Return the step that runs now, empty between steps."""
        running = [step for step in self.steps_started if step not in self.steps_finished]
        return running[-1] if running else ""

    @property
    def failing_gates(self) -> list[GateJudged]:
        """Return the gates that were judged FAIL, in the order in which they failed."""
        return [judged for judged in self.gates.values() if judged.verdict == GateVerdict.FAIL]

    @property
    def condition(self) -> Literal["starting", "running", "waiting", "ended"]:
        """Return in one word what the run does now."""
        if self.ended:
            return "ended"
        if self.armed:
            return "waiting"
        return "running" if self.engine else "starting"

    def trace_head_of(self, step: str) -> str:
        """Return the trace's head that was sealed into the journal at the end of `step`."""
        finished = self.steps_finished.get(step)
        return finished.trace_head if finished else ""


def needed_words(armed: BoundaryArmed, approvals: tuple[ApprovalGiven, ...]) -> str:
    """Return who must approve a boundary for two, and who has."""
    if not approvals:
        return f"two different users: the run's operator, and members of the group {armed.approvers}"
    given = ", ".join(f"{one.operator.name} (uid {one.operator.uid}, {one.how})" for one in approvals)
    return f"approved by {given}; a different user must approve too: the operator or one of {armed.approvers}"


def receipt_key(kind: str, name: str) -> str:
    """Return the key of a receipt: exact kind and name."""
    return f"{kind} {name}"


def fold(entries: Iterable[Entry], state: RunState | None = None) -> RunState:
    """Return the state after `entries`, starting from `state` (an empty run when None), which stays as it is."""
    result = given = state or RunState()
    own: set[int] = set()

    def put(known: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
        """Copy a mapping once, and then let it grow: a copy for every entry would cost its length squared."""
        if id(known) not in own:
            known = {**known}
            own.add(id(known))
        known[key] = value
        return known

    for entry in entries:
        result = _after(result, entry, put)
    del given  # until here: an id of its mappings is no other's
    return result


def apply(state: RunState, entry: Entry) -> RunState:
    """Return the state after one entry; `state` stays as it is."""
    return _after(state, entry, _copied)


def _after(state: RunState, entry: Entry, put: Put) -> RunState:
    return msgspec.structs.replace(state, last_n=entry.n, last_at=entry.at, **_changes(state, entry, put))


def _copied(known: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    return {**known, key: value}


def _changes(state: RunState, entry: Entry, put: Put) -> dict[str, Any]:
    event, at = entry.event, entry.at
    match event:
        case RunCreated():
            return {"created": event, "created_at": at}
        case EngineStarted():
            return {"engine": event}
        case StepStarted():
            started = put(state.steps_started, event.step, at)
            return {"steps_started": started, "progress": None, "estimated": None}
        case StepFinished():
            finished = put(state.steps_finished, event.step, event)
            return {"steps_finished": finished, "progress": None, "estimated": None}
        case FactRecorded():
            return {
                "facts": put(state.facts, event.name, event.value),
                "fact_sources": put(state.fact_sources, event.name, event.source),
            }
        case NoteRecorded():
            return {"notes": put(state.notes, event.name, event.value)}
        case ProgressReported():
            return {"progress": event}
        case AbortAsked():
            return {"abort": state.abort or event}
        case EngineFailed():
            return {"engine_failed": state.engine_failed or event}
        case EngineLost():
            return {"engine_lost": event, "armed": None}
        case SecretRedacted():
            return {"redactions": (*state.redactions, event)}
        case RunEnded():
            return {"ended": event, "armed": None}
        case RunReopened():
            return _reopened_changes(state, event)
        case _:
            return _judged_or_owned(state, entry, put)


def _reopened_changes(state: RunState, event: RunReopened) -> dict[str, Any]:
    """The teardown (always the last step) is to be done and its gates to be asked again; all else stays.

    What a closing gate found wrong with source or neighbours stays wrong; what was left of the run may be gone now.
    """
    created = state.created
    teardown = created.steps[-1].id if created is not None and created.steps else ""
    closing = {gate.id for gate in created.gates if gate.closing} if created is not None else set()
    failed = {judged.gate for judged in state.failing_gates if not judged.gate.startswith("N-")}
    asked_again = closing - failed
    return {
        "reopened": event,
        "ended": None,
        "ended_before": state.ended or state.ended_before,
        "armed": None,
        "steps_finished": {step: end for step, end in state.steps_finished.items() if step != teardown},
        "gates": {gate: judged for gate, judged in state.gates.items() if gate not in asked_again},
    }


def _judged_or_owned(state: RunState, entry: Entry, put: Put) -> dict[str, Any]:
    event, at = entry.event, entry.at
    match event:
        case GateJudged():
            return _gate_changes(state, event, put)
        case BoundaryArmed():
            return {"armed": event, "armed_at": at, "approvals": ()}
        case ApprovalGiven():
            return {"approvals": (*state.approvals, event)}
        case DecisionMade(answer="hold"):
            return {"armed": None}
        case DecisionMade():
            return {
                "armed": None,
                "decisions": put(state.decisions, event.boundary, event),
                "decided_at": put(state.decided_at, event.boundary, at),
            }
        case ScenarioStarted():
            return {"scenarios_started": put(state.scenarios_started, event.scenario, at)}
        case ScenarioFinished():
            before = state.scenarios.get(event.scenario)
            kept = before if before is not None and before.verdict == "FAIL" else event
            return {"scenarios": put(state.scenarios, event.scenario, kept)}
        case RowsCounted():
            return {"rows": put(state.rows, event.scenario, event.rows), "estimated": None}
        case RowsEstimated():
            return {"estimated": event}
        case ReceiptOpened() | ReceiptIdentified() | ReceiptClosed() | RemovalFailed():
            return {"receipts": _receipts_after(state.receipts, event, put)}
        case _:
            raise AssertionError(f"no fold for {type(event).__name__}")


def _gate_changes(state: RunState, event: GateJudged, put: Put) -> dict[str, Any]:
    """A gate that failed once stays failed; after a scenario it is kept by scenario as well."""
    changes: dict[str, Any] = {}
    if event.scenario:
        key = f"{event.gate} {event.scenario}"
        changes["gates_after_scenario"] = put(state.gates_after_scenario, key, event)
        if event.verdict == GateVerdict.PASS:
            return changes
    else:
        changes["times_asked"] = put(state.times_asked, event.gate, state.times_asked.get(event.gate, 0) + 1)
    before = state.gates.get(event.gate)
    if before is None or before.verdict != GateVerdict.FAIL:
        changes["gates"] = put(state.gates, event.gate, event)
    return changes


def _receipts_after(
    receipts: dict[str, Receipt],
    event: ReceiptOpened | ReceiptIdentified | ReceiptClosed | RemovalFailed,
    put: Put,
) -> dict[str, Receipt]:
    key = receipt_key(event.object, event.name)
    known = receipts.get(key, Receipt(kind=event.object, name=event.name))
    match event:
        case ReceiptOpened():
            changed = Receipt(kind=event.object, name=event.name, part=event.part)
        case ReceiptIdentified():
            changed = msgspec.structs.replace(known, identity=event.identity)
        case ReceiptClosed():
            changed = msgspec.structs.replace(known, closed=event.how, trouble="")
        case RemovalFailed():
            changed = msgspec.structs.replace(known, trouble=event.reason)
    return put(receipts, key, changed)


def verdict_cause(state: RunState) -> Cause | None:
    """Return whose fault the end was, as the last event says it."""
    return state.ended.cause if state.ended else None
