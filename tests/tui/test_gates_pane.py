"""The list of gates while a run is led: which line it puts before the operator."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fix_journals import Story, armed, fail_at_s4, waiting_at_b2
from fix_screens import Engine, write_run
from textual.app import App

from console.journal import JournalWriter
from console.model.event import ScenarioFinished
from console.secrets import SecretRegistry
from console.tui.app import LiveApp

SMALL = (80, 24)


def failed_and_asked() -> Story:
    """Return a run in which S4 has failed and B-5 asks whether the copy may go."""
    whole, cut = fail_at_s4(), Story()
    last = max(n for n, event in enumerate(whole.events) if isinstance(event, ScenarioFinished))
    return cut.add(*whole.events[: last + 1]).add(armed("B-5"))


def text_of(app: App[None]) -> str:
    """Return what the whole screen shows, line by line."""
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in lines)


@pytest.mark.parametrize(
    ("story", "shows"), [(failed_and_asked, "S4 FAIL"), (waiting_at_b2, "▸● B-2 waits for you")]
)
async def test_a_question_leaves_what_matters_in_sight(
    tmp_path: Path, story: Callable[[], Story], shows: str
) -> None:
    """After a FAIL the question hides what failed, or without one the list is elsewhere than at the boundary."""
    folder = write_run(tmp_path, story(), [])
    writer = JournalWriter(folder / "journal.jsonl", SecretRegistry())
    try:
        app = LiveApp(folder, Engine(), observe=False, theme="drydock-dark")
        async with app.run_test(size=SMALL) as pilot:
            await pilot.pause(0.3)
            assert "waits for you; no answer" in text_of(app)
            assert shows in text_of(app), text_of(app)
    finally:
        writer.close()
