"""Tests of the runner: whatever the work raises, the teardown follows and the last event says how it ended."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from fix_journals import created
from small_plan import SCENARIOS, small_plan, the_dry_run

from console.engine.recorder import Recorder
from console.engine.runner import Runner, describe
from console.errors import AbortRequested, StepFailed
from console.journal import read_journal
from console.model.event import (
    AbortAsked,
    DecisionMade,
    EngineFailed,
    GateJudged,
    ReceiptClosed,
    ReceiptOpened,
    RunEnded,
    ScenarioFinished,
    StepFinished,
)
from console.model.gate import Facts
from console.model.plan import Boundary, Plan, Step
from console.model.run_state import RunState
from console.secrets import SecretRegistry


class FakeHands:
    """Does nothing but remember, and whatever a test wants to happen at a word."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.done: list[str] = []
        self.happens: dict[str, Callable[[], object]] = {}
        self.head = "h" * 64

    def _do(self, said: str) -> None:
        self.done.append(said)
        self.happens.get(said, lambda: None)()

    def run_step(self, step: Step) -> None:
        """Do a step: the first one makes a copy, the teardown removes it."""
        if step.id == "C-04":
            self.recorder.record(ReceiptOpened(object="cluster", name="/copy"))
        if step.id == "C-13":
            for one in self.recorder.state.open_receipts:
                self.recorder.record(
                    ReceiptClosed(object=one.kind, name=one.name, identity="", how="removed")
                )
        self._do(step.id)

    def run_scenario(self, scenario: str) -> None:
        """Run a scenario that passes."""
        self._do(scenario)
        self.recorder.record(ScenarioFinished(scenario=scenario, verdict="PASS", duration_ms=1))

    def end_scenarios(self) -> None:
        """End the scenarios."""
        self._do("end scenarios")

    def wait_at(self, boundary: Boundary) -> None:
        """Approve at once, unless an abort came."""
        self._do(boundary.id)
        if self.recorder.state.abort is None:
            self.recorder.record(
                DecisionMade(boundary=boundary.id, answer="proceed", how="socket", digest="d")
            )

    def seal_trace(self) -> str:
        """Return a head."""
        return self.head


class Bench:
    """One run with fake hands."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.path = folder / "journal.jsonl"
        self.recorder = Recorder(self.path, SecretRegistry())
        self.recorder.record(created())
        self.hands = FakeHands(self.recorder)
        self.plan = plan

    def run(self, **happens: Callable[[], object]) -> RunEnded:
        """Run to the end and return the last event."""
        self.hands.happens = {name.replace("_", "-"): what for name, what in happens.items()}
        Runner(self.plan, self.recorder, self.hands).run()
        last = read_journal(self.path)[-1].event
        assert isinstance(last, RunEnded)
        return last

    @property
    def state(self) -> RunState:
        """Return the folded state."""
        return self.recorder.state


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Return a run of the small plan."""
    return Bench(tmp_path, small_plan())


def raising(error: BaseException) -> Callable[[], object]:
    """Return work that raises."""

    def work() -> None:
        raise error

    return work


def test_a_run_in_which_all_goes_well_is_pass(bench: Bench) -> None:
    """Everything is done once, in order, and the last event is PASS, CLEAN, exit 0 with the trace's head."""
    ended = bench.run()
    assert bench.hands.done == ["B-1", "C-04", "C-10", "S1", "S2", "end scenarios", "C-11", "B-5", "C-13"]
    assert (ended.verdict, ended.closure, ended.exit_code, ended.trace_head) == ("PASS", "CLEAN", 0, "h" * 64)
    assert {name: one.trace_head for name, one in bench.state.steps_finished.items()} == dict.fromkeys(
        ("C-04", "C-10", "C-11", "C-13"), "h" * 64
    )


PLACES = ["C_04", "C_10", "S1", "S2", "C_11"]


@pytest.mark.parametrize("place", [*PLACES, "B_1"])
def test_an_exception_of_the_engine_s_own_is_a_fail_by_drydock(bench: Bench, place: str) -> None:
    """It is journaled with type, words and place, nothing further is done, and the teardown still runs."""
    ended = bench.run(**{place: raising(ZeroDivisionError("by zero"))})
    said = place.replace("_", "-")
    assert bench.hands.done[bench.hands.done.index(said) + 1 :] == ["C-13"]
    assert (ended.verdict, ended.cause, ended.closure, ended.exit_code) == ("FAIL", "drydock", "CLEAN", 1)
    assert "drydock's own ZeroDivisionError in" in ended.reason
    assert ended.reason.endswith(": by zero")
    failed = bench.state.engine_failed
    assert failed is not None
    assert (failed.type, failed.message) == ("ZeroDivisionError", "by zero")
    assert failed.where[-1].startswith("work (")
    assert {"G-24", "N-7"} <= set(bench.state.gates)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("gate", [None, "G-16"])
