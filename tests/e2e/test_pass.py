"""The reference subject on real PostgreSQL, and what its evidence is worth when a fact of it is changed."""

from __future__ import annotations

import hashlib
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from fix_runs import Drydock, Ended

from console.evidence.gates_again import end_that_does_not_follow
from console.gates.table import GATES
from console.journal import read_journal
from console.model.event import GateJudged, ReceiptClosed, StepStarted
from console.model.gate import Facts, Gate, judge
from console.model.verdict import GateVerdict

sys.path.insert(0, str(Path(__file__).parents[1] / "gates"))
from alterations import GONE, altered, alternatives, leaves
from alterations import Path as LeafPath

MAJORS = (16, 18)
NOT_APPLICABLE = ("N-1", "N-2", "N-3")
KEYS_OF_THE_DESIGN = {
    "run", "verdict", "closure", "cause", "failed_gate", "failed_scenario", "reason", "gates", "scenarios",
    "rows", "rows_total", "residue", "evidence",
}  # fmt: skip
LEAVES_OF_A_KIND = 12
"""How many leaves of one kind (the same path but for names and numbers) are altered in a large fact."""

LIMITS = {
    "free_bytes", "floor_bytes", "source_bytes", "times_source", "registered", "log_lines", "bytes_scanned",
}  # fmt: skip
"""Leaves that are compared with a limit: one of their alternatives must flip a gate, not each."""


@pytest.mark.parametrize("major", MAJORS)
def test_reference_passes(pass_runs: dict[int, Ended], major: int) -> None:
    """The reference subject ends PASS and CLEAN with exit code 0 and the baseline's fifteen rows."""
    ended = pass_runs[major]
    assert ended.outcome == (0, "PASS", "CLEAN", None), ended.said.stderr
    assert ended.summary["rows_total"] == 15
    assert ended.summary["residue"] == []
    assert ended.state.notes["versions"]["postgresql"].startswith(f"{major}.")


@pytest.mark.matrix
@pytest.mark.parametrize("major", MAJORS)
def test_a_large_copy_passes(drydock: Drydock, major: int) -> None:
    """A copy that is dumped by two sessions and loaded without WAL ends otherwise than a small one."""
    ended = drydock.start("--approve", "all", "--pg-major", str(major), rows=400_000).finish()
    assert ended.outcome == (0, "PASS", "CLEAN", None), ended.said.stderr
    entries = [entry.event for entry in read_journal(ended.folder / "journal.jsonl")]
    closed = [
        (it.object, it.how)
        for it in entries
        if isinstance(it, ReceiptClosed) and it.name.endswith("/source.dump")
    ]
    assert closed == [("folder", "overwritten and removed")] * 2
    servers = [
        it.how for it in entries if isinstance(it, ReceiptClosed) and it.name == "postgres of the copy"
    ]
    assert servers == ["ended with 0", "ended by SIGQUIT"]
    assert ended.state.notes["copy.durability"]["fsync"] == "on"
    assert ended.state.notes["copy.durability"]["wal_level"] == "logical"


@pytest.mark.parametrize("major", MAJORS)
def test_every_gate_that_applies_is_pass(pass_runs: dict[int, Ended], major: int) -> None:
    """All gates are PASS but the three about containers, each with the reason why it does not apply."""
    ended = pass_runs[major]
    expected = {gate.id: "NOT_APPLICABLE" if gate.id in NOT_APPLICABLE else "PASS" for gate in GATES}
    assert ended.summary["gates"] == expected
    created = ended.state.created
    assert created is not None
    assert set(created.not_applicable) == set(NOT_APPLICABLE)
    for gate in NOT_APPLICABLE:
        assert "the embedded environment makes no " in created.not_applicable[gate]


@pytest.mark.parametrize("major", MAJORS)
def test_every_scenario_is_pass(pass_runs: dict[int, Ended], major: int) -> None:
    """S1 to S12 and S4b are PASS, in the pack's order."""
    assert list(pass_runs[major].summary["scenarios"].items()) == [
        (f"S{name}", "PASS") for name in ("1", "2", "3", "4", "4b", "5", "6", "7", "8", "9", "10", "11", "12")
    ]


def test_json_has_the_keys_of_the_design(pass_runs: dict[int, Ended]) -> None:
    """`run --json` prints one object with the keys of design section 8, what the copy is, the seal, and no more."""
    ended = pass_runs[16]
    assert ended.said.stdout.startswith("{")
    assert set(ended.summary) == KEYS_OF_THE_DESIGN | {"sealed", "copy", "sample", "kept"}
    assert ended.summary["evidence"] == str(ended.folder)
    assert ended.summary["run"] == ended.folder.name


@pytest.mark.parametrize("major", MAJORS)
def test_demo_source_is_as_before(pass_runs: dict[int, Ended], major: int) -> None:
    """The demo's production holds the rows of before and is the same server after the teardown."""
    state = pass_runs[major].state
    rows = state.notes["demo.rows"]
    assert rows["same"] is True
    assert rows["before"] == rows["after"]
    assert sum(rows["after"].values()) > 40_000
    assert state.facts["source.closing"] == state.facts["source.before"]
    assert state.gates["G-25"].verdict == GateVerdict.PASS


