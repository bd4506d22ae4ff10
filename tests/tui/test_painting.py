"""What a key, a theme and a flood have drawn again, and what the first paint does without; nothing here is timed."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from fix_journals import begun, passed
from fix_screens import Engine, statement, write_run
from textual.app import App
from textual.strip import Strip

from console.tui import collecting
from console.tui.app import LiveApp
from console.tui.widgets import trace as trace_pane
from console.tui.widgets.lines import Lines

LARGE = (160, 48)
RECORDS = [statement(n) for n in range(1, 200)]


def app_on(folder: Path, theme: str = "drydock-dark") -> LiveApp:
    """Return the screen of a run."""
    return LiveApp(folder, Engine(), observe=True, theme=theme)


class Drawn:
    """Which lines of which pane were drawn, and which kinds of update reached the terminal."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lines: defaultdict[str | None, set[int]] = defaultdict(set)
        self.updates: list[str] = []
        render, display = Lines.render_line, App._display

        def render_line(pane: Lines, y: int) -> Strip:
            self.lines[pane.id].add(y)
            return render(pane, y)

        def displayed(app: App[None], screen: object, update: object) -> None:
            self.updates.append(type(update).__name__)
            display(app, screen, update)  # type: ignore[arg-type]

        monkeypatch.setattr(Lines, "render_line", render_line)
        monkeypatch.setattr(App, "_display", displayed)

    def forget(self) -> None:
        """Begin anew."""
        self.lines.clear()
        self.updates.clear()


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Drawn:
    """Watch what is drawn."""
    return Drawn(monkeypatch)


async def test_a_key_draws_the_lines_it_changes_and_not_the_screen(tmp_path: Path, drawn: Drawn) -> None:
    """Going from pane to pane draws both titles and both cursors' lines; the panes' other lines stand."""
    app = app_on(write_run(tmp_path, passed(), RECORDS))
    async with app.run_test(size=LARGE) as pilot:
        await pilot.press("2")
        await pilot.pause(0.2)
        drawn.forget()
        await pilot.press("1")
        await pilot.pause(0.2)
        gates, trace = app.live.checklist, app.live.trace
        assert gates.has_focus and not trace.has_focus
        assert drawn.lines["checklist"] == {0, 1 + gates.cursor - gates.top_line}
        assert drawn.lines["trace"] == {0, 1 + trace.cursor - trace.top_line}
        assert set(drawn.updates) <= {"ChopsUpdate", "NoneType"}


@pytest.mark.parametrize(
    ("first", "then"), [("drydock-dark", "drydock-light"), ("ansi-dark", "drydock-mono")]
)
async def test_roles_take_the_colours_of_another_theme(
    tmp_path: Path, drawn: Drawn, first: str, then: str
) -> None:
    """A theme that is chosen later draws every line in the colours that it has when it is there from the beginning."""
    folder = write_run(tmp_path, passed(), RECORDS)

    def pass_style(app: LiveApp) -> str:
        return str(app.live.checklist.style_of("pass"))

    app = app_on(folder, then)
    async with app.run_test(size=LARGE) as pilot:
        await pilot.pause()
        wanted = pass_style(app)
    app = app_on(folder, first)
    async with app.run_test(size=LARGE) as pilot:
        await pilot.pause(0.2)
        before = pass_style(app)
        drawn.forget()
        app.theme = then
        await pilot.pause(0.2)
        assert before != wanted
        assert pass_style(app) == wanted
        assert set(range(app.live.checklist.size.height)) <= drawn.lines["checklist"]


async def test_a_flood_is_drawn_now_and_then_and_a_trickle_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than a page waits for its turn; less than a page, and whatever comes after the turn, is drawn at once."""
    app = app_on(write_run(tmp_path, begun(), RECORDS))
    async with app.run_test(size=LARGE) as pilot:
        await pilot.pause(0.2)
        pane, trace = app.live.trace, app.feed.trace
        page, whole = pane.page_lines, trace.count
        assert pane.cursor == whole - 1
        monkeypatch.setattr(trace_pane, "_FLOOD_EVERY_S", 1e9)
        trace.count = whole - 1
        pane.show()
        drawn_at = pane.cursor
        monkeypatch.setattr(trace, "count", whole + page)
        pane.show()
        assert pane.cursor == drawn_at
        monkeypatch.setattr(trace_pane, "_FLOOD_EVERY_S", 0.0)
        pane.show()
        assert pane.cursor == whole + page - 1
        monkeypatch.setattr(trace_pane, "_FLOOD_EVERY_S", 1e9)
        monkeypatch.setattr(trace, "count", whole + page + 1)
        pane.show()
        assert pane.cursor == whole + page


@pytest.fixture
def collector() -> Iterator[None]:
    """Leave the collector as it was."""
    yield
    gc.enable()
    gc.unfreeze()


async def test_the_collector_is_held_until_the_first_frame_only(tmp_path: Path, collector: None) -> None:
    """Once the run is on the screen garbage is collected again, apart from what was there before."""
    collecting.hold()
    assert not gc.isenabled()
    app = app_on(write_run(tmp_path, passed(), RECORDS))
    async with app.run_test(size=LARGE) as pilot:
        await pilot.pause(0.2)
        assert gc.isenabled()
        assert gc.get_freeze_count() > 1000


def test_evidence_is_painted_without_what_verifies_it() -> None:
    """What `drydock browse` imports before its first paint has no cryptography, no reports and no gates."""
    later = {"cryptography", "console.evidence.verify", "console.evidence.html", "console.gates.table", "tomllib",
             "console.tui.screens.live", "console.tui.screens.found", "console.tui.screens.compared"}  # fmt: skip
    code = (
        "import sys, console.cli.browse, console.tui.keymap, console.evidence.shelf, console.tui.browse\n"
        f"print(*sorted({later!r} & set(sys.modules)), sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout.split() == []
