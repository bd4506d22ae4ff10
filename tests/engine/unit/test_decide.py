"""Tests of what a run does next: lists of events in, words of actions out."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import pytest
from fix_journals import Story, created
from small_plan import SCENARIOS, Play, small_plan, the_dry_run, unbuilt, word

from console.engine.conclude import conclude
from console.engine.decide import AskBoundary, AskGate, SkipBoundary, next_action, stop_reason
from console.model.event import (
    AbortAsked,
    BoundaryArmed,
    DecisionMade,
    EngineFailed,
    EngineLost,
    Event,
    GateJudged,
    ReceiptOpened,
    StepStarted,
)

ABORT = AbortAsked(how="drydock abort")
FAILED = EngineFailed(type="OSError", message="no space", where=("write",))
LOST = EngineLost(by="the watchdog", step="C-05", last_event=9)
CLOSING = ["G-24", "G-25", "N-4", "N-5", "N-6", "N-7"]
TEARDOWN = ["do C-13", *CLOSING, "end"]
AFTER_EACH = ("G-15", "G-17", "G-19")
FLOW = [
    "ask B-1", "do C-01", "G-01", "G-02", "G-03", "do C-02", "G-04",
    "ask B-2", "do C-03", "G-05", "G-06",
    "ask B-3", "do C-04", "G-07", "do C-05", "G-08", "do C-06", "G-09", "do C-07", "G-10",
    "do C-08", "G-11", "G-12", "do C-09", "G-13",
    "ask B-4", "do C-10",
    *(said for name in SCENARIOS for said in (f"run {name}", *(f"{gate} {name}" for gate in AFTER_EACH))),
    "end scenarios", "G-07",
    "do C-11", "G-14", "G-15", "G-16", "G-17", "G-18", "G-19", "G-20", "G-21", "G-22",
    "do C-12", "G-23",
    "ask B-5", *TEARDOWN,
]  # fmt: skip
"""The design's section 4, word for word, and G-07 once more over what was seen during the scenarios."""

BEFORE_TEARDOWN = FLOW[: FLOW.index("ask B-5")]
OWN_GATES = [said for said in BEFORE_TEARDOWN if said.startswith("G-") and " " not in said]
SCENARIO_GATES = [said for said in BEFORE_TEARDOWN if said.startswith("G-") and " " in said]
STEPS = [said for said in BEFORE_TEARDOWN if said.startswith("do ")]


def teardown_behind(play: Play, said: str) -> list[str]:
    """Return what follows a word, without the boundary before the destruction."""
    return [one for one in play.behind(said) if one not in ("ask B-5", "skip B-5")]


def test_the_dry_run_goes_through_steps_gates_and_boundaries_in_the_design_s_order() -> None:
    """A run in which everything holds does exactly section 4's words in their order, and ends as PASS."""
    play = Play(the_dry_run())
    assert play.words == FLOW
    assert (play.concluded.verdict, play.concluded.closure, play.concluded.exit_code) == ("PASS", "CLEAN", 0)


def test_an_ended_run_does_nothing() -> None:
    """Nothing follows the last event."""
    assert next_action(the_dry_run(), Play(the_dry_run()).state) is None


@pytest.mark.parametrize(
    ("supervise", "expected"),
    [
        ("boundary", ["B-1", "B-2", "B-3", "B-4", "B-5"]),
        ("step", ["B-1", "B-C-02", "B-2", "B-3", "B-C-05", "B-C-06", "B-C-07", "B-C-08", "B-C-09", "B-4",
                  "B-C-11", "B-C-12", "B-5"]),
        ("scenario", ["B-1", "B-C-02", "B-2", "B-3", "B-C-05", "B-C-06", "B-C-07", "B-C-08", "B-C-09", "B-4",
                      "B-S1", "B-S2", "B-S3", "B-C-11", "B-C-12", "B-5"]),
    ],
)  # fmt: skip
def test_supervision_adds_boundaries(supervise: Any, expected: list[str]) -> None:
    """--supervise step asks before every step, scenario before every scenario as well, boundary at the plan's own."""
    play = Play(the_dry_run(supervise=supervise))
    assert [said.removeprefix("ask ") for said in play.words if said.startswith("ask ")] == expected


