"""What of the server's statistics is told as a scenario's own, with statistics that hear of things late."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from console.engine import glancing
from console.engine.glancing import Glances
from console.model.event import RowsEstimated


class Heard:
    """Statistics that have heard so much; the tables of the engine's first count had 5 rows."""

    def __init__(self, **gained: int) -> None:
        self.counted = dict.fromkeys(gained, 5)
        self.now: Mapping[str, int] = gained

    def gained(self) -> Mapping[str, int]:
        """Return it."""
        return self.now


def told_by(
    at_its_begin: dict[str, int], *later: dict[str, int], before: dict[str, int]
) -> list[dict[str, int]]:
    """Return what is recorded of a scenario when the statistics hear one after the other."""
    told: list[RowsEstimated] = []
    recorder = SimpleNamespace(record=lambda event, origin: told.append(event))
    live = Heard(**at_its_begin)
    glances = Glances(
        cast(Any, SimpleNamespace(recorder=recorder)), "S5", live=cast(Any, live),
        before=before,
    )  # fmt: skip
    for now in later:
        live.now = now
        glances.glance()
    assert {event.scenario for event in told} <= {"S5"}
    return [event.changes for event in told]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every glance is due."""
    monkeypatch.setattr(glancing, "GLANCE_EVERY_S", 0.0)


def test_changes_are_told_once_and_anew_when_they_differ() -> None:
    """The journal fills with figures that say nothing new, or rows that were lost are not told."""
    told = told_by({"a": 0, "b": 0}, {"a": 0, "b": 0}, {"a": 2, "b": 0}, {"a": 2, "b": 0}, {"a": 2, "b": -3},
                   before={"a": 5, "b": 5})  # fmt: skip
    assert told == [{"a": 2}, {"a": 2, "b": -3}]


def test_what_an_earlier_scenario_did_is_not_told_of_a_later_one() -> None:
    """Rows of before are told again: those that were heard of, or those that are heard of late."""
    assert told_by({"a": 4}, {"a": 4}, {"a": 5}, before={"a": 9}) == [{"a": 1}]
    assert told_by({"a": 1}, {"a": 1}, {"a": 3}, {"a": 4}, {"a": 6}, before={"a": 9}) == [{"a": 2}]


def test_nothing_is_told_before_it_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short scenario's statements are joined by the engine's own."""
    monkeypatch.setattr(glancing, "GLANCE_EVERY_S", 60.0)
    assert told_by({"a": 0}, {"a": 2}, before={"a": 5}) == []