def test_a_step_that_says_why_it_cannot_go_on(bench: Bench, place: str, gate: str | None) -> None:
    """Its cause and words are the run's, its gate is FAIL at once, and the teardown asks first."""
    ended = bench.run(**{place: raising(StepFailed("the dump is cut off", cause="source", gate=gate))})
    said = place.replace("_", "-")
    behind = bench.hands.done[bench.hands.done.index(said) + 1 :]
    assert behind == ["B-5", "C-13"]
    assert (ended.verdict, ended.cause, ended.failed_gate) == ("FAIL", "source", gate)
    assert ended.reason.endswith("the dump is cut off")
    if gate:
        assert bench.state.gates[gate] == GateJudged(
            gate="G-16", verdict="FAIL", reason="the dump is cut off", cause="source"
        )


@pytest.mark.parametrize("place", [*PLACES, "B_1"])
def test_an_abort_in_the_middle_leaves_only_the_teardown(bench: Bench, place: str) -> None:
    """The work that notices the abort ends, the destruction is not asked about, and the end is ABORTED, CLEAN."""

    def abort() -> None:
        bench.recorder.record(AbortAsked(how="drydock abort"))
        if not place.startswith("B_"):
            bench.recorder.raise_if_requested()

    ended = bench.run(**{place: abort})
    said = place.replace("_", "-")
    assert bench.hands.done[bench.hands.done.index(said) + 1 :] == ["C-13"]
    assert (ended.verdict, ended.cause, ended.closure, ended.exit_code) == ("ABORTED", None, "CLEAN", 3)


def test_an_abort_between_two_steps_begins_no_further_work(bench: Bench) -> None:
    """A step whose turn comes after the abort is not begun."""
    ended = bench.run(C_04=lambda: bench.recorder.record(AbortAsked(how="SIGTERM")))
    assert bench.hands.done == ["B-1", "C-04", "C-13"]
    assert ended.reason == "the operator asked for the end (SIGTERM)"


@pytest.mark.parametrize(
    ("error", "cause", "says"),
    [
        (KeyError("x"), "drydock", "drydock's own KeyError in C-13: 'x'"),
        (StepFailed("the disk is full", cause="environment"), "environment", "C-13: the disk is full"),
        (AbortRequested("drydock abort"), "drydock", "drydock's own AbortRequested in C-13: drydock abort"),
    ],
    ids=["exception", "failure", "abort"],
)
def test_a_teardown_that_breaks_is_recorded_once_and_the_closing_gates_are_asked(
    bench: Bench, error: Exception, cause: str, says: str
) -> None:
    """A broken C-13 is not repeated, every closing gate is asked all the same, and the run is no PASS."""
    ended = bench.run(C_13=raising(error))
    assert bench.hands.done.count("C-13") == 1
    assert {"G-24", "N-7"} <= set(bench.state.gates)
    assert (ended.verdict, ended.cause, ended.reason) == ("FAIL", cause, says)


def test_an_exception_in_the_teardown_does_not_hide_what_came_before(bench: Bench) -> None:
    """The first exception stays the run's reason."""
    ended = bench.run(C_11=raising(KeyError("first")), C_13=raising(OSError("second")))
    assert "KeyError" in ended.reason


def test_an_exception_while_the_destruction_is_asked_about_still_destroys(bench: Bench) -> None:
    """A wait that breaks leaves no copy lying about."""
    ended = bench.run(B_5=raising(OSError("the socket is gone")))
    assert bench.hands.done[-2:] == ["B-5", "C-13"]
    assert (ended.verdict, ended.closure) == ("FAIL", "CLEAN")


