"""The looks at the copy's ways in and out: when it is made, before the first scenario, after the last.

Owns what is recorded of them and when a run stops for one. Judges by G-07's own row alone.
"""

from __future__ import annotations

from console.engine.rehearsal import Rehearsal
from console.errors import StepFailed
from console.model.event import GateJudged
from console.model.gate import Facts, judge
from console.model.verdict import GateVerdict

GATE = "G-07"
ASKED = {"embedded": "SHOW; lstat; /proc", "docker": "docker inspect and events; probes from inside"}


def keep_isolation(run: Rehearsal, name: str) -> None:
    """Record under this name how the copy can be reached now."""
    environment = run.the_environment()
    run.recorder.fact(name, environment.isolation(), source=ASKED[environment.kind])


def require_isolated(run: Rehearsal) -> None:
    """Look once more before the subject's first scenario. Raises StepFailed when G-07 does not hold any more."""
    keep_isolation(run, "isolation.before")
    require_gate(run, GATE)


def require_gate(run: Rehearsal, gate_id: str) -> None:
    """Ask a gate before its step ends; raises StepFailed when it does not hold, or not yet."""
    gate = run.plan.gate(gate_id)
    found = judge(gate, Facts(run.recorder.state.facts))
    if found.verdict == GateVerdict.FAIL:
        raise StepFailed(found.reason, cause=gate.cause, gate=gate.id)
    if found.verdict != GateVerdict.PASS:
        run.recorder.record(
            GateJudged(gate=gate.id, verdict=found.verdict, reason=found.reason, cause=gate.cause)
        )
        raise StepFailed(f"{gate.id} is {found.verdict}: {found.reason}", cause=gate.cause)
