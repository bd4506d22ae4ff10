"""Plans to decide over, and a player that answers every action with events: no database, no file, no clock."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from fix_journals import created

from console.engine.conclude import Conclusion, conclude
from console.engine.decide import (
    Action,
    AskBoundary,
    AskGate,
    End,
    EndScenarios,
    RunScenario,
    RunStep,
    SkipBoundary,
    next_action,
)
from console.model.config import RunConfig
from console.model.event import (
    DecisionMade,
    EngineStarted,
    Entry,
    Event,
    GateJudged,
    ReceiptClosed,
    ReceiptOpened,
    RunEnded,
    ScenarioFinished,
    ScenarioStarted,
    StepFinished,
    StepStarted,
)
from console.model.gate import Facts, Gate
from console.model.plan import Boundary, Plan, Step
from console.model.run_state import RunState, apply
from console.model.verdict import GateVerdict
from console.plans.dry_run import dry_run

SCENARIOS = ("S1", "S2", "S3")
COPY_IS_MADE_BY = "C-04"
MOST_ACTIONS = 400


def holds(_facts: Facts) -> str | None:
    """Return nothing: the gate holds."""
    return None


def a_gate(name: str, step: str, **changes: Any) -> Gate:
    """Return one gate that holds."""
    row = Gate(
        id=name,
        title=f"{name} holds",
        step=step,
        cause="environment",
        rests_on=(),
        check=holds,
        remedy="mend it",
    )
    return dataclasses.replace(row, **changes)


def small_plan(**changes: Any) -> Plan:
    """Return four steps: a preflight, the scenarios, a battery and the teardown."""
    destroy = Boundary(id="B-5", question="destroy", irrevocable="the copy", default="proceed")
    execute = Boundary(id="B-1", question="execute", irrevocable="")
    plan = Plan(
        kind="dry-run", title="a small plan",
        steps=(
            Step(id="C-04", does="preflight", gates=("G-01",), boundary=execute),
            Step(id="C-10", does="scenarios", gates=()),
            Step(id="C-11", does="battery", gates=("G-15", "G-16")),
            Step(id="C-13", does="teardown", gates=("G-24", "N-7"), boundary=destroy),
        ),
        gates=(
            a_gate("G-01", "C-04"), a_gate("G-15", "C-11", each_scenario=True, cause="subject"), a_gate("G-16", "C-11"),
            a_gate("G-24", "C-13", closing=True), a_gate("N-7", "C-13", closing=True),
        ),
        scenario_step="C-10", scenarios=("S1", "S2"),
    )  # fmt: skip
    return dataclasses.replace(plan, **changes)


def the_dry_run(**changes: Any) -> Plan:
    """Return the real plan of a demo run with three scenarios."""
    return dataclasses.replace(dry_run(RunConfig(), scenarios=SCENARIOS), **changes)


def unbuilt(plan: Plan, *names: str) -> Plan:
    """Return the plan of a release that cannot ask these gates yet."""
    gates = tuple(dataclasses.replace(gate, check=None) if gate.id in names else gate for gate in plan.gates)
    return dataclasses.replace(plan, gates=gates)


def word(action: Action) -> str:
    """Return an action in two or three words."""
    match action:
        case AskBoundary(boundary=boundary):
            return f"ask {boundary.id}"
        case SkipBoundary(boundary=boundary):
            return f"skip {boundary.id}"
        case RunStep(step=step):
            return f"do {step.id}"
        case RunScenario(scenario=scenario):
            return f"run {scenario}"
        case EndScenarios():
            return "end scenarios"
        case AskGate(gate=gate, scenario=scenario):
            return f"{gate.id} {scenario}".strip()
        case End():
            return "end"


class Play:
    """Plays a plan to its end; `outcomes` maps a word to what comes of it, everything else goes well.

    A gate's outcome is its verdict, a scenario's FAIL, a step's the reason why it failed, a boundary's
    its answer; `after` appends events behind a word, as another thread of the engine would.
    """

    def __init__(
        self,
        plan: Plan,
        outcomes: Mapping[str, str] | None = None,
        after: Mapping[str, Sequence[Event]] | None = None,
    ) -> None:
        self.plan = plan
        self.outcomes = outcomes or {}
        self.after = after or {}
        self.events: list[Event] = []
        self.state = RunState()
        self.words: list[str] = []
        self._append(created(), EngineStarted(identity="1:1:boot", watchdog="2:2:boot"))
        self._play()

    @property
    def concluded(self) -> Conclusion:
        """Return verdict and closure of everything that was played."""
        return conclude(self.plan, self.state)

    def behind(self, said: str) -> list[str]:
        """Return the words behind one word."""
        return self.words[self.words.index(said) + 1 :]

    def _append(self, *events: Event) -> None:
        for event in events:
            self.events.append(event)
            self.state = apply(self.state, Entry(n=len(self.events), at="2026-11-21T03:45:12Z", event=event))

    def _play(self) -> None:
        while (action := next_action(self.plan, self.state)) is not None:
            said = word(action)
            self.words.append(said)
            assert len(self.words) < MOST_ACTIONS, self.words[-10:]
            self._append(*self._come_of(action, said), *self.after.get(said, ()))

    def _come_of(self, action: Action, said: str) -> list[Event]:
        outcome = self.outcomes.get(said, "")
        match action:
            case AskBoundary(boundary=boundary):
                answer: Any = outcome or "proceed"
                return [DecisionMade(boundary=boundary.id, answer=answer, how="socket", digest="d" * 64)]
            case SkipBoundary(boundary=boundary, reason=reason):
                return [
                    DecisionMade(
                        boundary=boundary.id, answer="proceed", how="not needed", digest="", reason=reason
                    )
                ]
            case RunStep(step=step):
                return [StepStarted(step=step.id), *self._come_of_step(step, outcome)]
            case RunScenario(scenario=scenario):
                verdict: Any = outcome or "PASS"
                return [
                    ScenarioStarted(scenario=scenario),
                    ScenarioFinished(
                        scenario=scenario, verdict=verdict, duration_ms=1, reason=f"{scenario} {verdict}"
                    ),
                ]
            case EndScenarios(step=step):
                return [self._finished(step, outcome)]
            case AskGate(gate=gate, scenario=scenario):
                return [self._judged(gate, scenario, outcome)]
            case End():
                return [self._ended()]

    def _come_of_step(self, step: Step, failed: str) -> list[Event]:
        events: list[Event] = []
        if step.id == COPY_IS_MADE_BY and not failed:
            events.append(ReceiptOpened(object="cluster", name="/copy"))
        if step == self.plan.teardown and not failed:
            events += [
                ReceiptClosed(object=one.kind, name=one.name, identity="", how="removed")
                for one in self.state.open_receipts
            ]
        if step.id != self.plan.scenario_step or failed:
            events.append(self._finished(step, failed))
        return events

    def _finished(self, step: Step, failed: str) -> StepFinished:
        return StepFinished(
            step=step.id, duration_ms=1, failed=failed, cause="environment" if failed else None
        )

    def _judged(self, gate: Gate, scenario: str, outcome: str) -> GateJudged:
        verdict = outcome or (GateVerdict.PASS if gate.check else GateVerdict.UNKNOWN)
        reason = "" if verdict == GateVerdict.PASS else f"{gate.id} does not hold"
        return GateJudged(
            gate=gate.id,
            verdict=verdict,
            reason=reason,
            scenario=scenario,
            cause=gate.cause if reason else None,
        )

    def _ended(self) -> RunEnded:
        found = self.concluded
        return RunEnded(
            verdict=found.verdict, closure=found.closure, cause=found.cause, failed_gate=found.failed_gate,
            failed_scenario=found.failed_scenario, reason=found.reason, residue=found.residue,
            exit_code=found.exit_code,
        )  # fmt: skip
