"""A run supervised at every scenario, with two consoles on it, on to PASS by keys alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fix_runs import Living
from fix_terminal import Terminal, answer
from test_supervised_steps import waits_or_ended

Opens = Callable[..., Terminal]
Starts = Callable[..., Living]


def _without(words: str) -> Callable[[str], bool]:
    """Return what tells whether words have gone from a screen."""
    return lambda shown: words not in shown


@pytest.mark.matrix
def test_every_scenario_by_keys_from_two_consoles(starts: Starts, opens: Opens) -> None:
    """Linux console and NO_COLOR terminal answer in turn; each answer takes the question away on the other one."""
    living = starts("--supervise", "scenario")
    living.wait_at("B-1")
    consoles = [
        opens(living.folder, variables={"TERM": "linux"}),
        opens(living.folder, variables={"NO_COLOR": "1"}, size=(160, 48)),
    ]
    seen: list[str] = []
    while (boundary := waits_or_ended(living, seen)) is not None:
        heading = f"● {boundary} waits for you; no answer"
        turn = consoles[len(seen) % 2]
        for console in consoles:
            console.shows(heading)
        if boundary == "B-S4":
            turn.resize(40, 10)
            turn.shows("This terminal is 40x10")
            turn.resize(80, 24)
        answer(turn, boundary, "destroy" if boundary == "B-5" else "approve")
        for console in consoles:
            console.until(_without(heading), f"end of {boundary} on both")
        seen.append(boundary)
    for console in consoles:
        console.shows("✓ PASS, CLEAN", "29 of 29 hold")
        console.press("q")
        assert console.ended() == 0
    state = living.finish().state
    assert state.created is not None
    assert [f"B-{words.id}" for words in state.created.scenarios] == [
        name for name in seen if name.startswith("B-S")
    ]
    assert all(state.decisions[name].how == "socket" for name in seen)
