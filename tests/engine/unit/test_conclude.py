"""Tests of verdict and closure: what a list of events amounts to, and that nothing soft becomes PASS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from fix_journals import Story, created
from hypothesis import given
from hypothesis import strategies as st
from small_plan import Play, small_plan, unbuilt

from console.engine.conclude import Conclusion, conclude, residue_of, verdict_of_gate
from console.model.event import (
    AbortAsked,
    DecisionMade,
    EngineFailed,
    EngineLost,
    Event,
    GateJudged,
    ReceiptOpened,
    ScenarioFinished,
    StepFinished,
    StepStarted,
)
from console.model.verdict import GateVerdict

PLAN = small_plan()
GATES = [gate.id for gate in PLAN.gates]
GOOD = tuple(event for event in Play(PLAN).events[1:] if type(event).__name__ != "RunEnded")


def ended(*events: Event, plan: Any = PLAN, before: Sequence[Event] = GOOD) -> Conclusion:
    """Return the conclusion of a run that went well, and then some."""
    return conclude(plan, Story().add(created(), *before, *events).state)


def failing(gate: str, **changes: Any) -> GateJudged:
    """Return a gate that does not hold."""
    return GateJudged(
        **{"gate": gate, "verdict": "FAIL", "reason": "it is wrong", "cause": "subject", **changes}
    )


def step_failed(**changes: Any) -> StepFinished:
    """Return a step that could not do its work."""
    told = {"step": "C-11", "duration_ms": 1, "failed": "no words", "cause": "environment", **changes}
    return StepFinished(**told)


def test_pass_needs_everything() -> None:
    """A run in which every gate and scenario is PASS is PASS, CLEAN, exit 0, without a reason."""
    assert ended() == Conclusion(
        verdict="PASS",
        cause=None,
        failed_gate=None,
        failed_scenario=None,
        reason="",
        closure="CLEAN",
        residue=(),
    )


@pytest.mark.parametrize("missing", [event for event in GOOD if isinstance(event, GateJudged | ScenarioFinished)],
                         ids=lambda event: f"{getattr(event, 'gate', '')} {event.scenario}".strip())  # fmt: skip
def test_pass_needs_every_single_judgement(missing: Event) -> None:
    """A run that lacks any one gate, gate after a scenario, or scenario is not PASS and names what it lacks."""
    found = ended(before=[event for event in GOOD if event is not missing])
    place = missing.gate if isinstance(missing, GateJudged) else ""
    assert (found.verdict, found.cause) == ("FAIL", "drydock")
    assert found.reason.startswith("not proven: ")
    assert place in found.reason
    assert "NOT_REACHED" in found.reason


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([failing("G-16")], ("FAIL", "subject", "G-16", None, "it is wrong")),
        ([failing("G-15", scenario="S2")], ("FAIL", "subject", "G-15", "S2", "it is wrong")),
        ([failing("G-16", cause=None)], ("FAIL", "drydock", "G-16", None, "it is wrong")),
        ([failing("G-24"), AbortAsked(how="SIGTERM")], ("FAIL", "subject", "G-24", None, "it is wrong")),
        ([failing("G-16", verdict="UNKNOWN", reason="no fact")],
         ("FAIL", "drydock", "G-16", None, "G-16 is UNKNOWN: no fact")),
        ([AbortAsked(how="SIGTERM")], ("ABORTED", None, None, None, "the operator asked for the end (SIGTERM)")),
        ([DecisionMade(boundary="B-1", answer="abort", how="time limit", digest="")],
         ("ABORTED", None, None, None, "B-1 was answered with abort: nobody answered in time")),
        ([DecisionMade(boundary="B-1", answer="abort", how="socket", digest="", reason="not today")],
         ("ABORTED", None, None, None, "B-1 was answered with abort: not today")),
        ([EngineLost(by="the watchdog", step="C-10", last_event=9)],
         ("FAIL", "drydock", None, None, "the engine died in C-10; the run was torn down")),
        ([EngineFailed(type="KeyError", message="'x'", where=())],
         ("FAIL", "drydock", None, None, "drydock's own KeyError in C-13: 'x'")),
        ([StepStarted(step="C-99"), EngineFailed(type="KeyError", message="'x'", where=())],
         ("FAIL", "drydock", None, None, "drydock's own KeyError in C-99: 'x'")),
        ([AbortAsked(how="SIGTERM"), EngineFailed(type="KeyError", message="'x'", where=())],
         ("FAIL", "drydock", None, None, "drydock's own KeyError in C-13: 'x'")),
        ([step_failed()], ("FAIL", "environment", None, None, "C-11: no words")),
        ([step_failed(cause=None, gate="G-16")], ("FAIL", "drydock", "G-16", None, "C-11: no words")),
        ([ScenarioFinished(scenario="S2", verdict="FAIL", duration_ms=1, reason="25001", cause="environment")],
         ("FAIL", "environment", None, "S2", "25001")),
        ([ScenarioFinished(scenario="S2", verdict="FAIL", duration_ms=1, reason="25001")],
         ("FAIL", "subject", None, "S2", "25001")),
    ],
)  # fmt: skip
def test_what_ended_a_run_decides(events: list[Event], expected: tuple[str | None, ...]) -> None:
    """Verdict, cause, gate, scenario and reason are those of the worst thing that was recorded."""
    found = ended(*events)
    assert (found.verdict, found.cause, found.failed_gate, found.failed_scenario, found.reason) == expected


def test_a_net_zero_gate_makes_the_run_unclean_and_never_the_place_of_the_failure() -> None:
    """A net-zero gate that fails beside a failed scenario is residue, and the scenario stays the place."""
    bad = ScenarioFinished(scenario="S1", verdict="FAIL", duration_ms=1, reason="25001", cause="subject")
    found = ended(bad, failing("N-7", reason="a process is left: 17"))
    assert (found.failed_gate, found.failed_scenario, found.closure, found.exit_code) == (
        None,
        "S1",
        "UNCLEAN",
        4,
    )
    assert found.residue == ("N-7 FAIL: a process is left: 17",)


@pytest.mark.parametrize(
    ("events", "plan", "expected"),
    [
        ([], PLAN, ()),
        ([ReceiptOpened(object="folder", name="/var/tmp/x")], PLAN, ("folder /var/tmp/x",)),
        ([failing("N-7", verdict="UNKNOWN", reason="no fact")], PLAN, ("N-7 UNKNOWN: no fact",)),
        ([failing("G-24")], PLAN, ()),
        ([failing("N-7")], small_plan(not_applicable={"N-7": "none"}), ()),
        ([failing("N-7", verdict="UNKNOWN")], unbuilt(PLAN, "N-7"), ()),
    ],
)
def test_residue_is_named_exactly(events: list[Event], plan: Any, expected: tuple[str, ...]) -> None:
    """What is left is every open receipt and every applicable net-zero gate that does not hold."""
    assert residue_of(plan, Story().add(created(), *GOOD, *events).state) == expected


def test_an_unasked_net_zero_gate_is_residue() -> None:
    """A run that never asked its net-zero gate is UNCLEAN."""
    assert residue_of(PLAN, Story().add(created()).state) == ("N-7 was not asked",)


@pytest.mark.parametrize(
    ("verdict", "residue", "expected"),
    [("PASS", (), 0), ("FAIL", (), 1), ("ABORTED", (), 3), ("PASS", ("x",), 4), ("FAIL", ("x",), 4),
     ("ABORTED", ("x",), 4)],
)  # fmt: skip
def test_exit_codes_are_the_documented_ones(verdict: Any, residue: tuple[str, ...], expected: int) -> None:
    """0, 1 and 3 belong to a clean end and 4 to every other one."""
    found = Conclusion(
        verdict=verdict, cause=None, failed_gate=None, failed_scenario=None, reason="",
        closure="UNCLEAN" if residue else "CLEAN", residue=residue,
    )  # fmt: skip
    assert found.exit_code == expected


def test_readers_see_why_a_gate_has_no_verdict_of_its_own() -> None:
    """A reader is told the declared reason, NOT_REACHED, or the recorded words."""
    plan = small_plan(not_applicable={"N-7": "no process is made"})
    state = Story().add(created(), failing("G-16")).state
    assert verdict_of_gate(plan, state, "N-7") == (GateVerdict.NOT_APPLICABLE, "no process is made")
    assert verdict_of_gate(plan, state, "G-24") == (GateVerdict.NOT_REACHED, "")
    assert verdict_of_gate(plan, state, "G-16") == (GateVerdict.FAIL, "it is wrong")


WORDS = [said for said in Play(PLAN).words if said != "end"]
BAD = {"ask": ["abort"], "skip": ["abort"], "do": ["broken"], "run": ["FAIL"], "end": ["broken"]}
ENDERS: list[Event] = [
    AbortAsked(how="drydock abort"),
    EngineFailed(type="OSError", message="no space", where=()),
    EngineLost(by="the watchdog", step="C-10", last_event=3),
]


def bad_outcomes(said: str) -> list[str]:
    """Return everything that can go wrong at a word."""
    return BAD.get(said.split()[0], ["FAIL", "UNKNOWN"])


wrong_words = st.dictionaries(
    st.sampled_from([one for one in WORDS if one != "ask B-5"]), st.integers(0, 1), min_size=0, max_size=3
)
injected = st.dictionaries(st.sampled_from(WORDS), st.sampled_from(ENDERS), max_size=2)


@given(wrong=wrong_words, ends=injected, left_out=st.sets(st.sampled_from(GATES), max_size=1))
def test_no_way_through_a_plan_ends_as_pass_unless_everything_held(
    wrong: dict[str, int], ends: dict[str, Event], left_out: set[str]
) -> None:
    """Whatever fails, stops or cannot be asked on the way, the end is PASS exactly when nothing did."""
    plan = unbuilt(PLAN, *left_out)
    outcomes = {said: bad_outcomes(said)[which % len(bad_outcomes(said))] for said, which in wrong.items()}
    play = Play(plan, outcomes, {said: [event] for said, event in ends.items()})
    all_well = not outcomes and not ends and not left_out
    assert (play.concluded.verdict == "PASS") == all_well
    assert play.words[-1] == "end"
    assert [said for said in play.words if said in ("do C-13", "G-24", "N-7")] == ["do C-13", "G-24", "N-7"]


judged = st.builds(
    GateJudged, gate=st.sampled_from(GATES), verdict=st.sampled_from(["PASS", "FAIL", "UNKNOWN"]),
    scenario=st.sampled_from(["", "", "S1", "S2"]),
)  # fmt: skip
finished = st.builds(
    ScenarioFinished, scenario=st.sampled_from(["S1", "S2"]), verdict=st.sampled_from(["PASS", "FAIL"]),
    duration_ms=st.just(1),
)  # fmt: skip
others = st.sampled_from(
    [*ENDERS, step_failed(), DecisionMade(boundary="B-1", answer="abort", how="socket", digest="")]
)


@given(st.permutations(GOOD), st.lists(st.tuples(st.integers(0, 40), judged | finished | others), max_size=4))
def test_no_order_of_events_hides_what_is_not_pass(
    order: list[Event], extra: list[tuple[int, Event]]
) -> None:
    """In any order, a FAIL stays, and a gate or scenario without a PASS of its own never ends as PASS."""
    events = list(order)
    for place, event in extra:
        events.insert(place % (len(events) + 1), event)
    found = ended(before=events)
    own = {one.gate: one.verdict for one in events if isinstance(one, GateJudged) and not one.scenario}
    failed = any(getattr(one, "verdict", "") == "FAIL" for one in events)
    stopped = any(isinstance(one, AbortAsked | EngineFailed | EngineLost) for one in events)
    if failed or stopped or any(own[gate] != "PASS" for gate in GATES):
        assert found.verdict != "PASS"
    if not extra:
        assert found.verdict == "PASS"
