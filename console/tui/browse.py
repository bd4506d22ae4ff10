"""The evidence application: the list of runs, one run's evidence, its statements, a search, a comparison.

Owns no evidence and no key: it is given something that reads both. Losing the terminal closes it and nothing else.
A screen is imported when it is first opened, so that the one that was asked for is painted without the others.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual import events
from textual.app import App, SystemCommand
from textual.screen import Screen

from console.model.browsing import Evidence, Hit
from console.model.text import visible
from console.settings import default_state_folder
from console.tui import collecting
from console.tui.browse_keys import browse_help
from console.tui.checking import Checking, check_apart
from console.tui.opened import OpenRun
from console.tui.picture import keep, picture_name, without_links
from console.tui.screens.evidence import EvidenceScreen
from console.tui.screens.listing import ListScreen
from console.tui.screens.notices import HelpScreen, TooSmallScreen
from console.tui.terminal import (
    SMALLEST_COLUMNS,
    SMALLEST_ROWS,
    default_theme,
    end_at_hangup,
    restore_title_sequence,
    save_title_sequence,
    title_sequence,
)
from console.tui.themes import ORDER, begin_in

if TYPE_CHECKING:
    from console.tui.screens.statements import StatementsScreen
    from console.tui.seeking import Seeking

_POLL_S = 0.2
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class BrowseApp(App[None], inherit_bindings=False):
    """Evidence on the screen: of one run, or of all of them."""

    CSS_PATH = ["style.tcss", "browse.tcss"]
    TITLE = "drydock"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS = []

    def __init__(
        self, evidence: Evidence, run: str = "", *, theme: str = "", keymap: Mapping[str, str] | None = None,
        keep_in: Path | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.evidence = evidence
        self._first = run
        self._own_keys = keymap or {}
        self._keep_in = keep_in or default_state_folder()
        self.checks: dict[str, Checking] = {}
        self._open: list[OpenRun] = []
        self._statements: dict[str, StatementsScreen] = {}
        self.set_keymap(dict(self._own_keys))
        begin_in(self, theme or default_theme())

    def on_mount(self) -> None:
        """Show the run that was named, else the list; go away quietly when the terminal does."""
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self.exit)
        end_at_hangup(self._close_what_is_open)
        self._write(save_title_sequence() + title_sequence("evidence · drydock"))
        self.set_interval(_POLL_S, self._poll)
        self.call_after_refresh(collecting.let_go)

    def get_default_screen(self) -> Screen[None]:
        """Return what was asked for: it is painted first, and stays below everything else."""
        if self._first:
            return self._evidence_screen(self._first)
        from console.tui.screens.runs import RunsScreen

        self.runs = RunsScreen(self.evidence, self, self._own_keys)
        self.runs.runs.checks = self.checks
        return self.runs

    def on_unmount(self) -> None:
        """Give the terminal its title back, and remove what was unpacked."""
        self._write(restore_title_sequence())
        self._close_what_is_open()

    def _close_what_is_open(self) -> None:
        for one in self._statements.values():
            one.feed.close()
        for opened in self._open:
            opened.close()

    def _write(self, sequence: str) -> None:
        if sequence and self._driver is not None and not self.is_headless:
            self._driver.write(sequence)
            self._driver.flush()

    def _poll(self) -> None:
        """Draw what is being unpacked."""
        standing = self._standing_statements()
        if standing is not None:
            standing.look()

    def _standing_statements(self) -> StatementsScreen | None:
        """Return the statements that stand before everything; there is no screen at all while the application ends."""
        return next((one for one in self._statements.values() if self.screen_stack[-1:] == [one]), None)

    def on_resize(self, event: events.Resize) -> None:
        """Put one message before everything while the terminal is too small."""
        small = event.size.width < SMALLEST_COLUMNS or event.size.height < SMALLEST_ROWS
        if small and not isinstance(self.screen, TooSmallScreen):
            self.push_screen(TooSmallScreen())
        elif not small and isinstance(self.screen, TooSmallScreen):
            self.pop_screen()

    def open_run(self, run: str, place: Hit | None = None) -> None:
        """Show one run's evidence, at a place that a search found."""
        screen = self._evidence_screen(run)
        waiting = self.push_screen(screen)
        if place is not None:
            self.call_later(self._show_place, waiting, screen, place)

    def _evidence_screen(self, run: str) -> EvidenceScreen:
        opened = OpenRun(self.evidence, run)
        self._open.append(opened)
        return EvidenceScreen(self.evidence, opened, self, self._own_keys)

    async def _show_place(self, waiting: Any, screen: EvidenceScreen, place: Hit) -> None:
        await waiting
        screen.show_place(place)

    def search_runs(self, text: str) -> None:
        """Show where a text stands in any run."""
        from console.tui.screens.found import FoundScreen

        self.push_screen(FoundScreen(self.evidence, text, self, self._own_keys))

    def compare_runs(self, first: str, second: str) -> None:
        """Show what two runs do not have alike."""
        from console.tui.screens.compared import ComparedScreen

        self.push_screen(ComparedScreen(self.evidence, first, second, self._own_keys))

    def check_run(self, run: str) -> Checking:
        """Begin to verify a run, and return what becomes known of it; one that is being verified goes on."""
        standing = self.checks.get(run)
        if standing is None or standing.done:
            self.checks[run] = check_apart(self.evidence, run, self._news)
        return self.checks[run]

    def _news(self) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, ListScreen):
                screen.news()

    def show_statements(self, run: OpenRun, pane: str, seek: Seeking | None) -> None:
        """Show a run's trace or matrix, and look for a statement."""
        from console.tui.feed import RunFeed
        from console.tui.screens.statements import StatementsScreen

        folder = run.unpack(partial(self._unpacked, run.run))
        screen = StatementsScreen(RunFeed(folder), self._own_keys)
        standing = self._statements.get(run.run)
        if standing is not None:
            standing.feed.close()
            screen.is_whole = standing.is_whole
        screen.is_whole = screen.is_whole or run.is_unpacked
        self._statements[run.run] = screen
        self.call_later(self._push_statements, screen, pane, seek)

    async def _push_statements(self, screen: StatementsScreen, pane: str, seek: Seeking | None) -> None:
        await self.push_screen(screen)
        screen.show(pane, seek)

    def _unpacked(self, run: str, trouble: str) -> None:
        """The trace is whole now, or will never be."""
        if trouble:
            self.notify(visible(trouble), severity="error", timeout=10, markup=False)
        screen = self._statements.get(run)
        if screen is not None:
            screen.is_whole = True
            screen.look()

    def action_leave(self) -> None:
        """Go back one screen; from the first one, away."""
        if len(self.screen_stack) > 1:
            self.pop_screen()
        else:
            self.exit()

    def action_boundary(self) -> None:
        """Evidence asks no question."""

    def action_help(self) -> None:
        """Show the keys: of the live screen where the statements are, else of the evidence."""
        lines = browse_help(self._own_keys) if self._standing_statements() is None else None
        self.push_screen(HelpScreen(self._own_keys, lines))

    def action_copy(self) -> None:
        """Copy what is told of the selection, to the terminal's clipboard and to a file."""
        screen, statements = self.screen, self._standing_statements()
        text = (
            screen.copied() if isinstance(screen, ListScreen) else statements.copied() if statements else ""
        )
        if text:
            self.copy_to_clipboard(text)
            self._keep(text, "copied.txt", "copied; also in")

    def action_picture(self) -> None:
        """Keep the screen as a picture."""
        name = picture_name("evidence")
        self._keep(without_links(self.export_screenshot(title="drydock evidence")), name, "picture:")

    def _keep(self, text: str, name: str, says: str) -> None:
        try:
            path = keep(text, self._keep_in, name)
        except OSError as wrong:
            self.notify(visible(f"{self._keep_in / name} cannot be written: {wrong.strerror}"), markup=False)
            return
        self.notify(visible(f"{says} {path}"), timeout=8, markup=False)

    def action_theme(self) -> None:
        """Go to the next theme."""
        if self.theme in ORDER:
            self.theme = ORDER[(ORDER.index(self.theme) + 1) % len(ORDER)]

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Offer nothing: there is no palette here."""
        del screen
        return ()
