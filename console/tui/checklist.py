"""The gate checklist as lines: steps, their boundaries, gates and scenarios, from the folded state alone.

Steps that hold are one line with their gates beside them; the running one, failed ones and everything
when asked for are unfolded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.filesize import decimal

from console.model.event import GateJudged, ProgressReported, ScenarioFinished, StepWords
from console.model.run_state import RunState
from console.model.text import one_line
from console.tui.spans import GLYPHS, VERDICT_ROLES, Spans, duration

_ANSWERS = {"proceed": "approved", "abort": "aborted", "hold": "held"}
_HOWS = {
    "socket": "",
    "in advance": " in advance",
    "time limit": " by the time limit",
    "not needed": ": not needed",
}


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line; `kind` and `id` say what it stands for, `now` marks where the run is."""

    kind: str
    id: str
    spans: Spans
    now: bool = False


def checklist(state: RunState, *, unfolded: bool) -> list[Line]:
    """Return the lines of the whole plan, in its order; empty before the first event."""
    if state.created is None:
        return []
    scenario_step = _scenario_step(state)
    lines: list[Line] = []
    for step in state.created.steps:
        if step.boundary:
            lines.append(_boundary(state, step.boundary))
        lines += _step(state, step, unfolded=unfolded, scenarios=step.id == scenario_step)
    return lines


def _scenario_step(state: RunState) -> str:
    """The scenarios run in the one step of the plan that has no gates of its own."""
    assert state.created is not None
    return next((step.id for step in state.created.steps if not step.gates), "")


def _boundary(state: RunState, boundary: str) -> Line:
    decision = state.decisions.get(boundary)
    if state.armed is not None and state.armed.boundary == boundary:
        spans: Spans = (
            (f"{GLYPHS['waiting']} ", "wait"),
            (f"{boundary} ", "wait"),
            ("waits for another user" if state.approvals else "waits for you", "wait"),
        )
        return Line(kind="boundary", id=boundary, spans=spans, now=True)
    if decision is None:
        return Line(
            kind="boundary", id=boundary, spans=(("○ ", "dim"), (f"{boundary} ", "dim"), ("will ask", "dim"))
        )
    who = f" by {one_line(decision.operator.name, limit_chars=24)}" if decision.operator else ""
    glyph, role = ("✓", "pass") if decision.answer == "proceed" else ("■", "wait")
    early = f", {decision.early_keys} early keys ignored" if decision.early_keys else ""
    told = f"{_ANSWERS[decision.answer]}{_HOWS[decision.how]}{who}{early}"
    return Line(
        kind="boundary", id=boundary, spans=((f"{glyph} ", role), (f"{boundary} ", "name"), (told, "dim"))
    )


def _step(state: RunState, step: StepWords, *, unfolded: bool, scenarios: bool) -> list[Line]:
    finished = state.steps_finished.get(step.id)
    running = step.id in state.steps_started and finished is None and state.ended is None
    judged = [state.gates[gate] for gate in step.gates if gate in state.gates]
    wrong = any(gate.verdict in ("FAIL", "UNKNOWN") for gate in judged) or bool(finished and finished.failed)
    failed_scenario = scenarios and any(one.verdict == "FAIL" for one in state.scenarios.values())
    status = "pending"
    if running:
        status = "running"
    elif wrong or failed_scenario:
        status = "FAIL"
    elif finished is not None:
        status = "PASS"
    elif step.id in state.steps_started:
        status = "ABORTED"
    gates_open = unfolded or running or wrong
    took = duration(finished.duration_ms / 1000) if finished else ""
    beside = _scenarios_beside(state) if scenarios else () if gates_open else _gates_beside(state, step)
    does = one_line(step.does, limit_chars=160)
    head: Spans = (
        (f"{GLYPHS[status]} ", VERDICT_ROLES.get(status, "wait" if running else "dim")),
        (f"{step.id} ", "name" if status != "pending" else "dim"),
        (f"{took} " if took else "", "dim"),
        *beside,
        (does, "plain" if status != "pending" else "dim"),
    )
    lines = [Line(kind="step", id=step.id, spans=head, now=running)]
    if running and (told := progress_words(state)):
        lines.append(Line(kind="step", id=step.id, spans=(("       ", "plain"), (told, "wait"))))
    if finished and finished.failed:
        lines.append(
            Line(kind="step", id=step.id, spans=(("       ", "plain"), (one_line(finished.failed), "fail")))
        )
    if scenarios and (gates_open or failed_scenario or running):
        lines += _scenarios(state)
    if gates_open:
        lines += _gates(state, step)
    return lines


