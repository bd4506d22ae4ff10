"""Tests of the plan `dry-run`: its rows fit each other, and what does not apply is said beforehand."""

from __future__ import annotations

import pytest

from console.model.config import EnvironmentConfig, ProtectConfig, RunConfig, SourceConfig
from console.model.plan import Plan
from console.model.verdict import GateVerdict
from console.plans.dry_run import STEPS, cannot_claim, dry_run, not_applicable

CONNECTION = SourceConfig(kind="connection")
DUMP = SourceConfig(kind="dump_file")
DOCKER = EnvironmentConfig(kind="docker")
NEIGHBOUR = ProtectConfig(clusters=("/srv/pg",))
CONTAINERS = {"N-1", "N-2", "N-3"}
SOURCE_GATES = {"G-05", "G-06", "G-10", "G-21", "G-25"}
PROTECTED = {"G-03", "G-12", "G-24"}


def plan(config: RunConfig | None = None) -> Plan:
    """Return the plan of a configuration."""
    return dry_run(config or RunConfig(), scenarios=("S1",))


def test_the_steps_are_c_01_to_c_13() -> None:
    """Thirteen steps in order, the last of which is the teardown."""
    assert [step.id for step in STEPS] == [f"C-{n:02}" for n in range(1, 14)]
    assert plan().teardown.id == "C-13"
    assert plan().scenario_step == "C-10"


def test_every_gate_is_asked_at_exactly_one_step_and_knows_it() -> None:
    """No gate of the table is left out, asked twice, or says another step than the one that asks it."""
    asked = [(gate, step.id) for step in STEPS for gate in step.gates]
    assert sorted(asked) == sorted((gate.id, gate.step) for gate in plan().gates)
    assert [gate for gate, _step in asked] == [gate.id for gate in plan().gates]


def test_closing_gates_are_those_of_the_teardown() -> None:
    """Exactly what C-13 asks is always asked."""
    assert {gate.id for gate in plan().gates if gate.closing} == set(STEPS[-1].gates)


def test_only_three_gates_are_asked_after_each_scenario() -> None:
    """G-15, G-17 and G-19 are, and no other."""
    assert [gate.id for gate in plan().gates if gate.each_scenario] == ["G-15", "G-17", "G-19"]


def test_every_boundary_but_the_destruction_means_abort() -> None:
    """Only B-5 proceeds when nobody answers."""
    found = {step.boundary.id: step.boundary.default for step in STEPS if step.boundary}
    assert found == {"B-1": "abort", "B-2": "abort", "B-3": "abort", "B-4": "abort", "B-5": "proceed"}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (RunConfig(), CONTAINERS),
        (RunConfig(environment=DOCKER), set()),
        (RunConfig(source=CONNECTION), CONTAINERS | PROTECTED),
        (RunConfig(source=CONNECTION, protect=NEIGHBOUR), CONTAINERS),
        (RunConfig(source=DUMP), CONTAINERS | SOURCE_GATES | PROTECTED | {"N-6"}),
        (RunConfig(source=DUMP, protect=NEIGHBOUR, environment=DOCKER), SOURCE_GATES),
    ],
)
def test_what_does_not_apply_is_declared_by_the_kind(config: RunConfig, expected: set[str]) -> None:
    """Gates are left out by the configuration alone, each with a reason, and are not asked."""
    found = not_applicable(config)
    assert set(found) == expected
    assert all(found.values())
    applicable = {gate.id for step in STEPS for gate in plan(config).gates_of(step)}
    assert applicable == {gate.id for gate in plan(config).gates} - expected


def test_the_demo_leaves_no_gate_out_but_the_containers() -> None:
    """The demo protects a neighbour and has a living source, so that nothing is vacuous."""
    assert set(not_applicable(RunConfig())) == CONTAINERS


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (RunConfig(), "a separate cluster, not a sandbox"),
        (RunConfig(), "not by counts"),
        (RunConfig(source=DUMP), "completeness"),
        (RunConfig(source=CONNECTION), "nothing is said about neighbours"),
    ],
)
def test_the_limits_of_the_claim_are_said(config: RunConfig, says: str) -> None:
    """What the evidence cannot show stands in it beforehand."""
    assert any(says in claim for claim in cannot_claim(config))


def test_verdicts_are_the_design_s_five() -> None:
    """PASS, FAIL, UNKNOWN, NOT_REACHED and NOT_APPLICABLE, nothing softer."""
    assert [one.value for one in GateVerdict] == ["PASS", "FAIL", "UNKNOWN", "NOT_REACHED", "NOT_APPLICABLE"]
