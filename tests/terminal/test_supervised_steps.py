"""A run supervised at every step, whose terminal is lost again and again, on to PASS by keys alone."""

from __future__ import annotations

from collections.abc import Callable

from fix_runs import Living
from fix_terminal import Terminal, answer

Opens = Callable[..., Terminal]
Starts = Callable[..., Living]
PLANNED = ("B-1", "B-2", "B-3", "B-4", "B-5")


def test_every_step_by_keys_with_a_hangup_at_each_boundary(starts: Starts, opens: Opens) -> None:
    """A hangup at each of the plan's boundaries and one in mid-scenario answer nothing; the letters lead to PASS."""
    living = starts("--supervise", "step")
    living.wait_at("B-1")
    terminal = opens(living.folder)
    seen: list[str] = []
    while (boundary := waits_or_ended(living, seen)) is not None:
        terminal.shows(f"● {boundary} waits for you; no answer")
        if boundary in PLANNED:
            terminal.choices()
            terminal.hang_up()
            assert living.state.armed is not None and living.state.armed.boundary == boundary
            terminal = opens(living.folder)
        answer(terminal, boundary, "destroy" if boundary == "B-5" else "approve")
        seen.append(boundary)
        if boundary == "B-4":
            living.wait_until(lambda it: len(it.scenarios_started) > len(it.scenarios), "a scenario")
            terminal.hang_up()
            terminal = opens(living.folder)
    terminal.shows("✓ PASS, CLEAN", "29 of 29 hold")
    terminal.press("q")
    assert terminal.ended() == 0
    ended = living.finish()
    steps = [words.id for words in ended.state.created.steps] if ended.state.created else []
    planned = {"C-01": "B-1", "C-03": "B-2", "C-04": "B-3", "C-10": "B-4", "C-13": "B-5"}
    assert seen == [planned.get(step, f"B-{step}") for step in steps]
    assert {ended.state.decisions[name].how for name in seen} == {"socket"}


def waits_or_ended(living: Living, seen: list[str]) -> str | None:
    """Return the next boundary at which the run waits, None when it has ended."""
    state = living.wait_until(
        lambda it: it.ended is not None or (it.armed is not None and it.armed.boundary not in seen),
        "boundary or end",
    )
    return state.armed.boundary if state.armed is not None else None
