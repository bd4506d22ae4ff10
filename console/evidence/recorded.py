"""What a reader takes from a folded journal, and why it is not there when it is not.

Facts come back as plain JSON of an unknown age: every look is checked, nothing is assumed, nothing raises.
"""

from __future__ import annotations

from typing import Any

from console.evidence.page import shown
from console.model.run_state import RunState
from console.model.verdict import GateVerdict

FACT_STEPS = {
    "protected.before": "C-01",
    "site.before": "C-01",
    "secrets.places": "C-02",
    "source.before": "C-03",
    "source.reading": "C-03",
    "copy.created": "C-04",
    "isolation": "C-04",
    "isolation.before": "C-10",
    "isolation.after": "C-10",
    "copy.asked": "C-07",
    "site.after": "C-08",
    "contents.found": "C-09",
    "baseline": "C-11",
    "witnesses": "C-10",
    "source.after": "C-11",
    "scan.records": "C-11",
    "scan.artefacts": "C-12",
    "protected.after": "C-13",
    "source.closing": "C-13",
    "left.secrets": "C-13",
    "subject.after": "C-13",
}
"""Which step records a fact, so that its absence can be explained."""


def at(value: object, *path: str) -> Any:
    """Return the value below a path of keys, None where any part of the path is missing."""
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def mapping(value: object) -> dict[str, Any]:
    """Return a JSON object, an empty one for anything else."""
    return {str(key): below for key, below in value.items()} if isinstance(value, dict) else {}


def listed(value: object) -> list[Any]:
    """Return a JSON array, an empty one for anything else."""
    return list(value) if isinstance(value, list | tuple) else []


def number(value: object) -> int | None:
    """Return a whole number, None for anything else (true and false included)."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def stopped_at(state: RunState) -> str:
    """Return in a few words where the run stopped, empty for a PASS or a run that goes on."""
    if state.ended is None or state.ended.verdict == "PASS":
        return ""
    place = place_of_end(state)
    return f"the run stopped at {shown(place)}" if place else "the run stopped before its first step"


def place_of_end(state: RunState) -> str:
    """Return the scenario, gate, boundary or step where an ended run stopped; empty for a PASS."""
    ended = state.ended
    if ended is None or ended.verdict == "PASS":
        return ""
    aborted = next((name for name, made in state.decisions.items() if made.answer == "abort"), "")
    failed = next((step for step, end in state.steps_finished.items() if end.failed), "")
    teardown = state.created.steps[-1].id if state.created and state.created.steps else ""
    last = next((step for step in reversed(state.steps_started) if step != teardown), "")
    lost = state.engine_lost.step if state.engine_lost else ""
    return ended.failed_scenario or ended.failed_gate or lost or aborted or failed or last


def missing(state: RunState, name: str) -> str:
    """Return "not measured" and why the fact of this name is not in the journal."""
    return not_measured(state, FACT_STEPS.get(name, ""))


def not_measured(state: RunState, step: str) -> str:
    """Return "not measured" and how far the step came that would have measured it."""
    if not step:
        return "not measured: it was not recorded"
    finished = state.steps_finished.get(step)
    stop = stopped_at(state)
    if step not in state.steps_started:
        if state.ended is None:
            return f"not measured: {step} has not begun"
        return f"not measured: {step} was not reached" + (f", {stop}" if stop else "")
    if finished is None:
        return f"not measured: {step} did not finish" + (f", {stop}" if stop else "")
    if finished.failed:
        return f"not measured: {step} could not be done: {shown(finished.failed)}"
    return f"not measured: {step} ended without recording it"


def gate_verdicts(state: RunState) -> dict[str, tuple[str, str]]:
    """Return each gate's verdict and reason, in the plan's order; NOT_REACHED and NOT_APPLICABLE included."""
    if state.created is None:
        return {gate: (judged.verdict, judged.reason) for gate, judged in state.gates.items()}
    found: dict[str, tuple[str, str]] = {}
    for words in state.created.gates:
        judged = state.gates.get(words.id)
        if words.id in state.created.not_applicable:
            found[words.id] = (GateVerdict.NOT_APPLICABLE.value, state.created.not_applicable[words.id])
        elif judged is None:
            found[words.id] = (GateVerdict.NOT_REACHED.value, _held_after(state, words.id))
        else:
            found[words.id] = (str(judged.verdict), judged.reason)
    return found


def _held_after(state: RunState, gate: str) -> str:
    """Say after which scenarios a gate held that was not asked at its own step."""
    held = [judged.scenario for judged in state.gates_after_scenario.values() if judged.gate == gate]
    return f"held after {', '.join(held)}; not asked at its own step" if held else ""


def gate_word(state: RunState, *gates: str) -> str:
    """Return "G-05 PASS, G-21 NOT_REACHED" for the gates that the plan has."""
    verdicts = gate_verdicts(state)
    return ", ".join(f"{gate} {shown(verdicts[gate][0])}" for gate in gates if gate in verdicts)


def scenario_verdicts(state: RunState) -> dict[str, str]:
    """Return each scenario's verdict in the pack's order; one that began and was never judged is UNKNOWN."""
    planned = [words.id for words in state.created.scenarios] if state.created else []
    found: dict[str, str] = {}
    for scenario in dict.fromkeys([*planned, *state.scenarios_started, *state.scenarios]):
        if scenario in state.scenarios:
            found[scenario] = state.scenarios[scenario].verdict
        elif scenario in state.scenarios_started:
            found[scenario] = GateVerdict.UNKNOWN.value
        else:
            found[scenario] = GateVerdict.NOT_REACHED.value
    return found
