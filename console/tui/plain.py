"""The run as plain lines: one a thing that happened, for pipes, logs and terminals without a screen.

Reads journal entries and nothing else; writes to the stream it is given. Nothing hostile reaches the
stream raw.
"""

from __future__ import annotations

from typing import TextIO

from console.model.event import (
    NOTIFIED_NOTE,
    AbortAsked,
    ApprovalGiven,
    BoundaryArmed,
    DecisionMade,
    EngineFailed,
    EngineLost,
    Entry,
    GateJudged,
    NoteRecorded,
    ProgressReported,
    RemovalFailed,
    RunCreated,
    RunEnded,
    RunReopened,
    ScenarioFinished,
    SecretRedacted,
    StepFinished,
    StepStarted,
)
from console.model.kept_words import KEPT_NOTE, TAKEN_NOTE, kept_note_words, kept_words, taken_note_words
from console.model.rewinds import REWIND_NOTE, rewind_words
from console.model.run_state import RunState
from console.model.sample_words import sample_words
from console.model.text import one_line

_GLYPHS = {"PASS": "✓", "FAIL": "✗", "UNKNOWN": "?", "ABORTED": "■"}
_REASON_CHARS = 400


def lines_of(entry: Entry, state: RunState) -> list[str]:
    """Return the lines that one entry is worth; `state` is the fold up to and with it."""
    event = entry.event
    match event:
        case RunCreated():
            return [f"run {event.run}: {one_line(event.title)}", f"digest {event.digest[:12]}"]
        case StepStarted():
            return [f"{event.step} {_does(state, event.step)}"]
        case StepFinished(failed=failed) if failed:
            return [f"✗ {event.step} could not be done: {one_line(failed, limit_chars=_REASON_CHARS)}"]
        case StepFinished():
            return [f"  {event.step} done in {event.duration_ms / 1000:.1f} s"]
        case GateJudged():
            return _gate_lines(event, state)
        case BoundaryArmed():
            return _boundary_lines(event)
        case ApprovalGiven():
            return _approval_lines(event, state)
        case DecisionMade():
            who = f" by {event.operator.name}" if event.operator else ""
            who += f", first {event.first.name}" if event.first else ""
            why = f": {event.reason}" if event.reason else ""
            return [f"  {event.boundary} {event.answer} ({event.how}{who}){why}"]
        case ScenarioFinished():
            return _scenario_lines(event, state)
        case RunEnded():
            return _ending_lines(event, state)
        case _:
            return _trouble_lines(entry)


def _trouble_lines(entry: Entry) -> list[str]:
    event = entry.event
    match event:
        case AbortAsked():
            return [f"■ the end was asked for ({event.how})"]
        case EngineFailed():
            return [f"✗ drydock's own {event.type}: {one_line(event.message, limit_chars=_REASON_CHARS)}"]
        case EngineLost():
            return [f"✗ the engine died; {one_line(event.by)} finishes the teardown"]
        case RunReopened():
            return [f"■ torn down once more by {one_line(event.by)}"]
        case RemovalFailed():
            return [f"✗ still there: {event.object} {one_line(event.name)}: {one_line(event.reason)}"]
        case SecretRedacted():
            return [f"✗ a secret was taken out of {one_line(event.origin)}"]
        case NoteRecorded(name=name) if name.startswith(f"{NOTIFIED_NOTE}."):
            return [f"  notification about {one_line(str(event.value), limit_chars=_REASON_CHARS)}"]
        case NoteRecorded(name=name) if name.startswith(REWIND_NOTE):
            scenario = one_line(name.removeprefix(REWIND_NOTE))
            return [f"  {scenario} {one_line(rewind_words(event.value), limit_chars=_REASON_CHARS)}"]
        case NoteRecorded(name=name) if name in (KEPT_NOTE, TAKEN_NOTE):
            words = kept_note_words(event.value) if name == KEPT_NOTE else taken_note_words(event.value)
            return [f"  copy {one_line(words, limit_chars=2 * _REASON_CHARS)}"]
        case ProgressReported():
            total = f" of {event.total}" if event.total else ""
            return [f"  {event.step} {event.done}{total} {event.unit}"]
        case _:
            return []


def _does(state: RunState, step: str) -> str:
    assert state.created is not None
    return next((words.does for words in state.created.steps if words.id == step), "")


def _gate_lines(event: GateJudged, state: RunState) -> list[str]:
    assert state.created is not None
    title = next((words.title for words in state.created.gates if words.id == event.gate), "")
    after = f" after {event.scenario}" if event.scenario else ""
    if event.scenario and event.verdict == "PASS":
        return []
    line = f"  {_GLYPHS[event.verdict]} {event.gate}{after} {event.verdict}  {title}"
    return [line, *([f"      {one_line(event.reason, limit_chars=_REASON_CHARS)}"] if event.reason else [])]


def _scenario_lines(event: ScenarioFinished, state: RunState) -> list[str]:
    assert state.created is not None
    title = next((words.title for words in state.created.scenarios if words.id == event.scenario), "")
    sent = f"({event.statements} statements)"
    first = f"  {_GLYPHS[event.verdict]} {event.scenario} {event.verdict}  {one_line(title)} {sent}"
    findings = [f"      {one_line(finding, limit_chars=_REASON_CHARS)}" for finding in event.findings[:6]]
    culprit = (
        [f"      culprit: {one_line(event.culprit, limit_chars=_REASON_CHARS)}"] if event.culprit else []
    )
    return [first, *culprit, *findings]


def _boundary_lines(event: BoundaryArmed) -> list[str]:
    hours = event.timeout_s / 3600
    limit = f"{hours:.0f} h" if hours >= 1 else f"{event.timeout_s / 60:.0f} min"
    return [
        f"● {event.boundary} waits for you: {one_line(event.question, limit_chars=_REASON_CHARS)}",
        *(
            [f"      cannot be undone: {one_line(event.irrevocable, limit_chars=_REASON_CHARS)}"]
            if event.irrevocable
            else []
        ),
        *(
            [f"      needs:    two different users, of {one_line(event.approvers)}"]
            if event.needs > 1
            else []
        ),
        f"      approve:  {event.approve_line}",
        f"      without an answer in {limit} it means {event.default}",
    ]


def _approval_lines(event: ApprovalGiven, state: RunState) -> list[str]:
    armed = state.armed
    lines = [f"  {event.boundary} has one approval of two ({event.how} by {event.operator.name})"]
    if armed is not None:
        lines.append(f"      another user of the group {one_line(armed.approvers)}:  {armed.approve_line}")
    return lines


def _ending_lines(event: RunEnded, state: RunState) -> list[str]:
    where = event.failed_scenario or event.failed_gate
    place = f" at {where}" if where else ""
    cause = f", cause {event.cause}" if event.cause else ""
    lines = [f"{_GLYPHS[event.verdict]} {event.verdict}{place}, {event.closure}{cause}"]
    if words := sample_words(state):
        lines.append(f"      {one_line(words)}")
    if words := kept_words(state):
        lines.append(f"      copy {one_line(words, limit_chars=_REASON_CHARS)}")
    if event.reason:
        lines.append(f"      {one_line(event.reason, limit_chars=2 * _REASON_CHARS)}")
    return lines + [f"      left: {one_line(left)}" for left in event.residue]


class PlainView:
    """Writes each entry's lines to a stream, at most once each."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def show(self, entry: Entry, state: RunState) -> None:
        """Write what one entry is worth."""
        for line in lines_of(entry, state):
            self._stream.write(line + "\n")
        self._stream.flush()
