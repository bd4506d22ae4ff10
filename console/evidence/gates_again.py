"""Every recorded judgement asked again: each gate over the facts that stood before it, and the end over all.

Pure over verified entries. Never trusts a verdict that the journal holds; says where one does not follow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from console import __version__
from console.gates.kept_table import KEEPING_GATES, TAKING_GATES, with_kept_gates
from console.gates.migration_table import MIGRATION_GATES
from console.gates.proof_table import PROOF_GATES
from console.gates.rewind_table import REWIND_GATES, with_rewind_gates
from console.gates.sample_table import SAMPLE_GATES, with_sample_gates
from console.gates.table import GATES
from console.model.event import EngineFailed, Entry, GateJudged, RunCreated, RunEnded, StepFinished
from console.model.gate import Decoded, Facts, Gate, judge
from console.model.run_state import RunState, apply
from console.model.sample_words import sample_words
from console.model.verdict import GateVerdict

PLAN_GATES: Mapping[str, tuple[Gate, ...]] = {
    "dry-run": with_sample_gates(GATES),
    "proof": PROOF_GATES,
    "migration": with_sample_gates(MIGRATION_GATES),
}
"""The gates of each kind of plan."""

OF_SOURCE = ("source.before", "source.reading", "source.after", "source.closing")
"""What only a run that reaches its source records."""


def _gates_of(created: RunCreated) -> tuple[Gate, ...]:
    """Return the gates of a run's kind of plan; where its copy is kept, was, or is rewound, some ask more."""
    gates = with_kept_gates(PLAN_GATES.get(created.plan, ()), created.copy)
    return with_rewind_gates(gates) if created.rewound else gates


Place = tuple[int, str]
"""The journal's line, and what is wrong there."""


def judgements_that_differ(entries: Sequence[Entry]) -> tuple[int, list[Place]]:
    """Return how many judgements were asked again, and each that its facts do not give."""
    state, asked = RunState(), 0
    found: list[Place] = []
    gates: dict[str, Gate] = {}
    decoded: Decoded = {}
    for number, entry in enumerate(entries):
        event = entry.event
        if isinstance(event, GateJudged):
            asked += 1
            following = entries[number + 1].event if number + 1 < len(entries) else None
            before = entries[number - 1].event if number else None
            if not _told_by_the_step(event, following) and not _broken_check(event, before):
                found += _difference(
                    event, gates.get(event.gate), Facts(state.facts, decoded), state, entry.n
                )
        state = apply(state, entry)
        if state.created is not None and not gates:
            gates = {gate.id: gate for gate in _gates_of(state.created)}
            if not gates:
                return 0, [(entry.n, f"no gates are known of a plan of kind {state.created.plan!r}")]
    return asked, found


def _told_by_the_step(judged: GateJudged, following: object) -> bool:
    """A step that could not go on fails its gate by itself; the step's end says the same in the next line."""
    return (
        judged.verdict == GateVerdict.FAIL
        and isinstance(following, StepFinished)
        and (following.gate, following.failed) == (judged.gate, judged.reason)
    )


def _broken_check(judged: GateJudged, before: object) -> bool:
    """A check of ours that broke leaves its gate UNKNOWN, and the engine's failure in the line before."""
    return judged.verdict == GateVerdict.UNKNOWN and isinstance(before, EngineFailed)


def _difference(
    judged: GateJudged, gate: Gate | None, facts: Facts, state: RunState, line: int
) -> list[Place]:
    if gate is None:
        return [(line, f"{judged.gate} is no gate of this release's table")]
    found = judge(gate, facts)
    same_release = state.created is not None and state.created.drydock == __version__
    if found.verdict != judged.verdict:
        return [
            (
                line,
                f"{judged.gate} is recorded as {judged.verdict}, its facts give {_said(found.verdict, found.reason)}",
            )
        ]
    if found.reason != judged.reason and same_release:
        return [(line, f"{judged.gate} is recorded as {_said(judged.verdict, judged.reason)}, "
                       f"its facts give {_said(found.verdict, found.reason)}")]  # fmt: skip
    return []


def _said(verdict: str, reason: str) -> str:
    return f"{verdict} ({reason})" if reason else str(verdict)


def end_that_does_not_follow(state: RunState) -> list[str]:
    """Return why the recorded end claims more than the journal holds; empty when it does not."""
    ended, created = state.ended, state.created
    if ended is None or created is None:
        return ["the run has not ended"]
    found: list[str] = []
    if ended.verdict == "PASS":
        found += _against_pass(state)
    if ended.verdict == "FAIL" and not _anything_failed(state, ended):
        found.append("the end is FAIL and nothing in the journal failed")
    if ended.closure == "CLEAN" and created.copy == "kept" and "N-8" not in {one.id for one in created.gates}:
        found.append("the end is CLEAN of a run that keeps its copy, and N-8 was not asked")
    if ended.closure == "CLEAN":
        found += [
            f"the end is CLEAN and the receipt of {one.kind} {one.name} is open"
            for one in state.open_receipts
        ]
        found += [
            f"the end is CLEAN and {gate} is {_verdict(state, gate)}"
            for gate in (one.id for one in created.gates)
            if gate.startswith("N-") and gate not in created.not_applicable and _verdict(state, gate) != "PASS"
        ]  # fmt: skip
    return found