@pytest.mark.parametrize("supervise", ["step", "scenario"])
def test_what_supervision_asks_stands_right_before_what_it_asks_about(supervise: Any) -> None:
    """An added boundary is followed by the step or scenario whose name it carries."""
    words = Play(the_dry_run(supervise=supervise)).words
    for said, following in pairwise(words):
        if said.startswith(("ask B-C-", "ask B-S")):
            assert following.split()[1] == said.removeprefix("ask B-")


@pytest.mark.parametrize("boundary", ["B-1", "B-2", "B-3", "B-4"])
def test_abort_at_a_boundary_leaves_only_the_teardown(boundary: str) -> None:
    """A boundary that is answered with abort is followed by C-13 and the closing gates, without asking B-5."""
    play = Play(the_dry_run(), {f"ask {boundary}": "abort"})
    assert play.behind(f"ask {boundary}") == ["skip B-5", *TEARDOWN]
    assert (play.concluded.verdict, play.concluded.closure, play.concluded.exit_code) == (
        "ABORTED",
        "CLEAN",
        3,
    )
    assert play.concluded.reason == f"{boundary} was answered with abort"


@pytest.mark.parametrize("said", BEFORE_TEARDOWN)
@pytest.mark.parametrize(("event", "verdict"), [(ABORT, "ABORTED"), (FAILED, "FAIL"), (LOST, "FAIL")])
def test_whatever_ends_a_run_ends_it_everywhere(said: str, event: Event, verdict: str) -> None:
    """An abort, an exception of the engine's and its death leave only the teardown behind any word of the plan."""
    play = Play(the_dry_run(), after={said: [event]})
    assert play.behind(said) == ["skip B-5", *TEARDOWN]
    assert (play.concluded.verdict, play.concluded.closure) == (verdict, "CLEAN")
    assert play.concluded.cause == ("drydock" if verdict == "FAIL" else None)


@pytest.mark.parametrize("verdict", ["FAIL", "UNKNOWN"])
@pytest.mark.parametrize("gate", OWN_GATES)
def test_a_gate_that_does_not_hold_stops_the_run_there(gate: str, verdict: str) -> None:
    """After a built gate's FAIL or UNKNOWN nothing follows but C-13, and the verdict is FAIL at that gate."""
    play = Play(the_dry_run(), {gate: verdict})
    assert teardown_behind(play, gate) == TEARDOWN
    found = play.concluded
    assert (found.verdict, found.failed_gate, found.failed_scenario) == ("FAIL", gate, None)
    assert f"{gate} does not hold" in found.reason
    assert found.cause == (the_dry_run().gate(gate).cause if verdict == "FAIL" else "drydock")


@pytest.mark.parametrize("verdict", ["FAIL", "UNKNOWN"])
@pytest.mark.parametrize("said", SCENARIO_GATES)
def test_a_gate_that_does_not_hold_after_a_scenario_stops_there_and_names_it(said: str, verdict: str) -> None:
    """The scenario's remaining gates are asked, no further scenario runs, and both are named."""
    gate, scenario = said.split()
    play = Play(the_dry_run(), {said: verdict})
    later = AFTER_EACH[AFTER_EACH.index(gate) + 1 :]
    assert play.behind(said) == [*(f"{one} {scenario}" for one in later), "ask B-5", *TEARDOWN]
    assert (play.concluded.failed_gate, play.concluded.failed_scenario) == (gate, scenario)
    assert play.concluded.verdict == "FAIL"


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_failed_scenario_is_still_asked_for_its_gates_and_then_stops(scenario: str) -> None:
    """The gates after a failed scenario are asked, nothing runs after them, and no gate is blamed when all hold."""
    play = Play(the_dry_run(), {f"run {scenario}": "FAIL"})
    asked = [f"{gate} {scenario}" for gate in AFTER_EACH]
    assert play.behind(f"run {scenario}") == [*asked, "ask B-5", *TEARDOWN]
    found = play.concluded
    assert (found.verdict, found.cause, found.failed_gate, found.failed_scenario) == (
        "FAIL",
        "subject",
        None,
        scenario,
    )
    assert found.reason == f"{scenario} FAIL"


