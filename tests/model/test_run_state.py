"""Tests of the fold: the state of a run is what its events amount to and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fix_journals
import msgspec
import pytest
from fix_journals import Story, created
from hypothesis import given
from hypothesis import strategies as st

from console.model.event import (
    AbortAsked,
    BoundaryArmed,
    DecisionMade,
    EngineFailed,
    EngineLost,
    EngineStarted,
    Entry,
    Event,
    FactRecorded,
    GateJudged,
    NoteRecorded,
    ProgressReported,
    ReceiptClosed,
    ReceiptIdentified,
    ReceiptOpened,
    RemovalFailed,
    RowsCounted,
    RowsEstimated,
    RunEnded,
    ScenarioFinished,
    ScenarioStarted,
    SecretRedacted,
    StepFinished,
    StepStarted,
)
from console.model.run_state import Receipt, RunState, apply, fold, verdict_cause

names = st.sampled_from(["a", "b"])
ARMED = BoundaryArmed(boundary="B-1", question="?", irrevocable="", digest="d", default="abort", timeout_s=9)
ENDED = RunEnded(verdict="FAIL", closure="CLEAN", cause="source", failed_gate=None, failed_scenario=None, reason="no",
                 residue=(), exit_code=1)  # fmt: skip
EVENTS: st.SearchStrategy[Any] = st.one_of(
    st.just(created()),
    st.just(EngineStarted(identity="1:1:b", watchdog="2:2:b")),
    st.builds(StepStarted, step=names),
    st.builds(StepFinished, step=names, duration_ms=st.integers(0, 9), trace_head=names),
    st.builds(FactRecorded, name=names, value=st.integers(0, 9), source=names),
    st.builds(NoteRecorded, name=names, value=st.integers(0, 9)),
    st.builds(GateJudged, gate=names, verdict=st.sampled_from(["PASS", "FAIL", "UNKNOWN"]),
              scenario=st.sampled_from(["", "S1"])),
    st.just(ARMED),
    st.builds(DecisionMade, boundary=names, answer=st.sampled_from(["proceed", "abort", "hold"]),
              how=st.just("socket"), digest=names),
    st.builds(ScenarioStarted, scenario=names),
    st.builds(ScenarioFinished, scenario=names, verdict=st.sampled_from(["PASS", "FAIL"]), duration_ms=st.just(1)),
    st.builds(RowsCounted, scenario=names, rows=st.just({"t": 1})),
    st.builds(RowsEstimated, scenario=names, changes=st.just({"t": 1})),
    st.builds(ReceiptOpened, object=names, name=names),
    st.builds(ReceiptIdentified, object=names, name=names, identity=names),
    st.builds(ReceiptClosed, object=names, name=names, identity=names, how=names),
    st.builds(RemovalFailed, object=names, name=names, reason=names),
    st.builds(AbortAsked, how=names),
    st.builds(EngineFailed, type=names, message=names, where=st.just(())),
    st.builds(EngineLost, by=names, step=names, last_event=st.just(1)),
    st.builds(ProgressReported, step=names, done=st.integers(0, 9), total=st.just(9), unit=names),
    st.builds(SecretRedacted, secret=names, origin=names, form=names, position=st.just(1)),
    st.just(ENDED),
)  # fmt: skip
histories = st.lists(EVENTS, max_size=25)


def entries(events: list[Event]) -> list[Entry]:
    """Return events as journal entries."""
    return Story().add(*events).entries()


def state_of(*events: Event) -> RunState:
    """Return the state after some events."""
    return fold(entries(list(events)))


@given(histories, st.integers(0, 25))
def test_folding_on_is_folding_all(events: list[Event], cut: int) -> None:
    """The state after a and b is the state after b from the state after a, wherever they are cut apart."""
    told = entries(events)
    assert fold(told) == fold(told[cut:], fold(told[:cut]))


@given(histories, EVENTS)
def test_folding_changes_no_earlier_state(events: list[Event], further: Event) -> None:
    """A state that somebody holds stays as it was when another event is folded over it."""
    before = fold(entries(events))
    kept = msgspec.json.encode(before)
    apply(before, Entry(n=99, at="later", event=further))
    fold([Entry(n=99, at="later", event=further), Entry(n=100, at="later", event=further)], before)
    assert msgspec.json.encode(before) == kept


@given(histories)
def test_a_failed_gate_or_scenario_never_recovers(events: list[Event]) -> None:
    """No later event makes a gate or a scenario that was judged FAIL anything else."""
    state = state_of(*events)
    for event in events:
        if isinstance(event, GateJudged) and event.verdict == "FAIL":
            assert state.gates[event.gate].verdict == "FAIL"
        if isinstance(event, ScenarioFinished) and event.verdict == "FAIL":
            assert state.scenarios[event.scenario].verdict == "FAIL"


@given(histories)
def test_an_open_receipt_stays_until_it_is_closed(events: list[Event]) -> None:
    """What was opened and never closed is listed, whatever else happened to it."""
    state = state_of(*events)
    last: dict[tuple[str, str], bool] = {}
    for event in events:
        if isinstance(event, ReceiptOpened | ReceiptIdentified | RemovalFailed):
            last[event.object, event.name] = last.get((event.object, event.name), True)
        if isinstance(event, ReceiptOpened):
            last[event.object, event.name] = True
        if isinstance(event, ReceiptClosed):
            last[event.object, event.name] = False
    assert {(one.kind, one.name) for one in state.open_receipts} == {
        key for key, open_ in last.items() if open_
    }


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ((), "starting"),
        ((created(),), "starting"),
        ((created(), EngineStarted(identity="1:1:b", watchdog="")), "running"),
        ((EngineStarted(identity="1:1:b", watchdog=""), ARMED), "waiting"),
        ((ARMED, EngineLost(by="w", step="C-01", last_event=1)), "starting"),
        ((ARMED, DecisionMade(boundary="B-1", answer="hold", how="socket", digest="")), "starting"),
        ((ARMED, ENDED), "ended"),
    ],
)
def test_one_word_says_what_a_run_does(events: tuple[Event, ...], expected: str) -> None:
    """A run starts, runs, waits or has ended, and waits no longer once its engine is dead."""
    assert state_of(*events).condition == expected


def test_a_receipt_keeps_who_it_is_through_its_life() -> None:
    """Name and part come from the opening, the identity from the creation, the trouble from a failed removal."""
    opened = ReceiptOpened(object="folder", name="/x", part="demo")
    known = ReceiptIdentified(object="folder", name="/x", identity="1:2")
    troubled = RemovalFailed(object="folder", name="/x", reason="busy")
    closed = ReceiptClosed(object="folder", name="/x", identity="1:2", how="removed")
    whole = Receipt(kind="folder", name="/x", part="demo", identity="1:2", trouble="busy")
    assert list(state_of(opened, known, troubled).receipts.values()) == [whole]
    assert state_of(opened, known, troubled, closed).receipts == {
        "folder /x": msgspec.structs.replace(whole, closed="removed", trouble="")
    }


def test_the_first_abort_and_the_first_exception_are_the_run_s() -> None:
    """Later aborts and exceptions of a teardown do not hide what ended the run."""
    state = state_of(
        AbortAsked(how="SIGTERM"), AbortAsked(how="drydock abort"),
        EngineFailed(type="KeyError", message="1", where=()), EngineFailed(type="OSError", message="2", where=()),
    )  # fmt: skip
    assert state.abort == AbortAsked(how="SIGTERM")
    assert state.engine_failed is not None
    assert state.engine_failed.type == "KeyError"


def test_a_hold_is_no_decision() -> None:
    """After hold the boundary is neither armed nor decided."""
    state = state_of(ARMED, DecisionMade(boundary="B-1", answer="hold", how="socket", digest="d", minutes=3))
    assert (state.armed, state.decisions) == (None, {})


def test_a_gate_that_held_after_a_scenario_is_not_yet_asked_at_its_own_step() -> None:
    """A PASS after a scenario is kept by scenario only; a FAIL is kept as the gate's as well."""
    held = state_of(GateJudged(gate="G-15", verdict="PASS", scenario="S1"))
    failed = state_of(
        GateJudged(gate="G-15", verdict="FAIL", scenario="S1"), GateJudged(gate="G-15", verdict="PASS")
    )
    assert (dict(held.gates), list(held.gates_after_scenario)) == ({}, ["G-15 S1"])
    assert failed.gates["G-15"].verdict == "FAIL"


