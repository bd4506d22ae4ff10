"""Performs what `decide` says and records what happened; the only loop of the engine.

Everything that a step raises on purpose becomes a recorded outcome; an exception of the engine's own
is recorded as such at this outer edge and ends the run as FAIL with cause drydock. The teardown is
reached on every path.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Protocol

import msgspec

from console.engine.conclude import conclude
from console.engine.decide import (
    AskBoundary,
    AskGate,
    End,
    EndScenarios,
    RunScenario,
    RunStep,
    SkipBoundary,
    next_action,
)
from console.engine.failure import engine_failure
from console.engine.recorder import Recorder
from console.engine.unrecorded import NO_ROOM
from console.errors import AbortRequested, StepFailed
from console.model.event import (
    DecisionMade,
    GateJudged,
    RunEnded,
    ScenarioStarted,
    StepFinished,
    StepStarted,
)
from console.model.gate import Decoded, Facts, Gate, Judgement, judge
from console.model.plan import Boundary, Plan, Step
from console.model.verdict import GateVerdict


class Hands(Protocol):
    """What does the work: steps, scenarios, waiting; one object per kind of plan."""

    def run_step(self, step: Step) -> None:
        """Do a step's work and record its facts."""

    def run_scenario(self, scenario: str) -> None:
        """Run one scenario and record how the witnesses judge it."""

    def end_scenarios(self) -> None:
        """Finish what was kept open for the scenarios."""

    def wait_at(self, boundary: Boundary) -> None:
        """Return when the boundary is decided or an abort was asked for."""

    def seal_trace(self) -> str:
        """Make the trace durable and return its head."""