def _against_pass(state: RunState) -> list[str]:
    assert state.created is not None
    found = [
        f"the end is PASS and {gate.id} is {_verdict(state, gate.id)}"
        for gate in state.created.gates
        if gate.id not in state.created.not_applicable and _verdict(state, gate.id) != "PASS"
    ]
    own = {gate.id for gate in SAMPLE_GATES} - {gate.id for gate in state.created.gates}
    if sample_words(state) and own:
        found.append(
            f"the end is PASS and the copy was not the whole source, which {', '.join(own)} was not asked of"
        )
    found += [*_against_rewinds(state, state.created), *_against_keeping(state, state.created)]
    found += [
        f"the end is PASS and {gate.id} was not asked again in {gate.again}"
        for gate in PLAN_GATES.get(state.created.plan, ())
        if gate.again
        and gate.id not in state.created.not_applicable
        and state.times_asked.get(gate.id, 0) < 2
    ]
    for scenario in state.created.scenarios:
        end = state.scenarios.get(scenario.id)
        if end is None or end.verdict != "PASS":
            found.append(f"the end is PASS and {scenario.id} is {end.verdict if end else 'NOT_REACHED'}")
    found += [
        f"the end is PASS and {step} failed" for step, end in state.steps_finished.items() if end.failed
    ]
    if state.engine_failed or state.engine_lost or state.abort:
        found.append("the end is PASS and the engine failed, was lost, or the end was asked for")
    found += [f"the end is PASS and {name} was answered with abort"
              for name, made in state.decisions.items() if made.answer == "abort"]  # fmt: skip
    return found


def _against_rewinds(state: RunState, created: RunCreated) -> list[str]:
    """Return what speaks against a PASS where the copy was rewound, or was to be."""
    prepared = state.facts.get("prepared")
    recorded = prepared.get("rewound") if isinstance(prepared, dict) else []
    found = []
    if recorded != list(created.rewound):
        found.append("the end is PASS and the copy was not rewound before the scenarios that the plan names")
    own = {gate.id for gate in REWIND_GATES} - {gate.id for gate in created.gates}
    if created.rewound and own:
        found.append(
            f"the end is PASS and the copy was rewound, which {', '.join(sorted(own))} was not asked of"
        )
    return found


def _against_keeping(state: RunState, created: RunCreated) -> list[str]:
    """Return what speaks against a PASS where a copy was kept, or was taken from what was."""
    asked = {gate.id for gate in created.gates}
    reuse = _section(created, "reuse")
    wanted = reuse.get("copy") is True
    found = []
    if wanted != (created.copy != "new"):
        found.append(f"the end is PASS of a {created.copy} copy, and the plan's [reuse] copy is {wanted}")
    for fact, kind, own in (("kept.made", "kept", KEEPING_GATES), ("kept.taken", "reused", TAKING_GATES)):
        if (fact in state.facts) != (created.copy == kind):
            found.append(f"the end is PASS of a {created.copy} copy and the fact {fact} says otherwise")
        unasked = sorted({gate.id for gate in own} - asked)
        if created.copy == kind and unasked:
            found.append(f"the end is PASS of a {kind} copy, which {', '.join(unasked)} was not asked of")
    if created.copy != "new" and sample_words(state):
        found.append(f"the end is PASS of a {created.copy} copy, which was not the whole source")
    if created.copy == "reused":
        found += [
            f"the end is PASS of a reused copy, and {fact} says that the source was reached"
            for fact in OF_SOURCE
            if fact in state.facts
        ]
    return [*found, *_against_kept_words(state, created)]


def _against_kept_words(state: RunState, created: RunCreated) -> list[str]:
    """Return every word of the plan that what was kept, or taken, was not held against."""
    reuse, source = _section(created, "reuse"), _section(created, "source")
    planned = {
        "kept": (("kept.place", "folder", reuse.get("folder")), ("kept.made", "hours", reuse.get("hours"))),
        "reused": (("kept.taken", "configured", source.get("system_identifier")),),
    }
    found = [
        f"the end is PASS, and {fact} has another {key} than the plan"
        for fact, key, said in planned.get(created.copy, ())
        if _leaf(state, fact, key) != said
    ]
    if _leaf(state, "kept.place", "protection") == "word" and reuse.get("encrypted") is not True:
        found.append(
            "the end is PASS, and the plan does not say that the folder of the kept copy is encrypted"
        )
    return found


def _section(created: RunCreated, name: str) -> Mapping[str, object]:
    found = created.config.get(name)
    return found if isinstance(found, dict) else {}


def _leaf(state: RunState, fact: str, key: str) -> object:
    found = state.facts.get(fact)
    return found.get(key) if isinstance(found, dict) else None


def _verdict(state: RunState, gate: str) -> str:
    return str(state.gates[gate].verdict) if gate in state.gates else "NOT_REACHED"


def _anything_failed(state: RunState, ended: RunEnded) -> bool:
    gates = any(judged.verdict != GateVerdict.PASS for judged in state.gates.values())
    scenarios = any(one.verdict == "FAIL" for one in state.scenarios.values())
    steps = any(end.failed for end in state.steps_finished.values())
    unproven = ended.reason.startswith("not proven")
    return gates or scenarios or steps or unproven or bool(state.engine_failed or state.engine_lost)