@pytest.mark.parametrize("gate", ["G-01", "G-15", "G-16", "G-24", "N-7"])
def test_a_check_that_breaks_is_unknown_and_the_teardown_still_runs(tmp_path: Path, gate: str) -> None:
    """An exception inside a gate's own check neither kills the engine nor passes the gate."""

    def broken(_facts: Facts) -> str | None:
        raise IndexError("list index out of range")

    gates = tuple(
        dataclasses.replace(one, check=broken) if one.id == gate else one for one in small_plan().gates
    )
    bench = Bench(tmp_path, small_plan(gates=gates))
    ended = bench.run()
    assert bench.hands.done[-1] == "C-13"
    assert (ended.verdict, ended.cause) == ("FAIL", "drydock")
    assert "IndexError" in ended.reason
    assert bench.state.gates[gate].verdict == "UNKNOWN"
    assert bench.state.gates[gate].reason == "drydock's own IndexError in the check"


def test_a_judgement_rests_on_the_recorded_facts(tmp_path: Path) -> None:
    """A fact that a step recorded decides its gate; without it the gate is UNKNOWN and the run stops."""

    def enough(facts: Facts) -> str | None:
        return None if facts.need("disk", int) > 5 else "the disk is too small"

    gates = tuple(
        dataclasses.replace(one, check=enough) if one.id == "G-01" else one for one in small_plan().gates
    )
    for value, expected in ((9, "PASS"), (3, "FAIL"), (None, "UNKNOWN")):
        folder = tmp_path / str(value)
        folder.mkdir()
        bench = Bench(folder, small_plan(gates=gates))

        def look(bench: Bench = bench, value: int | None = value) -> None:
            if value is not None:
                bench.recorder.fact("disk", value, source="statvfs")

        bench.run(C_04=look)
        judged = bench.state.gates["G-01"]
        assert judged.verdict == expected
        assert judged.cause == (None if expected == "PASS" else "environment")
        assert ("C-11" in bench.hands.done) == (expected == "PASS")


def test_a_run_is_taken_up_where_its_journal_stands(tmp_path: Path) -> None:
    """A second runner over the same journal goes on with the next thing and repeats nothing."""
    bench = Bench(tmp_path, small_plan())
    bench.recorder.record(DecisionMade(boundary="B-1", answer="proceed", how="socket", digest="d"))
    bench.run()
    assert "B-1" not in bench.hands.done
    Runner(bench.plan, bench.recorder, bench.hands).run()
    assert sum(isinstance(entry.event, RunEnded) for entry in read_journal(bench.path)) == 1


def test_the_real_plan_runs_through_the_runner(tmp_path: Path) -> None:
    """Every gate of the real table is UNKNOWN without facts, so that the very first one stops the run."""
    bench = Bench(tmp_path, the_dry_run())
    ended = bench.run()
    assert bench.hands.done == ["B-1", "C-01", "C-13"]
    assert (ended.verdict, ended.cause, ended.failed_gate) == ("FAIL", "drydock", "G-01")
    assert ended.closure == "UNCLEAN"


def test_a_failed_step_is_finished_with_its_duration(bench: Bench) -> None:
    """The journal holds one end for each begun step, with how long it took."""
    bench.run(C_11=raising(StepFailed("no", cause="environment")))
    ends = [entry.event for entry in read_journal(bench.path) if isinstance(entry.event, StepFinished)]
    assert [(one.step, one.failed) for one in ends] == [
        ("C-04", ""),
        ("C-10", ""),
        ("C-11", "no"),
        ("C-13", ""),
    ]
    assert all(one.duration_ms >= 0 for one in ends)


def test_an_engine_failure_holds_no_local_variable(bench: Bench) -> None:
    """What is journaled of an exception is type, message and places in the code."""
    password = "correct horse battery"

    def work() -> None:
        kept = password
        raise ValueError(f"{len(kept)} characters")

    bench.run(C_04=work)
    assert password not in bench.path.read_text("utf-8")
    assert any(isinstance(entry.event, EngineFailed) for entry in read_journal(bench.path))


@pytest.mark.parametrize(
    "changed",
    [
        {"scenarios": SCENARIOS[:2]},
        {"not_applicable": {"G-01": "no disk"}},
        {"supervise": "step"},
        {"gates": small_plan().gates},
        {"steps": small_plan().steps},
        {"kind": "proof"},
    ],
)
def test_the_plan_s_words_are_under_the_digest(changed: dict[str, object]) -> None:
    """Any change of steps, gates, scenarios, supervision or what does not apply changes the described plan."""
    assert describe(the_dry_run(**changed)) != describe(the_dry_run())
    assert describe(the_dry_run()) == describe(the_dry_run())