class Runner:
    """Drives one run from wherever its journal stands to its end."""

    def __init__(self, plan: Plan, recorder: Recorder, hands: Hands) -> None:
        self._plan = plan
        self._recorder = recorder
        self._hands = hands
        self._decoded: Decoded = {}

    def run(self) -> None:
        """Return when the run has ended; the journal's last event says how."""
        while True:
            action = next_action(self._plan, self._recorder.state)
            match action:
                case None:
                    return
                case AskBoundary(boundary=boundary):
                    self._guard(partial(self._hands.wait_at, boundary))
                case SkipBoundary(boundary=boundary, reason=reason):
                    self._skip(boundary, reason)
                case RunStep(step=step):
                    self._run_step(step)
                case RunScenario(scenario=scenario):
                    self._recorder.record(ScenarioStarted(scenario=scenario))
                    step = next(one for one in self._plan.steps if one.id == self._plan.scenario_step)
                    self._attempt(step, partial(self._hands.run_scenario, scenario))
                case EndScenarios(step=step):
                    self._finish_step(step, self._hands.end_scenarios)
                case AskGate(gate=gate, scenario=scenario):
                    self._ask(gate, scenario)
                case End():
                    self._end()

    def _run_step(self, step: Step) -> None:
        self._recorder.record(StepStarted(step=step.id))
        if step.id == self._plan.scenario_step:
            self._attempt(step, lambda: self._hands.run_step(step))
        else:
            self._finish_step(step, lambda: self._hands.run_step(step))

    def _finish_step(self, step: Step, work: Callable[[], None]) -> None:
        began = time.monotonic()
        if self._attempt(step, work):
            self._recorder.record(
                StepFinished(
                    step=step.id,
                    duration_ms=int((time.monotonic() - began) * 1000),
                    trace_head=self._hands.seal_trace(),
                )
            )

    def _attempt(self, step: Step, work: Callable[[], None]) -> bool:
        """Do `work`; True when it ended by itself, otherwise what ended it is recorded."""
        began = time.monotonic()
        try:
            if step.id != self._plan.teardown.id:
                self._recorder.raise_if_requested()
            work()
        except AbortRequested as stopped:
            if step.id == self._plan.teardown.id:
                self._engine_failed(step, stopped, began)
            return False
        except StepFailed as failed:
            self._step_failed(step, failed, began)
            return False
        except OSError as wrong:
            if wrong.errno not in NO_ROOM or step.id == self._plan.teardown.id:
                self._engine_failed(step, wrong, began)
            else:
                self._step_failed(step, StepFailed(_no_room(wrong), cause="environment"), began)
            return False
        except Exception as broken:  # noqa: BLE001 - the runner's outer edge: it becomes the run's FAIL
            self._engine_failed(step, broken, began)
            return False
        return True

    def _guard(self, work: Callable[[], None]) -> None:
        """Wait for people; an exception of the engine's own must not leave a copy lying about."""
        try:
            work()
        except Exception as broken:  # noqa: BLE001 - the runner's outer edge
            self._record_engine_failure(broken)

    def _step_failed(self, step: Step, failed: StepFailed, began: float) -> None:
        if failed.gate:
            self._recorder.record(
                GateJudged(
                    gate=failed.gate, verdict=GateVerdict.FAIL, reason=failed.reason, cause=failed.cause
                )
            )
        self._recorder.record(
            StepFinished(
                step=step.id,
                duration_ms=int((time.monotonic() - began) * 1000),
                failed=failed.reason,
                cause=failed.cause,
                gate=failed.gate or "",
            )
        )

    def _engine_failed(self, step: Step, broken: Exception, began: float) -> None:
        self._record_engine_failure(broken)
        if step.id == self._plan.teardown.id:
            self._recorder.record(
                StepFinished(
                    step=step.id,
                    duration_ms=int((time.monotonic() - began) * 1000),
                    failed=f"drydock's own {type(broken).__name__}",
                    cause="drydock",
                )
            )

    def _record_engine_failure(self, broken: Exception) -> None:
        self._recorder.record(engine_failure(broken))

    def _skip(self, boundary: Boundary, reason: str) -> None:
        self._recorder.record(
            DecisionMade(boundary=boundary.id, answer="proceed", how="not needed", digest="", reason=reason)
        )

    def _ask(self, gate: Gate, scenario: str) -> None:
        try:
            found = judge(gate, Facts(self._recorder.state.facts, self._decoded))
        except Exception as broken:  # noqa: BLE001 - the runner's outer edge: a check of ours is broken
            self._record_engine_failure(broken)
            reason = f"drydock's own {type(broken).__name__} in the check"
            found = Judgement(verdict=GateVerdict.UNKNOWN, reason=reason)
        verdict = found.verdict
        self._recorder.record(
            GateJudged(
                gate=gate.id,
                verdict=verdict,
                reason=found.reason,
                cause=None if verdict == GateVerdict.PASS else gate.cause,
                scenario=scenario,
            )
        )

    def _end(self) -> None:
        ended = conclude(self._plan, self._recorder.state)
        self._recorder.record(
            RunEnded(
                verdict=ended.verdict,
                closure=ended.closure,
                cause=ended.cause,
                failed_gate=ended.failed_gate,
                failed_scenario=ended.failed_scenario,
                reason=ended.reason,
                residue=ended.residue,
                exit_code=ended.exit_code,
                trace_head=self._hands.seal_trace(),
            )
        )


def _no_room(wrong: OSError) -> str:
    place = f" for {wrong.filename}" if wrong.filename else ""
    return f"the file system has no room{place}: {wrong.strerror}"


def describe(plan: Plan) -> bytes:
    """Return the plan's words as canonical JSON, the part of the digest that covers the plan."""
    rows = {
        "kind": plan.kind,
        "steps": [
            (step.id, step.does, step.gates, step.boundary.id if step.boundary else "") for step in plan.steps
        ],
        "gates": [(gate.id, gate.title, gate.rests_on) for gate in plan.gates],
        "scenarios": plan.scenarios,
        "not_applicable": dict(plan.not_applicable),
        "supervise": plan.supervise,
        **({"rewound": plan.rewound} if plan.rewound else {}),
        **(
            {"copy": plan.copy, "kept": plan.kept_sha256, "asks": _questions(plan)}
            if plan.copy != "new"
            else {}
        ),
    }
    return msgspec.json.encode(rows, order="sorted")


def _questions(plan: Plan) -> list[tuple[str, str, str]]:
    asked = [step.boundary for step in plan.steps if step.boundary is not None]
    return [(one.id, one.question, one.irrevocable) for one in asked]
