"""Tests of the summary: what machines are told about a run."""

from __future__ import annotations

import json

import pytest
from fix_journals import (
    RUN,
    SERVER_WORDS,
    Story,
    aborted_at_b1,
    begun,
    fail_at_s4,
    passed,
    running_in_c05,
    waiting_at_b2,
)

from console.evidence.summary import gate_verdicts, summary
from console.model.event import ScenarioStarted


def test_a_pass_counts_fifteen_rows_and_names_no_failure() -> None:
    """The summary of a passing run has every gate, every scenario and the sum of the last count."""
    told = summary(passed().state, evidence="/runs/x")

    assert (told["run"], told["verdict"], told["closure"], told["cause"]) == (RUN, "PASS", "CLEAN", None)
    assert (told["failed_gate"], told["failed_scenario"], told["reason"]) == (None, None, "")
    assert told["rows_total"] == 15
    assert told["evidence"] == "/runs/x"
    assert set(dict.fromkeys(told["scenarios"].values())) == {"PASS"}  # type: ignore[attr-defined]
    assert set(told["gates"].values()) == {"PASS", "NOT_APPLICABLE"}  # type: ignore[attr-defined]


def test_a_failure_names_place_and_cause_and_what_was_not_reached() -> None:
    """The summary of the seeds' failure has S4, the subject, and NOT_REACHED for what came later."""
    told = summary(fail_at_s4().state, evidence="x")

    assert (told["verdict"], told["cause"], told["failed_gate"], told["failed_scenario"]) == (
        "FAIL", "subject", "G-15", "S4",
    )  # fmt: skip
    assert SERVER_WORDS in str(told["reason"])
    gates, scenarios = told["gates"], told["scenarios"]
    assert isinstance(gates, dict)
    assert isinstance(scenarios, dict)
    assert (gates["G-15"], gates["G-16"], gates["N-1"], gates["N-7"]) == (
        "FAIL", "NOT_REACHED", "NOT_APPLICABLE", "PASS",
    )  # fmt: skip
    assert (scenarios["S3"], scenarios["S4"], scenarios["S4b"]) == ("PASS", "FAIL", "NOT_REACHED")
    assert (told["rows_total"], told["residue"]) == (0, [])


def test_what_was_never_counted_is_null_and_not_zero() -> None:
    """A run that never counted rows has no total."""
    told = summary(aborted_at_b1().state, evidence="x")

    assert (told["verdict"], told["rows"], told["rows_total"]) == ("ABORTED", {}, None)


@pytest.mark.parametrize(
    ("story", "condition"),
    [(begun(), "running"), (waiting_at_b2(), "waiting"), (running_in_c05(), "running")],
)
def test_an_unfinished_run_has_no_verdict(story: Story, condition: str) -> None:
    """Verdict and closure are null while a run goes on, and the condition says what it does."""
    told = summary(story.state, evidence="x")

    assert (told["verdict"], told["closure"], told["condition"]) == (None, None, condition)
    assert set(told["gates"].values()) <= {"PASS", "NOT_REACHED", "NOT_APPLICABLE"}  # type: ignore[attr-defined]


def test_a_scenario_that_was_never_judged_is_no_pass_and_was_reached() -> None:
    """A scenario during which the engine died is UNKNOWN."""
    told = summary(running_in_c05().add(ScenarioStarted(scenario="S1")).state, evidence="x")

    assert told["scenarios"]["S1"] == "UNKNOWN"  # type: ignore[index]


def test_a_gate_that_held_after_scenarios_only_is_not_reached() -> None:
    """G-19 held after S1 to S4 and was not asked in C-11, and the reason says both."""
    verdict, reason = gate_verdicts(fail_at_s4().state)["G-19"]

    assert (verdict, reason) == ("NOT_REACHED", "held after S1, S2, S3, S4; not asked at its own step")


def test_the_object_is_json() -> None:
    """Every summary survives a trip through the standard library's JSON."""
    for story in (passed(), fail_at_s4(), aborted_at_b1(), Story()):
        told = summary(story.state, evidence="x")
        assert json.loads(json.dumps(told)) == told
