"""What a run does next: a pure function of the plan and the folded state. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from console.model.event import GateJudged
from console.model.gate import Gate
from console.model.plan import Boundary, Plan, Step
from console.model.run_state import RunState
from console.model.verdict import GateVerdict


@dataclass(frozen=True, kw_only=True)
class AskBoundary:
    """Wait for the operator."""

    boundary: Boundary


@dataclass(frozen=True, kw_only=True)
class SkipBoundary:
    """Record that a boundary is not needed, and why."""

    boundary: Boundary
    reason: str


@dataclass(frozen=True, kw_only=True)
class RunStep:
    """Do the work of a step."""

    step: Step


@dataclass(frozen=True, kw_only=True)
class RunScenario:
    """Run one scenario and judge it from the witnesses."""

    scenario: str


@dataclass(frozen=True, kw_only=True)
class AskGate:
    """Ask one gate over the recorded facts; `scenario` where it is asked after one."""

    gate: Gate
    scenario: str = ""


@dataclass(frozen=True, kw_only=True)
class EndScenarios:
    """Every scenario was run: finish what was kept open for them."""

    step: Step


@dataclass(frozen=True, kw_only=True)
class End:
    """Everything was asked: record verdict and closure."""


Action = AskBoundary | SkipBoundary | RunStep | RunScenario | AskGate | EndScenarios | End


def next_action(plan: Plan, state: RunState) -> Action | None:
    """Return the one next thing to do; None when the run has ended."""
    if state.ended is not None:
        return None
    if stop_reason(plan, state) is None:
        for step in plan.steps[:-1]:
            action = _next_of_step(plan, state, step)
            if action is not None:
                return action
    return _next_of_teardown(plan, state)


def stop_reason(plan: Plan, state: RunState) -> str | None:
    """Return why nothing but the teardown may follow, None while the run may go on.

    A gate without a built check is UNKNOWN and stops nothing; every other UNKNOWN does.
    """
    if state.abort is not None:
        return "the operator asked for the end"
    if state.engine_lost is not None or state.engine_failed is not None:
        return "the engine could not go on"
    for boundary, decision in state.decisions.items():
        if decision.answer == "abort":
            return f"{boundary} was answered with abort"
    for step, finished in state.steps_finished.items():
        if finished.failed and step != plan.teardown.id:
            return f"{step} failed"
    rows = _after_each_scenario(plan)
    for judged in state.gates.values():
        unasked = _unasked_after(rows, state, judged.scenario) if judged.scenario else []
        if stops(plan, judged) and not unasked:
            return f"{judged.gate} is {judged.verdict}"
    if any(finished.verdict == "FAIL" for finished in state.scenarios.values()):
        return "a scenario failed" if _scenario_gates_asked(plan, state) else None
    return None


def stops(plan: Plan, judged: GateJudged) -> bool:
    """Tell whether this judgement ends the run: FAIL, or UNKNOWN of a gate that can be asked."""
    if judged.verdict == GateVerdict.FAIL:
        return True
    return judged.verdict == GateVerdict.UNKNOWN and plan.gate(judged.gate).check is not None


def _scenario_gates_asked(plan: Plan, state: RunState) -> bool:
    failed = [scenario for scenario, end in state.scenarios.items() if end.verdict == "FAIL"]
    rows = _after_each_scenario(plan)
    return all(not _unasked_after(rows, state, scenario) for scenario in failed)


def _after_each_scenario(plan: Plan) -> list[Gate]:
    return [gate for gate in plan.gates if gate.each_scenario and gate.id not in plan.not_applicable]


def _unasked_after(rows: Sequence[Gate], state: RunState, scenario: str) -> list[Gate]:
    return [gate for gate in rows if f"{gate.id} {scenario}" not in state.gates_after_scenario]


def boundary_before(plan: Plan, step: Step) -> Boundary | None:
    """Return the boundary before a step: the plan's own, or the one that --supervise step adds."""
    if step.boundary is not None or plan.supervise == "boundary":
        return step.boundary
    return Boundary(id=f"B-{step.id}", question=f"run {step.id}: {step.does}", irrevocable="")


def boundary_before_scenario(plan: Plan, scenario: str) -> Boundary | None:
    """Return the boundary that --supervise scenario adds before a scenario."""
    if plan.supervise != "scenario":
        return None
    return Boundary(id=f"B-{scenario}", question=f"run scenario {scenario}", irrevocable="")


def _next_of_step(plan: Plan, state: RunState, step: Step) -> Action | None:
    boundary = boundary_before(plan, step)
    if boundary is not None and boundary.id not in state.decisions:
        return AskBoundary(boundary=boundary)
    if step.id not in state.steps_started:
        return RunStep(step=step)
    if step.id == plan.scenario_step:
        action = _next_of_scenarios(plan, state, step)
        if action is not None:
            return action
    for gate in plan.gates_of(step):
        if not _asked(state, gate):
            return AskGate(gate=gate)
    for gate in plan.gates_again(step):
        if not asked_again(state, gate):
            return AskGate(gate=gate)
    return None


def _asked(state: RunState, gate: Gate) -> bool:
    """A gate asked after scenarios is asked once more at its own step."""
    judged = state.gates.get(gate.id)
    return judged is not None and not judged.scenario


def asked_again(state: RunState, gate: Gate) -> bool:
    """Tell whether a gate that is asked at two steps was asked at both."""
    return state.times_asked.get(gate.id, 0) > 1


def _next_of_scenarios(plan: Plan, state: RunState, step: Step) -> Action | None:
    rows = _after_each_scenario(plan)
    for scenario in plan.scenarios:
        boundary = boundary_before_scenario(plan, scenario)
        if boundary is not None and boundary.id not in state.decisions:
            return AskBoundary(boundary=boundary)
        if scenario not in state.scenarios:
            return RunScenario(scenario=scenario)
        unasked = _unasked_after(rows, state, scenario)
        if unasked:
            return AskGate(gate=unasked[0], scenario=scenario)
    if step.id not in state.steps_finished:
        return EndScenarios(step=step)
    return None


def _next_of_teardown(plan: Plan, state: RunState) -> Action:
    step = plan.teardown
    boundary = boundary_before(plan, step)
    if boundary is not None and boundary.id not in state.decisions:
        unneeded = _destruction_needs_no_word(plan, state)
        if unneeded is not None:
            return SkipBoundary(boundary=boundary, reason=unneeded)
        return AskBoundary(boundary=boundary)
    if step.id not in state.steps_finished:
        return RunStep(step=step)
    for gate in plan.gates_of(step):
        if gate.id not in state.gates:
            return AskGate(gate=gate)
    return End()


def _destruction_needs_no_word(plan: Plan, state: RunState) -> str | None:
    """B-5 exists so that the operator can look at the living copy; without one there is no question."""
    if state.engine_lost is not None or state.engine_failed is not None:
        return "the engine could not go on"
    if state.abort is not None or any(end.answer == "abort" for end in state.decisions.values()):
        return "the operator has already asked for the end"
    identity = state.gates.get("G-10")
    if identity is not None and identity.verdict == GateVerdict.FAIL:
        return "the copy has the identity of its source"
    ours = [receipt for receipt in state.open_receipts if receipt.part == "rehearsal"]
    if not any(receipt.kind in ("cluster", "container") for receipt in ours):
        return "there is no copy"
    return None