def test_a_failed_scenario_names_the_first_gate_that_failed_with_it() -> None:
    """The scenario is the place, and failed_gate the first of its gates that did not hold."""
    play = Play(the_dry_run(), {"run S2": "FAIL", "G-17 S2": "FAIL", "G-19 S2": "FAIL"})
    assert (play.concluded.failed_gate, play.concluded.failed_scenario) == ("G-17", "S2")


@pytest.mark.parametrize("said", STEPS)
def test_a_step_that_cannot_go_on_stops_the_run(said: str) -> None:
    """A step's failure is followed by the teardown alone, and its words and cause are the run's."""
    play = Play(the_dry_run(), {said: "the disk is gone"})
    assert teardown_behind(play, said) == TEARDOWN
    found = play.concluded
    assert (found.verdict, found.cause, found.reason) == (
        "FAIL", "environment", f"{said.removeprefix('do ')}: the disk is gone",
    )  # fmt: skip


def test_a_teardown_that_failed_still_asks_every_closing_gate() -> None:
    """The failure of C-13 itself neither repeats it nor skips a closing gate, and the open receipt is residue."""
    play = Play(the_dry_run(), {"do C-13": "the folder is busy"})
    assert play.behind("ask B-5") == TEARDOWN
    found = play.concluded
    assert (found.verdict, found.closure, found.residue, found.exit_code) == (
        "FAIL",
        "UNCLEAN",
        ("cluster /copy",),
        4,
    )


@pytest.mark.parametrize("gate", CLOSING)
@pytest.mark.parametrize("verdict", ["FAIL", "UNKNOWN"])
def test_a_closing_gate_that_does_not_hold_hides_no_other(gate: str, verdict: str) -> None:
    """All closing gates are asked whatever one of them says, and the run is not PASS."""
    play = Play(the_dry_run(), {gate: verdict})
    assert play.behind("ask B-5") == TEARDOWN
    assert play.concluded.verdict == "FAIL"
    assert play.concluded.closure == ("UNCLEAN" if gate.startswith("N-") else "CLEAN")
    assert gate in play.concluded.reason or f"{gate} does not hold" == play.concluded.reason


@pytest.mark.parametrize("gate", [*OWN_GATES, *CLOSING])
def test_an_unbuilt_gate_stops_nothing_and_never_passes(gate: str) -> None:
    """A run with a gate that this release cannot ask goes on to the end, and is FAIL by drydock that names it."""
    play = Play(unbuilt(the_dry_run(), gate))
    assert play.words == FLOW
    found = play.concluded
    assert (found.verdict, found.cause, found.failed_gate, found.exit_code) == ("FAIL", "drydock", None, 1)
    assert found.reason == f"not proven: {gate} UNKNOWN"


def test_several_unbuilt_gates_are_all_named() -> None:
    """The reason lists every gate that could not be asked."""
    play = Play(unbuilt(the_dry_run(), "G-11", "G-20"))
    assert play.concluded.reason == "not proven: G-11 UNKNOWN, G-20 UNKNOWN"


def test_gates_that_do_not_apply_are_never_asked() -> None:
    """A gate that the plan's kind leaves out beforehand is neither asked nor missed."""
    play = Play(small_plan(not_applicable={"G-15": "no scenario writes", "N-7": "no process"}))
    assert not any(said.startswith(("G-15", "N-7")) for said in play.words)
    assert play.concluded.verdict == "PASS"


def b5(*events: Event) -> str:
    """Return what is done at the destruction after some events of a run that is to end."""
    return word(next_action(the_dry_run(), Story().add(created(), *events).state))  # type: ignore[arg-type]


