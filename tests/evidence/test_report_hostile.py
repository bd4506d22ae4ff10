"""Tests of the report over hostile and malformed journals: text stays text, and nothing breaks the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from fix_journals import Story, aborted_at_b1, fail_at_s4, passed, waiting_at_b2
from hypothesis import given, settings
from hypothesis import strategies as st
from test_page import HOSTILE, rendered

from console.evidence.report import markdown
from console.evidence.required_output import ROWS, required_output
from console.model.event import Entry
from console.model.run_state import fold

_KEPT = {"kind", "verdict", "closure", "cause", "answer", "default", "step", "boundary", "gate", "at"}


def poisoned(value: Any, poison: str, key: str = "") -> Any:
    """Return a JSON value whose every free text has `poison` in its midst."""
    if isinstance(value, dict):
        return {name: poisoned(below, poison, name) for name, below in value.items()}
    if isinstance(value, list | tuple):
        return [poisoned(below, poison, key) for below in value]
    return value[:3] + poison + value[3:] if isinstance(value, str) and key not in _KEPT else value


def poison_entry(entry: Entry, poison: str) -> Entry:
    """Return an entry whose free texts are hostile and whose facts keep their names."""
    raw = msgspec.to_builtins(entry)
    event = poisoned(raw["event"], poison)
    if raw["event"]["kind"] in ("FactRecorded", "NoteRecorded"):
        event["name"] = raw["event"]["name"]
    if raw["event"]["kind"] == "RunCreated":
        event["copy"] = raw["event"]["copy"]
    if raw["event"]["kind"] == "DecisionMade":
        event["how"] = raw["event"]["how"]
    if raw["event"]["kind"] == "ScenarioFinished":
        event["scenario"] = raw["event"]["scenario"]
    return msgspec.convert({**raw, "event": event}, Entry)


@pytest.mark.parametrize(
    ("story", "poison"),
    [
        *((story, " ".join(HOSTILE)) for story in (passed, aborted_at_b1, waiting_at_b2)),
        *((fail_at_s4, poison) for poison in HOSTILE),
    ],
)
def test_hostile_text_anywhere_stays_text(story: Callable[[], Story], poison: str) -> None:
    """No text of any event makes a link, an element, a broken row or a control character in the report."""
    page = markdown(fold(poison_entry(entry, poison) for entry in story().entries()))

    assert not [character for character in page if character != "\n" and not character.isprintable()]
    allowed = {"h1", "h2", "p", "table", "thead", "tbody", "tr", "th", "td", "code", "strong", "ul", "li"}
    assert rendered(page).tags <= allowed
    for section in page.split("\n\n"):
        lines = section.splitlines()
        if lines[0].startswith("|"):
            assert len({cells_of(line) for line in lines}) == 1


def cells_of(line: str) -> int:
    """Return how many pipes of a table's line are not escaped."""
    return sum(one == "|" and line[at - 1] != "\\" for at, one in enumerate(line))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=8), below, max_size=3),
    max_leaves=8,
)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_a_fact_of_any_shape_breaks_nothing(data: st.DataObject) -> None:
    """Whatever JSON stands where a fact was, the report is made and its tables are whole."""
    state = passed().state
    name = data.draw(st.sampled_from([*state.facts, *state.notes]))
    value = data.draw(json_values)
    facts, notes = {**state.facts}, {**state.notes}
    (facts if name in facts else notes)[name] = value
    altered = msgspec.structs.replace(state, facts=facts, notes=notes)

    assert [len(row) for row in required_output(altered)] == [2] * len(ROWS)
    assert rendered(markdown(altered)).tags <= {
        "h1", "h2", "p", "table", "thead", "tbody", "tr", "th", "td", "code", "strong", "ul", "li",
    }  # fmt: skip
