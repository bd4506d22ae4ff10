"""Verdict and closure of a run: pure functions of the plan and the folded state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from console.engine.decide import asked_again, stops
from console.errors import Cause
from console.model.plan import Plan
from console.model.run_state import RunState
from console.model.verdict import GateVerdict

EXIT_CODES = {"PASS": 0, "FAIL": 1, "ABORTED": 3}
"""Of a CLEAN run; an UNCLEAN one ends with 4, whatever its verdict (design section 8)."""

EXIT_UNCLEAN = 4


@dataclass(frozen=True, kw_only=True)
class Conclusion:
    """What the last event says."""

    verdict: Literal["PASS", "FAIL", "ABORTED"]
    cause: Cause | None
    failed_gate: str | None
    failed_scenario: str | None
    reason: str
    closure: Literal["CLEAN", "UNCLEAN"]
    residue: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """Return the documented exit code."""
        return EXIT_UNCLEAN if self.closure == "UNCLEAN" else EXIT_CODES[self.verdict]


def conclude(plan: Plan, state: RunState) -> Conclusion:
    """Return verdict and closure; PASS needs every applicable gate and every scenario to be PASS."""
    residue = residue_of(plan, state)
    verdict, cause, gate, scenario, reason = _verdict(plan, state)
    return Conclusion(
        verdict=verdict,
        cause=cause,
        failed_gate=gate,
        failed_scenario=scenario,
        reason=reason,
        closure="UNCLEAN" if residue else "CLEAN",
        residue=residue,
    )


_Found = tuple[Literal["PASS", "FAIL", "ABORTED"], Cause | None, str | None, str | None, str]


def _verdict(plan: Plan, state: RunState) -> _Found:
    failed_gate = next((judged for judged in state.failing_gates if not _is_net_zero(judged.gate)), None)
    gate_id = failed_gate.gate if failed_gate else None
    for scenario, finished in state.scenarios.items():
        if finished.verdict == "FAIL":
            return "FAIL", finished.cause or "subject", gate_id, scenario, finished.reason
    if failed_gate is not None:
        place = failed_gate.scenario or None
        return "FAIL", failed_gate.cause or "drydock", gate_id, place, failed_gate.reason
    if state.engine_lost is not None:
        return (
            "FAIL",
            "drydock",
            None,
            None,
            f"the engine died in {state.engine_lost.step}; the run was torn down",
        )
    if state.engine_failed is not None:
        failure = state.engine_failed
        where = state.current_step or _last_step(state)
        return "FAIL", "drydock", None, None, f"drydock's own {failure.type} in {where}: {failure.message}"
    for step, step_end in state.steps_finished.items():
        if step_end.failed:
            return (
                "FAIL",
                step_end.cause or "drydock",
                step_end.gate or None,
                None,
                f"{step}: {step_end.failed}",
            )
    for judged in state.gates.values():
        if (
            judged.verdict == GateVerdict.UNKNOWN
            and stops(plan, judged)
            and not plan.gate(judged.gate).closing
        ):
            return (
                "FAIL",
                "drydock",
                judged.gate,
                judged.scenario or None,
                f"{judged.gate} is UNKNOWN: {judged.reason}",
            )
    return _without_failures(plan, state)


def _without_failures(plan: Plan, state: RunState) -> _Found:
    if state.abort is not None:
        return "ABORTED", None, None, None, f"the operator asked for the end ({state.abort.how})"
    for boundary, decision in state.decisions.items():
        if decision.answer == "abort":
            why = decision.reason or ("nobody answered in time" if decision.how == "time limit" else "")
            return (
                "ABORTED",
                None,
                None,
                None,
                f"{boundary} was answered with abort" + (f": {why}" if why else ""),
            )
    for judged in state.failing_gates:
        return "FAIL", judged.cause or "drydock", judged.gate, None, judged.reason
    unproven = _unproven(plan, state)
    if unproven:
        return "FAIL", "drydock", None, None, f"not proven: {', '.join(unproven)}"
    return "PASS", None, None, None, ""


def _unproven(plan: Plan, state: RunState) -> list[str]:
    """Return every applicable gate and scenario that is not PASS, with its verdict."""
    found = []
    for gate in plan.gates:
        judged = state.gates.get(gate.id)
        verdict = judged.verdict if judged else GateVerdict.NOT_REACHED
        if gate.id not in plan.not_applicable and verdict != GateVerdict.PASS:
            found.append(f"{gate.id} {verdict}")
        elif gate.again and gate.id not in plan.not_applicable and not asked_again(state, gate):
            found.append(f"{gate.id} in {gate.again} {GateVerdict.NOT_REACHED}")
    for scenario in plan.scenarios:
        if scenario not in state.scenarios:
            found.append(f"{scenario} {GateVerdict.NOT_REACHED}")
            continue
        for gate in (one for one in plan.gates if one.each_scenario and one.id not in plan.not_applicable):
            after = state.gates_after_scenario.get(f"{gate.id} {scenario}")
            verdict = after.verdict if after else GateVerdict.NOT_REACHED
            if verdict != GateVerdict.PASS and gate.check is not None:
                found.append(f"{gate.id} after {scenario} {verdict}")
    return found


def _is_net_zero(gate_id: str) -> bool:
    return gate_id.startswith("N-")


def _last_step(state: RunState) -> str:
    return next(reversed(state.steps_started), "")


def residue_of(plan: Plan, state: RunState) -> tuple[str, ...]:
    """Return what is left of the run, by exact name: open receipts and net-zero gates that do not hold."""
    left = [f"{receipt.kind} {receipt.name}" for receipt in state.open_receipts]
    for gate in plan.gates:
        if not _is_net_zero(gate.id) or gate.id in plan.not_applicable or gate.check is None:
            continue
        judged = state.gates.get(gate.id)
        if judged is None:
            left.append(f"{gate.id} was not asked")
        elif judged.verdict != GateVerdict.PASS:
            left.append(f"{gate.id} {judged.verdict}: {judged.reason}")
    return tuple(left)


def verdict_of_gate(plan: Plan, state: RunState, gate_id: str) -> tuple[GateVerdict, str]:
    """Return a gate's verdict and reason as a reader sees them, NOT_APPLICABLE and NOT_REACHED included."""
    if gate_id in plan.not_applicable:
        return GateVerdict.NOT_APPLICABLE, plan.not_applicable[gate_id]
    judged = state.gates.get(gate_id)
    if judged is None:
        return GateVerdict.NOT_REACHED, ""
    return GateVerdict(judged.verdict), judged.reason