@pytest.mark.parametrize("major", MAJORS)
def test_facts_stand_before_the_gates_that_judge_them(pass_runs: dict[int, Ended], major: int) -> None:
    """Asked again over the journal's facts alone, every gate gives the verdict that the journal holds."""
    state = pass_runs[major].state
    applicable = [gate for gate in GATES if gate.id not in NOT_APPLICABLE]
    asked_again = {gate.id: judge(gate, Facts(state.facts)).verdict for gate in applicable}
    assert asked_again == {gate: GateVerdict(state.gates[gate].verdict) for gate in asked_again}


def test_runs_folder_and_evidence_are_private(pass_runs: dict[int, Ended]) -> None:
    """The run's folder is 0700 and every file in it 0600; secrets and scratch are gone from it."""
    folder = pass_runs[16].folder
    assert folder.stat().st_mode & 0o7777 == 0o700
    modes = {path.relative_to(folder).as_posix(): path.stat().st_mode & 0o777 for path in folder.rglob("*")}
    assert {mode for name, mode in modes.items() if (folder / name).is_file()} == {0o600}
    assert {"journal.jsonl", "trace.jsonl", "report.md", "artefacts"} <= set(modes)
    assert not {"secrets", "scratch", "control.sock"} & set(modes)


def test_reading_commands_know_the_run(drydock: Drydock, pass_runs: dict[int, Ended]) -> None:
    """`runs` lists the run and `status` answers with the run's own exit code, from any shell."""
    ended = pass_runs[16]
    runs = str(ended.folder.parent)
    listed = drydock.command("runs", "--runs-dir", runs)
    assert (listed.exit_code, ended.folder.name in listed.stdout, "PASS" in listed.stdout) == (0, True, True)
    status = drydock.command("status", ended.folder.name, "--runs-dir", runs)
    assert (status.exit_code, "PASS, CLEAN" in status.stdout) == (0, True)


def _kind(path: LeafPath) -> tuple[str, ...]:
    """Return a path without the names of tables and roles: its length and its last key."""
    last = next((str(key) for key in reversed(path) if isinstance(key, str)), "")
    return (str(len(path)), last)


def _sampled(fact: object) -> Iterator[tuple[LeafPath, object]]:
    """Return every leaf of a small fact, and of a large one some of each kind, always the same."""
    found = list(leaves(fact))
    if len(found) <= 60:
        yield from found
        return
    by_kind: dict[tuple[str, ...], list[tuple[LeafPath, object]]] = defaultdict(list)
    for path, leaf in sorted(found, key=lambda it: hashlib.sha256(repr(it[0]).encode()).digest()):
        by_kind[_kind(path)].append((path, leaf))
    for kept in by_kind.values():
        yield from kept[:LEAVES_OF_A_KIND]


def _resting_on(name: str) -> list[Gate]:
    return [
        gate for gate in GATES
        if gate.id not in NOT_APPLICABLE
        and any(name.startswith(it) if it.endswith(".") else name == it for it in gate.rests_on)
    ]  # fmt: skip


def _flips(facts: dict[str, object], gates: list[Gate]) -> bool:
    return any(judge(gate, Facts(facts)).verdict != GateVerdict.PASS for gate in gates)


def test_every_leaf_of_every_recorded_fact_decides(pass_runs: dict[int, Ended]) -> None:
    """Each leaf of the real run's facts (of large ones a fixed sample), altered, flips a gate."""
    facts: dict[str, object] = dict(pass_runs[16].state.facts)
    decorative = []
    tried = 0
    for name, fact in facts.items():
        gates = _resting_on(name)
        assert gates, f"no gate rests on {name}"
        for path, leaf in _sampled(fact):
            tried += 1
            changes = [_flips(altered(facts, name, path, other), gates) for other in alternatives(leaf)]
            limit = any(key in LIMITS for key in path)
            if not (any(changes) if limit else all(changes)):
                decorative.append((name, path, leaf))
    assert decorative == []
    assert tried > 1000


def test_every_deleted_fact_leaves_its_gates_unknown(pass_runs: dict[int, Ended]) -> None:
    """Without a fact of the real run every gate that rests on it by name is UNKNOWN, and names it."""
    facts: dict[str, object] = dict(pass_runs[16].state.facts)
    for name in facts:
        for gate in _resting_on(name):
            judged = judge(gate, Facts(altered(facts, name, (), GONE)))
            assert (gate.id, name, judged.verdict) == (gate.id, name, GateVerdict.UNKNOWN)
            assert name in judged.reason


def test_no_gate_was_judged_before_its_step_began(pass_runs: dict[int, Ended]) -> None:
    """In the journal each gate's first judgement stands behind the beginning of its step."""
    begun: set[str] = set()
    step_of = {gate.id: gate.step for gate in GATES}
    for entry in pass_runs[16].entries:
        if isinstance(entry.event, StepStarted):
            begun.add(entry.event.step)
        elif isinstance(entry.event, GateJudged) and not entry.event.scenario:
            assert step_of[entry.event.gate] in begun


def test_a_pass_whose_isolation_was_asked_once_does_not_follow(pass_runs: dict[int, Ended]) -> None:
    """A journal that says PASS and asked G-07 in C-04 alone is taken for one that proves it."""
    state = pass_runs[16].state
    assert state.times_asked["G-07"] == 2
    assert end_that_does_not_follow(state) == []
    once = msgspec.structs.replace(state, times_asked={**state.times_asked, "G-07": 1})
    assert end_that_does_not_follow(once) == ["the end is PASS and G-07 was not asked again in C-10"]