def progress_words(state: RunState, now: datetime | None = None) -> str:
    """Return how far the running step is and about how long it takes still, "" when it says nothing."""
    step, progress = state.current_step, state.progress
    if step and state.scenarios_started and len(state.scenarios) < _planned(state):
        began = next(iter(state.scenarios_started.values()))
        told = f"scenario {len(state.scenarios) + 1} of {_planned(state)}"
        return told + _left(began, len(state.scenarios), _planned(state), now)
    if progress is None or progress.step != step:
        return ""
    return _amount(progress) + _left(state.steps_started.get(step, ""), progress.done, progress.total, now)


def _amount(progress: ProgressReported) -> str:
    """Return how much is done, of how much where that is known, in words for people."""
    if progress.unit == "bytes":
        of = f" of {decimal(progress.total)}" if progress.total else ""
        return f"{decimal(progress.done)}{of}"
    of = f" of {progress.total:,}" if progress.total else ""
    return f"{progress.done:,}{of} {one_line(progress.unit, limit_chars=20)}"


def _planned(state: RunState) -> int:
    return len(state.created.scenarios) if state.created is not None else 0


def _left(began_at: str, done: int, total: int, now: datetime | None) -> str:
    """Return the time that is left at the pace so far, "" while nobody can tell."""
    if not (began_at and 0 < done < total):
        return ""
    passed_s = ((now or datetime.now(UTC)) - datetime.fromisoformat(began_at)).total_seconds()
    return f", about {duration(max(0.0, passed_s) * (total - done) / done)} left"


def _gates_beside(state: RunState, step: StepWords) -> Spans:
    spans: list[tuple[str, str]] = []
    for gate in step.gates:
        judged = state.gates.get(gate)
        if judged is None:
            continue
        verdict = str(judged.verdict)
        spans.append((GLYPHS.get(verdict, "?"), VERDICT_ROLES.get(verdict, "dim")))
    return (*spans, (" ", "plain")) if spans else ()


def _scenarios_beside(state: RunState) -> Spans:
    assert state.created is not None
    passed = sum(one.verdict == "PASS" for one in state.scenarios.values())
    return ((f"{passed} of {len(state.created.scenarios)} ", "dim"),) if state.scenarios else ()


def _gates(state: RunState, step: StepWords) -> Iterator[Line]:
    assert state.created is not None
    titles = {gate.id: gate.title for gate in state.created.gates}
    for gate in step.gates:
        title = one_line(titles.get(gate, ""), limit_chars=160)
        judged = state.gates.get(gate)
        if gate in state.created.not_applicable:
            yield Line(
                kind="gate", id=gate, spans=((f"    - {gate} ", "dim"), (f"does not apply: {title}", "dim"))
            )
        elif judged is None:
            yield Line(kind="gate", id=gate, spans=((f"    · {gate} ", "dim"), (title, "dim")))
        else:
            yield from _judged(judged, title)


def _judged(judged: GateJudged, title: str) -> Iterator[Line]:
    verdict = str(judged.verdict)
    role = VERDICT_ROLES.get(verdict, "dim")
    after = f" after {judged.scenario}" if judged.scenario else ""
    word = "" if verdict == "PASS" else f"{verdict}{after} "
    spans: Spans = (
        (f"    {GLYPHS.get(verdict, '?')} ", role),
        (f"{judged.gate} ", "name"),
        (word, role),
        (title, "plain"),
    )
    yield Line(kind="gate", id=judged.gate, spans=spans)
    if judged.reason and verdict != "PASS":
        yield Line(kind="gate", id=judged.gate, spans=(("      ", "plain"), (one_line(judged.reason), role)))


def _scenarios(state: RunState) -> Iterator[Line]:
    assert state.created is not None
    for words in state.created.scenarios:
        title = one_line(words.title, limit_chars=120)
        done = state.scenarios.get(words.id)
        if done is not None:
            yield from _scenario_done(done, title)
        elif words.id in state.scenarios_started and state.ended is None:
            spans: Spans = ((f"    {GLYPHS['running']} ", "wait"), (f"{words.id} ", "name"), (title, "plain"))
            yield Line(kind="scenario", id=words.id, spans=spans, now=True)
        else:
            yield Line(kind="scenario", id=words.id, spans=((f"    · {words.id} ", "dim"), (title, "dim")))


def _scenario_done(done: ScenarioFinished, title: str) -> Iterator[Line]:
    role = VERDICT_ROLES[done.verdict]
    word = "" if done.verdict == "PASS" else f"{done.verdict} "
    spans: Spans = (
        (f"    {GLYPHS[done.verdict]} ", role),
        (f"{done.scenario} ", "name"),
        (word, role),
        (title, "plain"),
        (f"  {done.statements} statements", "dim"),
    )
    yield Line(kind="scenario", id=done.scenario, spans=spans)
    if done.verdict == "FAIL":
        for told in (done.reason, done.culprit and f"culprit {done.culprit}"):
            if told:
                yield Line(
                    kind="scenario", id=done.scenario, spans=(("      ", "plain"), (one_line(told), role))
                )