STARTED = StepStarted(step="C-01")
STOPPED = GateJudged(gate="G-01", verdict="FAIL", reason="5 GB are missing")
CLUSTER = ReceiptOpened(object="cluster", name="/copy")
CONTAINER = ReceiptOpened(object="container", name="copy")
DEMO = ReceiptOpened(object="cluster", name="/production", part="demo")
SAME = GateJudged(gate="G-10", verdict="FAIL", reason="the same identity")


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ((STOPPED,), "skip B-5"),
        ((STOPPED, DEMO), "skip B-5"),
        ((STOPPED, CLUSTER), "ask B-5"),
        ((STOPPED, CONTAINER), "ask B-5"),
        ((SAME, CLUSTER), "skip B-5"),
        ((ABORT, CLUSTER), "skip B-5"),
        ((FAILED, CLUSTER), "skip B-5"),
        ((LOST, CLUSTER), "skip B-5"),
        ((DecisionMade(boundary="B-4", answer="abort", how="time limit", digest=""), CLUSTER), "skip B-5"),
    ],
    ids=[
        "no copy",
        "only the demo",
        "a cluster",
        "a container",
        "G-10",
        "abort",
        "exception",
        "death",
        "time limit",
    ],
)
def test_b5_is_asked_only_where_somebody_could_look(events: tuple[Event, ...], expected: str) -> None:
    """The destruction asks while a copy of the rehearsal lives, and never after G-10, an abort or the engine's end."""
    assert b5(STARTED, *events) == expected


def test_a_skipped_boundary_says_why() -> None:
    """The record of a boundary that was not needed holds the reason."""
    action = next_action(the_dry_run(), Story().add(created(), SAME).state)
    assert isinstance(action, SkipBoundary)
    assert action.reason == "the copy has the identity of its source"


def test_a_hold_asks_again() -> None:
    """After hold the destruction is asked once more, and only its answer lets C-13 begin."""
    held = DecisionMade(boundary="B-5", answer="hold", how="socket", digest="d", minutes=5)
    armed = BoundaryArmed(
        boundary="B-5", question="?", irrevocable="", digest="d", default="proceed", timeout_s=1
    )
    state = Story().add(created(), STOPPED, CLUSTER, armed, held).state
    action = next_action(the_dry_run(), state)
    assert isinstance(action, AskBoundary)
    assert (action.boundary.id, action.boundary.default) == ("B-5", "proceed")


def test_only_b5_proceeds_by_itself() -> None:
    """Every boundary but the destruction means abort when nobody answers, the added ones too."""
    plan = the_dry_run(supervise="scenario")
    asked: dict[str, str] = {}
    state = Story().add(created()).state
    story = Story().add(created(), CLUSTER)
    play = Play(plan)
    for event in play.events[1:]:
        action = next_action(plan, state)
        if isinstance(action, AskBoundary):
            asked[action.boundary.id] = action.boundary.default
        state = story.add(event).state
    assert len(asked) == 16
    assert [name for name, default in asked.items() if default == "proceed"] == ["B-5"]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (ABORT, "the operator asked for the end"),
        (FAILED, "the engine could not go on"),
        (LOST, "the engine could not go on"),
        (STOPPED, "G-01 is FAIL"),
        (GateJudged(gate="G-01", verdict="UNKNOWN"), "G-01 is UNKNOWN"),
        (GateJudged(gate="G-01", verdict="PASS"), None),
    ],
)
def test_the_reason_to_stop_is_said(event: Event, expected: str | None) -> None:
    """What stops a run is one sentence, and nothing when it may go on."""
    assert stop_reason(the_dry_run(), Story().add(created(), event).state) == expected


def test_a_gate_of_two_steps_needs_both_for_a_pass() -> None:
    """G-07 that was asked in C-04 alone leaves the run without a PASS, whatever it said there."""
    plan = the_dry_run()
    state = Play(plan).state
    once = msgspec.structs.replace(state, ended=None, times_asked={**state.times_asked, "G-07": 1})
    assert conclude(plan, state).verdict == "PASS"
    assert conclude(plan, once).reason == "not proven: G-07 in C-10 NOT_REACHED"
    assert next_action(plan, once) == AskGate(gate=plan.gate("G-07"))