def test_the_step_that_runs_is_the_last_one_begun_and_not_finished() -> None:
    """Between steps there is none."""
    begun = state_of(
        StepStarted(step="C-01"), StepFinished(step="C-01", duration_ms=1), StepStarted(step="C-02")
    )
    assert begun.current_step == "C-02"
    assert state_of(StepStarted(step="C-01"), StepFinished(step="C-01", duration_ms=1)).current_step == ""


def test_progress_belongs_to_the_step_that_runs() -> None:
    """The start and the end of a step forget the progress of the one before."""
    told = ProgressReported(step="C-03", done=1, total=2, unit="bytes")
    assert state_of(told).progress == told
    assert state_of(told, StepFinished(step="C-03", duration_ms=1)).progress is None
    assert state_of(told, StepStarted(step="C-04")).progress is None


def test_an_estimate_ends_with_the_exact_count() -> None:
    """An estimate stays, or takes a count's place."""
    about = RowsEstimated(scenario="S5", changes={"t": 3})
    assert state_of(about).estimated == about
    assert state_of(about).rows == {}
    assert state_of(about, RowsCounted(scenario="S5", rows={"t": 2})).estimated is None


def test_an_estimate_ends_with_its_step() -> None:
    """A scenario that never came to its count is over when its step failed, and when the teardown begins."""
    about = RowsEstimated(scenario="S5", changes={"t": 3})
    assert state_of(about, StepFinished(step="C-10", duration_ms=1, failed="no")).estimated is None
    assert state_of(about, StepStarted(step="C-13")).estimated is None


def test_the_trace_s_head_is_the_one_sealed_at_the_step_s_end() -> None:
    """A step that has not ended has no head."""
    state = state_of(StepFinished(step="C-10", duration_ms=1, trace_head="ab"))
    assert (state.trace_head_of("C-10"), state.trace_head_of("C-11")) == ("ab", "")


def test_the_cause_is_the_last_event_s() -> None:
    """Nobody is blamed before the run has ended."""
    assert (verdict_cause(state_of(created())), verdict_cause(state_of(ENDED))) == (None, "source")


@pytest.mark.parametrize("story", [fix_journals.passed, fix_journals.fail_at_s4], ids=["pass", "fail"])
def test_a_state_is_the_same_whether_read_from_events_or_from_their_bytes(story: Callable[[], Story]) -> None:
    """Encoding and decoding every event of a whole run changes nothing of what it amounts to."""
    told = story().entries()
    again = [msgspec.json.decode(msgspec.json.encode(entry), type=Entry) for entry in told]
    assert fold(again) == fold(told)


@given(histories)
def test_a_fold_is_one_entry_after_the_other(events: list[Event]) -> None:
    """A journal folded at once amounts to something else than its entries applied one by one."""
    state = RunState()
    for entry in entries(events):
        state = apply(state, entry)
    assert fold(entries(events)) == state
