"""What a run's journal holds: events in their order, each with the words it was shown with.

An event carries its own question, title or reason, so that an old journal stays readable after the
code has changed. Facts are recorded before anything judges them.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from console.errors import Cause

NOTIFIED_NOTE = "notified"
"""Begins the name of the note that says what became of a notification: notified.B-1.webhook."""


class _Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """The base of every event; the tag is the class's name."""


class Operator(msgspec.Struct, frozen=True, kw_only=True):
    """Who decided: uid and name proven by the kernel, tty and SSH_CONNECTION as the client said."""

    uid: int
    name: str
    tty: str = ""
    ssh: str = ""


class StepWords(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the plan as it was shown."""

    id: str
    does: str
    gates: tuple[str, ...]
    boundary: str = ""


class GateWords(msgspec.Struct, frozen=True, kw_only=True):
    """One gate of the plan as it was shown."""

    id: str
    title: str
    step: str
    closing: bool = False
    each_scenario: bool = False


class ScenarioWords(msgspec.Struct, frozen=True, kw_only=True):
    """One scenario of the pack as it was shown, with the row changes that are expected of it."""

    id: str
    title: str
    kind: str
    rows: dict[str, int] = {}


class RunCreated(_Event, frozen=True, kw_only=True):
    """A run exists: its plan, its digest and everything that a reader needs to name things by.

    Before each of `rewound` the copy is made anew as it was prepared. `copy` says whether it is kept for later runs, or
    was kept by an earlier one.
    """

    run: str
    plan: str
    title: str
    digest: str
    parts: dict[str, str]
    drydock: str
    operator: Operator
    config: dict[str, Any]
    steps: tuple[StepWords, ...]
    gates: tuple[GateWords, ...]
    scenarios: tuple[ScenarioWords, ...]
    tables: tuple[str, ...]
    not_applicable: dict[str, str] = {}
    cannot_claim: tuple[str, ...] = ()
    rewound: tuple[str, ...] = ()
    copy: Literal["new", "kept", "reused"] = "new"


class EngineStarted(_Event, frozen=True, kw_only=True):
    """An engine process took the run; `watchdog` is the identity of the process that waits for its death."""

    identity: str
    watchdog: str


class StepStarted(_Event, frozen=True, kw_only=True):
    """A step began."""

    step: str


class StepFinished(_Event, frozen=True, kw_only=True):
    """A step ended; `failed` says why it could not do its work (empty: it did)."""

    step: str
    duration_ms: int
    trace_head: str = ""
    failed: str = ""
    cause: Cause | None = None
    gate: str = ""


class FactRecorded(_Event, frozen=True, kw_only=True):
    """A fact that gates rest on, as observed; `source` says by what it was observed."""

    name: str
    value: Any
    source: str


class NoteRecorded(_Event, frozen=True, kw_only=True):
    """Something a reader wants to know and no gate rests on."""

    name: str
    value: Any


class GateJudged(_Event, frozen=True, kw_only=True):
    """A gate was asked; `scenario` where it was asked after one."""

    gate: str
    verdict: str
    reason: str = ""
    cause: Cause | None = None
    scenario: str = ""


class BoundaryArmed(_Event, frozen=True, kw_only=True):
    """The run waits for the operator; `default` is what the time limit means.

    `typed` is the name that the answer must bring along, "" where it needs none. `needs` is how many different
    users must approve, `approvers` the group that the further ones are of.
    """

    boundary: str
    question: str
    irrevocable: str
    digest: str
    default: Literal["abort", "proceed"]
    timeout_s: float
    approve_line: str = ""
    typed: str = ""
    needs: int = 1
    approvers: str = ""


class ApprovalGiven(_Event, frozen=True, kw_only=True):
    """One of several needed approvals; the run still waits for another user's."""

    boundary: str
    how: Literal["socket", "in advance"]
    digest: str
    operator: Operator
    shown_at: str = ""
    early_keys: int = 0


class DecisionMade(_Event, frozen=True, kw_only=True):
    """A boundary was answered: by whom, how, over which digest; `first` approved before where two must."""

    boundary: str
    answer: Literal["proceed", "abort", "hold"]
    how: Literal["socket", "in advance", "time limit", "not needed"]
    digest: str
    operator: Operator | None = None
    armed_at: str = ""
    shown_at: str = ""
    early_keys: int = 0
    minutes: float = 0.0
    reason: str = ""
    first: Operator | None = None


class ScenarioStarted(_Event, frozen=True, kw_only=True):
    """A scenario began."""

    scenario: str


class ScenarioFinished(_Event, frozen=True, kw_only=True):
    """A scenario was judged from the witnesses."""

    scenario: str
    verdict: Literal["PASS", "FAIL"]
    duration_ms: int
    reason: str = ""
    findings: tuple[str, ...] = ()
    culprit: str = ""
    cause: Cause | None = None
    statements: int = 0


class RowsCounted(_Event, frozen=True, kw_only=True):
    """The engine's own exact counts of the pack's tables; `scenario` "" before the first."""

    scenario: str
    rows: dict[str, int]


class RowsEstimated(_Event, frozen=True, kw_only=True):
    """Rows that tables gained or lost while a scenario runs, by the server's statistics; others are left out.

    No gate rests on it: RowsCounted follows, with the scenario's exact counts.
    """

    scenario: str
    changes: dict[str, int]


class ReceiptOpened(_Event, frozen=True, kw_only=True):
    """An object is about to be created under exactly this name; `part` is rehearsal or demo."""

    object: str
    name: str
    part: str = "rehearsal"


class ReceiptIdentified(_Event, frozen=True, kw_only=True):
    """The object exists and this is which one it is."""

    object: str
    name: str
    identity: str


class ReceiptClosed(_Event, frozen=True, kw_only=True):
    """The object is gone; `how` says what ended it."""

    object: str
    name: str
    identity: str
    how: str


class RemovalFailed(_Event, frozen=True, kw_only=True):
    """An object could not be removed or is not ours any more; the next one was still tried."""

    object: str
    name: str
    reason: str


class AbortAsked(_Event, frozen=True, kw_only=True):
    """The operator (or a signal) asked for the end of the run."""

    how: str
    operator: Operator | None = None


class EngineFailed(_Event, frozen=True, kw_only=True):
    """The engine met an exception of its own: the run is a FAIL with cause drydock."""

    type: str
    message: str
    where: tuple[str, ...]


class EngineLost(_Event, frozen=True, kw_only=True):
    """The engine died in `step`; `by` finishes the teardown from receipts."""

    by: str
    step: str = ""
    last_event: int


class RunReopened(_Event, frozen=True, kw_only=True):
    """A run that had ended UNCLEAN is torn down once more; its closing gates are asked again."""

    by: str


class ProgressReported(_Event, frozen=True, kw_only=True):
    """How far a long step is; `total` 0 when nobody knows."""

    step: str
    done: int
    total: int
    unit: str


class SecretRedacted(_Event, frozen=True, kw_only=True):
    """A secret was taken out of something before it was written; never the value."""

    secret: str
    origin: str
    form: str
    position: int


class RunEnded(_Event, frozen=True, kw_only=True):
    """The last event: verdict and closure."""

    verdict: Literal["PASS", "FAIL", "ABORTED"]
    closure: Literal["CLEAN", "UNCLEAN"]
    cause: Cause | None
    failed_gate: str | None
    failed_scenario: str | None
    reason: str
    residue: tuple[str, ...]
    exit_code: int
    trace_head: str = ""


Event = (
    RunCreated
    | EngineStarted
    | StepStarted
    | StepFinished
    | FactRecorded
    | NoteRecorded
    | GateJudged
    | BoundaryArmed
    | ApprovalGiven
    | DecisionMade
    | ScenarioStarted
    | ScenarioFinished
    | RowsCounted
    | RowsEstimated
    | ReceiptOpened
    | ReceiptIdentified
    | ReceiptClosed
    | RemovalFailed
    | AbortAsked
    | EngineFailed
    | EngineLost
    | RunReopened
    | ProgressReported
    | SecretRedacted
    | RunEnded
)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One journal line without its hash: number from 1, UTC time, event."""

    n: int
    at: str
    event: Event
