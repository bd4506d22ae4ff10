"""What the screen gives away: copies, pictures, notifications, and how much time is left."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fix_journals import begun, passed
from fix_screens import HOSTILE, Engine, statement, write_run

from console.model.event import ProgressReported, ScenarioFinished, ScenarioStarted, StepStarted
from console.tui.app import LiveApp
from console.tui.checklist import progress_words
from console.tui.terminal import notification_sequence


def app_on(tmp_path: Path, **words: object) -> LiveApp:
    """Return the screen of an ended run whose first statement is hostile."""
    folder = write_run(tmp_path / "runs", passed(), [statement(1, sql=HOSTILE)])
    return LiveApp(folder, Engine(), observe=True, theme="drydock-dark", **words)  # type: ignore[arg-type]


async def test_a_copy_goes_to_clipboard_and_file(tmp_path: Path) -> None:
    """c copies the selected statement with every hostile character as a glyph, into a 0600 file as well."""
    app = app_on(tmp_path, keep_in=tmp_path / "kept")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2", "home", "c")
        await pilot.pause(0.2)
        copied = app.clipboard
    path = tmp_path / "kept" / "copied.txt"
    assert path.read_text("utf-8") == copied and path.stat().st_mode & 0o777 == 0o600
    assert "SQL: SELECT '␛]2;owned␇' [/]" in copied and "\x1b" not in copied and "\u202e" not in copied
    assert base64.b64encode(copied.encode())


async def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """Where nothing can be kept, the screen says so and goes on."""
    (tmp_path / "kept").write_text("a file", "utf-8")
    app = app_on(tmp_path, keep_in=tmp_path / "kept")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("S")
        await pilot.pause(0.3)
        assert "cannot be written" in str(next(iter(app._notifications)).message)


async def test_a_picture_has_no_outside_link(tmp_path: Path) -> None:
    """S keeps the screen as SVG; the only address in it is the name of SVG itself."""
    app = app_on(tmp_path, keep_in=tmp_path / "kept")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause(0.1)
        await pilot.press("S")
        await pilot.pause(0.3)
    [path] = (tmp_path / "kept").glob("*.svg")
    svg = path.read_text("utf-8")
    assert "PASS" in svg and svg.count("://") == svg.count("http://www.w3.org/2000/svg")


@pytest.mark.parametrize(
    ("variables", "begins"),
    [
        ({"TERM": "xterm-kitty"}, "\x1b]99;"),
        ({"TERM": "foot"}, "\x1b]777;notify;"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, "\x1b]9;"),
        ({"TERM": "xterm-256color"}, ""),
        ({"TERM": "linux"}, ""),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/x"}, ""),
    ],
)
def test_a_notification_only_where_the_terminal_has_one(variables: dict[str, str], begins: str) -> None:
    """Each known terminal gets its own escape, an unknown one and a multiplexer none, and no text ends it early."""
    said = notification_sequence("B-2 waits; \x1b\\\x07 now", variables)
    assert (said[: len(begins)], bool(said)) == (begins, bool(begins))
    assert said.count("\x1b") == (2 if begins else 0) and "\x07" not in said


def test_the_time_that_is_left() -> None:
    """A half-done dump of 10 s takes about 10 s more; two of thirteen scenarios in 4 s leave about 22 s."""
    dump = begun().add(
        StepStarted(step="C-03"), ProgressReported(step="C-03", done=50_000, total=100_000, unit="bytes")
    )
    began = datetime.fromisoformat(dump.state.steps_started["C-03"])
    assert (
        progress_words(dump.state, began + timedelta(seconds=10)) == "50.0 kB of 100.0 kB, about 10.0 s left"
    )
    scenarios = begun().add(StepStarted(step="C-10"))
    for name in ("S1", "S2"):
        done = ScenarioFinished(scenario=name, verdict="PASS", duration_ms=1)
        scenarios.add(ScenarioStarted(scenario=name), done)
    first = datetime.fromisoformat(scenarios.state.scenarios_started["S1"])
    said = progress_words(scenarios.state, first + timedelta(seconds=4))
    assert said == "scenario 3 of 13, about 22.0 s left"
    unknown = begun().add(
        StepStarted(step="C-03"), ProgressReported(step="C-03", done=50, total=0, unit="bytes")
    )
    assert progress_words(unknown.state, datetime.now(UTC)) == "50 bytes"
