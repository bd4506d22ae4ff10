"""Tests of how a gate is asked: only a fact that is there and has its shape can let it pass."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.errors import FactMalformed, FactMissing
from console.model.gate import Check, Decoded, Facts, Gate, judge


class Disk(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fact of these tests."""

    free_bytes: int


def enough(facts: Facts) -> str | None:
    """Return nothing when 5 bytes are free."""
    free = facts.need("disk", Disk).free_bytes
    return None if free >= 5 else f"{free} bytes are free, 5 are needed"


def gate(check: Check | None) -> Gate:
    """Return a gate with a check."""
    return Gate(
        id="G-01",
        title="room",
        step="C-01",
        cause="environment",
        rests_on=("disk",),
        check=check,
        remedy="free",
    )


@pytest.mark.parametrize(
    ("facts", "check", "expected"),
    [
        ({"disk": {"free_bytes": 5}}, enough, ("PASS", "")),
        ({"disk": {"free_bytes": 4}}, enough, ("FAIL", "4 bytes are free, 5 are needed")),
        ({}, enough, ("UNKNOWN", "the fact disk was never recorded")),
        ({"disk": None}, enough, ("UNKNOWN", "the fact disk cannot be read: Expected `object`, got `null`")),
        ({"disk": {"free_bytes": "5"}}, enough,
         ("UNKNOWN", "the fact disk cannot be read: Expected `int`, got `str` - at `$.free_bytes`")),
        ({"disk": {"free_bytes": 5, "more": 1}}, enough,
         ("UNKNOWN", "the fact disk cannot be read: Object contains unknown field `more`")),
        ({"disk": {"free_bytes": 9}}, None, ("UNKNOWN", "this release cannot ask it yet")),
    ],
)  # fmt: skip
def test_a_verdict_comes_from_facts_alone(facts: dict[str, Any], check: Check | None, expected: Any) -> None:
    """A missing, malformed or unaskable fact is UNKNOWN with its reason, and never PASS."""
    found = judge(gate(check), Facts(facts))
    assert (found.verdict, found.reason) == expected


@given(
    st.none()
    | st.booleans()
    | st.text()
    | st.lists(st.integers())
    | st.dictionaries(st.text(), st.integers())
)
def test_no_other_value_passes(value: Any) -> None:
    """Whatever stands in the fact's place, the gate passes only with the fact's own shape."""
    passes = isinstance(value, dict) and list(value) == ["free_bytes"] and value["free_bytes"] >= 5
    assert (judge(gate(enough), Facts({"disk": value})).verdict == "PASS") == passes


def test_a_missing_fact_is_named() -> None:
    """Both errors carry the fact's name."""
    with pytest.raises(FactMissing) as missing:
        Facts({}).need("disk", Disk)
    with pytest.raises(FactMalformed) as malformed:
        Facts({"disk": 3}).need("disk", Disk)
    assert (missing.value.name, malformed.value.name) == ("disk", "disk")


def test_names_are_found_by_their_beginning_in_order() -> None:
    """Only recorded names with the prefix are listed, sorted."""
    assert Facts({"rows.S2": 1, "rows.S1": 1, "row": 1}).names("rows.") == ["rows.S1", "rows.S2"]


def test_a_fact_that_was_recorded_again_is_read_again() -> None:
    """What was decoded once stands for a later value of the same name, or for another shape of it."""
    decoded: Decoded = {}
    recorded: dict[str, Any] = {"one": [1, 2]}
    first = Facts(recorded, decoded).need("one", list[int])
    assert Facts(recorded, decoded).need("one", list[int]) is first
    assert Facts(recorded, decoded).need("one", set[int]) == {1, 2}
    assert Facts({"one": [1, 2, 3]}, decoded).need("one", list[int]) == [1, 2, 3]
    with pytest.raises(FactMissing):
        Facts({}, decoded).need("one", list[int])
    with pytest.raises(FactMalformed):
        Facts({"one": ["x"]}, decoded).need("one", list[int])
