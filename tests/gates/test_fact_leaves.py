"""Nothing in a fact is decoration: each leaf and each fact decides a gate, and no check reads another one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import pytest
from alterations import GONE, Path, altered, alternatives, leaves
from hypothesis import given
from hypothesis import strategies as st
from passing import Environment, passing_facts

from console.gates.table import GATES
from console.model.facts import FACTS
from console.model.gate import Facts, Gate, judge
from console.model.verdict import GateVerdict

ENVIRONMENTS: tuple[Environment, ...] = ("embedded", "docker")


class _Remembering(Mapping[str, Any]):
    """Recorded facts that remember which of them were looked at."""

    def __init__(self, recorded: Mapping[str, Any]) -> None:
        self._recorded = recorded
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.asked.add(name)
        return self._recorded[name]

    def __contains__(self, name: object) -> bool:
        return name in self._recorded

    def __iter__(self) -> Iterator[str]:
        return iter(self._recorded)

    def __len__(self) -> int:
        return len(self._recorded)


def gates_resting_on(name: str) -> list[Gate]:
    """Return the gates that name the fact or its prefix."""
    return [gate for gate in GATES if any(_covers(resting, name) for resting in gate.rests_on)]


def _covers(resting: str, name: str) -> bool:
    return name.startswith(resting) if resting.endswith(".") else name == resting


def _flips(facts: dict[str, object], name: str) -> bool:
    return any(judge(gate, Facts(facts)).verdict != GateVerdict.PASS for gate in gates_resting_on(name))


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.id)
def test_passing_facts_pass(gate: Gate, environment: Environment) -> None:
    """Every gate holds over the passing facts of every environment."""
    judged = judge(gate, Facts(passing_facts(environment)))
    assert (judged.verdict, judged.reason) == (GateVerdict.PASS, "")


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("name", sorted(passing_facts()))
def test_every_leaf_decides(name: str, environment: Environment) -> None:
    """Altering any leaf of a fact flips a gate that rests on it."""
    facts = passing_facts(environment)
    decorative = [
        path
        for path, leaf in leaves(facts[name])
        if not any(_flips(altered(facts, name, path, other), name) for other in alternatives(leaf))
    ]
    assert decorative == []


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("name", sorted(passing_facts()))
def test_texts_flags_and_equal_numbers_have_no_slack(name: str, environment: Environment) -> None:
    """Only numbers that are limits may move without flipping a gate, and these are all of them."""
    facts = passing_facts(environment)
    slack = {
        (name, str(path[0]))
        for path, leaf in leaves(facts[name])
        for other in alternatives(leaf)
        if not _flips(altered(facts, name, path, other), name)
    }
    assert slack <= {
        ("disk", "free_bytes"),
        ("disk", "floor_bytes"),
        ("disk", "source_bytes"),
        ("disk", "times_source"),
        ("secrets.places", "registered"),
        ("restore", "log_lines"),
        ("scan.records", "bytes_scanned"),
        ("scan.artefacts", "bytes_scanned"),
    }


@pytest.mark.parametrize("name", sorted(passing_facts()))
def test_a_deleted_fact_is_unknown(name: str) -> None:
    """Without a fact every gate that rests on it is UNKNOWN and names it."""
    facts = altered(passing_facts(), name, (), GONE)
    for gate in gates_resting_on(name):
        judged = judge(gate, Facts(facts))
        assert (gate.id, judged.verdict) == (gate.id, GateVerdict.UNKNOWN)
        assert judged.reason == f"the fact {name} was never recorded"


@pytest.mark.parametrize("name", sorted(passing_facts()))
@pytest.mark.parametrize("malformed", [None, 7, "text", [], [[]], {"unknown_key": 1}], ids=repr)
def test_a_malformed_fact_is_unknown(name: str, malformed: object) -> None:
    """A fact of another shape makes every gate that rests on it UNKNOWN, never an exception."""
    facts = altered(passing_facts(), name, (), malformed)
    for gate in gates_resting_on(name):
        judged = judge(gate, Facts(facts))
        assert (gate.id, judged.verdict) == (gate.id, GateVerdict.UNKNOWN)
        assert judged.reason.startswith(f"the fact {name} cannot be read: ")


def test_facts_and_gates_cover_each_other() -> None:
    """Every declared fact is rested on by a gate, and every gate rests on declared facts only."""
    assert set(FACTS) == {name for gate in GATES for name in gate.rests_on}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_passing_facts_are_complete(environment: Environment) -> None:
    """The passing facts hold every declared fact, in its declared shape, and no other."""
    recorded = passing_facts(environment)
    for name, value in recorded.items():
        shape = FACTS.get(name) or FACTS[name.split(".")[0] + "."]
        msgspec.convert(value, shape, strict=True)
    declared = {name for name in FACTS if not name.endswith(".")}
    scenarios = {f"{prefix}.{it}" for prefix in ("rows", "surface") for it in ("S1", "S2", "S3")}
    assert set(recorded) == declared | scenarios


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.id)
def test_a_check_reads_what_its_row_names(gate: Gate) -> None:
    """A check reads exactly the facts that its row rests on."""
    recorded = _Remembering(passing_facts())
    judge(gate, Facts(recorded))
    named = {name for name in recorded if any(_covers(resting, name) for resting in gate.rests_on)}
    assert recorded.asked == named


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_PLACES: list[tuple[str, Path]] = [
    (n, path) for n, fact in passing_facts().items() for path, _ in leaves(fact)
]


@given(place=st.sampled_from(_PLACES), value=_JSON)
def test_no_value_breaks_a_check(place: tuple[str, Path], value: object) -> None:
    """Whatever stands in a fact, hostile text included, the answer is a verdict and never an exception."""
    name, path = place
    facts = altered(passing_facts(), name, path, value)
    for gate in gates_resting_on(name):
        judged = judge(gate, Facts(facts))
        assert (judged.reason == "") == (judged.verdict == GateVerdict.PASS)
