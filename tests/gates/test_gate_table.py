"""The table itself, the gates asked after each scenario, the sentences' words and the written page."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from alterations import GONE, altered
from passing import passing_facts

from console.gates import document
from console.gates.sentences import first_few, said, unequal, unlisted
from console.gates.table import GATES, by_id
from console.model.gate import Facts, Gate, judge
from console.model.verdict import GateVerdict

PAGE = Path(__file__).parents[2] / "docs" / "gates.md"
EACH_SCENARIO = ("G-15", "G-17", "G-19")
VERBS = {"is", "are", "was", "were", "has", "have", "hold", "agree", "changed", "restarted"}


def after(*scenarios: str) -> dict[str, object]:
    """Return the facts as they stand after some of the scenarios, before the battery."""
    facts = passing_facts()
    known = {"scenarios.planned", "effects.before"}
    recorded = {f"{prefix}.{it}" for it in scenarios for prefix in ("rows", "surface")}
    return {name: value for name, value in facts.items() if name in known | recorded}


def test_gates_stand_in_the_designs_order() -> None:
    """The table has G-01 to G-25 and N-1 to N-7, each once and in order."""
    wanted = [f"G-{number:02}" for number in range(1, 26)] + [f"N-{number}" for number in range(1, 8)]
    assert [gate.id for gate in GATES] == wanted


def test_places_are_the_designs() -> None:
    """Steps, the gates of each scenario and the closing gates are those of the design's section 4."""
    first = {
        "G-01": "C-01", "G-04": "C-02", "G-05": "C-03", "G-07": "C-04", "G-08": "C-05", "G-09": "C-06",
        "G-10": "C-07", "G-11": "C-08", "G-13": "C-09", "G-14": "C-11", "G-23": "C-12", "G-24": "C-13",
    }  # fmt: skip
    step, steps = "", {}
    for gate in GATES:
        step = first.get(gate.id, step)
        steps[gate.id] = step
    assert {gate.id: gate.step for gate in GATES} == steps
    assert [gate.id for gate in GATES if gate.each_scenario] == list(EACH_SCENARIO)
    assert [gate.id for gate in GATES if gate.closing] == [gate.id for gate in GATES if gate.step == "C-13"]


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.id)
def test_a_row_is_complete(gate: Gate) -> None:
    """Every row has a title, a remedy, a documented check named for the truth it tells, and facts."""
    assert by_id(gate.id) is gate
    assert gate.title
    assert gate.remedy
    assert gate.rests_on
    assert gate.check is not None
    assert inspect.getdoc(gate.check)
    assert VERBS & set(gate.check.__name__.split("_"))


def test_checks_are_not_shared() -> None:
    """No two gates have the same check, so that each sentence has one place."""
    assert len({gate.check for gate in GATES}) == len(GATES)


def test_an_unknown_id_is_an_error() -> None:
    """A gate that does not exist is a KeyError, never a default."""
    with pytest.raises(KeyError):
        by_id("G-99")


@pytest.mark.parametrize("gate", EACH_SCENARIO)
@pytest.mark.parametrize("ran", [("S1",), ("S1", "S2"), ("S1", "S2", "S3")], ids="-".join)
def test_gates_hold_while_scenarios_run(gate: str, ran: tuple[str, ...]) -> None:
    """After each scenario the gates are asked over those that ran."""
    assert judge(by_id(gate), Facts(after(*ran))).verdict == GateVerdict.PASS


@pytest.mark.parametrize("gate", EACH_SCENARIO)
@pytest.mark.parametrize(
    ("ran", "lost", "missing"),
    [
        ((), "", "rows.S1"),
        (("S1", "S3"), "", "rows.S2"),
        (("S1", "S2"), "rows.S2", "rows.S2"),
        (("S1", "S2"), "surface.S2", "surface.S2"),
        (("S2",), "", "rows.S1"),
    ],
)
def test_a_silent_scenario_is_unknown(gate: str, ran: tuple[str, ...], lost: str, missing: str) -> None:
    """A scenario that left no fact, or one of two, is never taken for one that did nothing."""
    facts = after(*ran)
    judged = judge(by_id(gate), Facts(altered(facts, lost, (), GONE) if lost else facts))
    assert judged.verdict == GateVerdict.UNKNOWN
    assert judged.reason == f"the fact {missing} was never recorded"


def test_an_unplanned_scenario_fails() -> None:
    """A scenario that ran and is not in the plan fails G-15 by its name."""
    facts = passing_facts()
    facts |= {"rows.S0": facts["rows.S1"], "surface.S0": facts["surface.S1"]}
    assert judge(by_id("G-15"), Facts(facts)).reason.startswith("S0: the scenario is not in the plan")


def test_no_scenario_planned_is_unknown() -> None:
    """A plan without scenarios proves nothing about them."""
    facts = altered(after("S1"), "scenarios.planned", ("scenarios",), {})
    del facts["rows.S1"], facts["surface.S1"]
    assert judge(by_id("G-19"), Facts(facts)).verdict == GateVerdict.UNKNOWN


def test_an_abort_before_the_first_step_is_clean() -> None:
    """When nothing was begun, net-zero holds over what the teardown alone can record."""
    nothing = {"maker": "not begun", "receipts": 0, "exists": {}, "without_receipt": []}
    kinds = ("containers", "volumes", "networks", "secrets", "processes")
    facts: dict[str, object] = {f"left.{kind}": nothing for kind in kinds}
    facts["starts"] = {"maker": "not begun", "before": {}, "after": {}}
    facts |= {name: passing_facts()[name] for name in ("subject.before", "subject.after")}
    asked = [gate for gate in GATES if gate.id.startswith("N-")]
    assert [judge(gate, Facts(facts)).verdict for gate in asked] == [GateVerdict.PASS] * 7


def test_a_sentence_names_five_and_counts_the_rest() -> None:
    """The first five differences are named, the others counted."""
    assert first_few("abcde") == "a; b; c; d; e"
    assert first_few("abcdefg") == "a; b; c; d; e; and 2 more"
    assert said([]) is None


def test_differences_are_named_by_key() -> None:
    """A missing key, a key too many and another value are three different phrases."""
    assert unequal({"a": 1, "b": 2, "c": ""}, {"b": 3, "c": "", "d": 4}) == [
        "a is missing",
        "b is 3, expected 2",
        "d is not expected",
    ]
    assert unlisted("role", ["a", "b"], ["b", "c"]) == ["role a is missing", "role c is not expected"]


def test_hostile_text_is_repeated_as_it_stands() -> None:
    """A name with control characters and markup reaches the sentence unchanged."""
    hostile = "\x1b[31m[@click=app.quit]x\u202e"
    facts = altered(passing_facts(), "names", ("exists", hostile), True)
    assert judge(by_id("G-02"), Facts(facts)).reason == f"{hostile} exists already"


def test_the_committed_page_is_the_tables() -> None:
    """docs/gates.md is what the table says now."""
    assert PAGE.read_text(encoding="utf-8") == document.gates_page()


def test_the_page_shows_an_unbuilt_gate() -> None:
    """A gate without a check is said to be UNKNOWN."""
    unbuilt = Gate(
        id="G-99", title="t", step="C-01", cause="drydock", rests_on=("rows.",), check=None, remedy="r"
    )
    assert "This release cannot ask it yet, so it is UNKNOWN." in document.markdown((unbuilt,))
    assert "- rests on: `rows.*`" in document.markdown((unbuilt,))
