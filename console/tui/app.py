"""The screen's application: polls the run, puts its boundary before everything, and can always go away.

Owns no state of the run and asks no engine itself: it is given a callable for that. Losing the terminal
closes it and nothing else.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from textual import events
from textual.app import App, SystemCommand
from textual.geometry import Size
from textual.screen import Screen, SystemModalScreen

from console.model.text import visible
from console.settings import default_state_folder
from console.tui import collecting
from console.tui.asking import ask_apart
from console.tui.challenge import Pace
from console.tui.decision import Answer, Decide, Said
from console.tui.feed import RunFeed
from console.tui.keys import KEYS, shown_key
from console.tui.picture import keep, picture_name, without_links
from console.tui.screens.boundary import BoundaryScreen
from console.tui.screens.leave import LeaveScreen
from console.tui.screens.live import LiveScreen
from console.tui.screens.notices import HelpScreen, TooSmallScreen
from console.tui.screens.question import QuestionScreen
from console.tui.terminal import (
    SMALLEST_COLUMNS,
    SMALLEST_ROWS,
    default_theme,
    end_at_hangup,
    notification_sequence,
    restore_title_sequence,
    save_title_sequence,
    title_sequence,
)
from console.tui.themes import ORDER, begin_in

POLL_S = 0.1
BLOCKED = ("command_palette", "quit", "leave", "help", "copy", "picture")
"""What does not work while a question stands."""
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class LiveApp(App[None], inherit_bindings=False):
    """One run on the screen."""

    CSS_PATH = "style.tcss"
    TITLE = "drydock"
    ENABLE_COMMAND_PALETTE = True
    BINDINGS = []

    def __init__(
        self,
        run_folder: Path,
        decide: Decide,
        observe: bool = False,
        *,
        theme: str = "",
        pace: Pace | None = None,
        keymap: Mapping[str, str] | None = None,
        keep_in: Path | None = None,
    ) -> None:
        super().__init__()
        self._own_keys = keymap or {}
        self._keep_in = keep_in or default_state_folder()
        self._decide = decide
        self._observe = observe
        self._pace = pace
        self._aside: tuple[str, str] | None = None
        self._held = ""
        self._title = ""
        self._rung_for: tuple[str, str] | None = None
        self.feed = RunFeed(run_folder)
        self.feed.poll()
        self.live = LiveScreen(self.feed, observe=observe, keymap=self._own_keys)
        self.set_keymap(dict(self._own_keys))
        begin_in(self, theme or default_theme())

    def on_mount(self) -> None:
        """Open the run, poll it, and go away quietly when the terminal does."""
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self.exit)
        end_at_hangup(self.feed.close)
        self._write(save_title_sequence())
        self.set_interval(POLL_S, self.poll)
        self.call_after_refresh(self._painted)

    def get_default_screen(self) -> Screen[None]:
        """Return the run's own screen: it is painted first, and stays below everything else."""
        return self.live

    def _painted(self) -> None:
        """Go on when the first frame is there."""
        collecting.let_go()
        self.poll()

    def on_unmount(self) -> None:
        """Give the terminal its title back."""
        self._write(restore_title_sequence())
        self.feed.close()

    async def on_event(self, event: events.Event) -> None:
        """Hand the terminal's answer to a fence to the question that asked."""
        if isinstance(event, events.CursorPosition):
            if isinstance(self.screen, QuestionScreen):
                self.screen.fence_back()
            return
        await super().on_event(event)

    def poll(self) -> None:
        """Read what is new, draw it, and ask what the run asks."""
        if not self.screen_stack:  # the application ends
            return
        entries = self.feed.poll()
        self.live.news(entries)
        self._keep_small_terminals_out(self.size)
        if self.feed.state.ended is not None and isinstance(self.screen, LeaveScreen):
            self.pop_screen()  # there is nothing left to detach from or to abort
        self._ask_what_is_asked()
        self._tell_the_terminal()

    def on_resize(self, event: events.Resize) -> None:
        """Look at the new size."""
        self._keep_small_terminals_out(event.size)

    def _keep_small_terminals_out(self, size: Size) -> None:
        """Put one message before everything while the terminal is too small."""
        small = size.width < SMALLEST_COLUMNS or size.height < SMALLEST_ROWS
        if small and not isinstance(self.screen, TooSmallScreen):
            self.push_screen(TooSmallScreen(self._waiting_words))
        elif not small and isinstance(self.screen, TooSmallScreen):
            self.pop_screen()

    def _waiting_words(self) -> str:
        armed = self._armed
        return f"● {armed[0]} waits: make the terminal larger to answer." if armed else ""

    @property
    def _armed(self) -> tuple[str, str] | None:
        """Name the question that stands, None when there is none to answer here."""
        state = self.feed.state
        if state.armed is None or state.abort is not None or self.feed.condition != "waiting":
            return None
        return state.armed.boundary, state.armed_at

    @property
    def _approved_here(self) -> bool:
        """Tell whether this user has given its approval and only another one's is awaited."""
        state = self.feed.state
        return os.getuid() in {given.operator.uid for given in state.approvals} and state.armed is not None

    def _question(self) -> BoundaryScreen | None:
        found = [screen for screen in self.screen_stack if isinstance(screen, BoundaryScreen)]
        return found[0] if found else None

    def _ask_what_is_asked(self) -> None:
        armed, standing = self._armed, self._question()
        if standing is not None and (armed is None or armed != (standing.armed.boundary, standing.armed_at)):
            self._take_away(standing)
            standing = None
        if armed is not None and self._held == armed[0]:
            self._aside, self._held = armed, ""
        waits = armed is not None and (self._observe or self._aside == armed or self._approved_here)
        self.live.question_words = self._question_words(armed) if armed is not None and waits else ""
        if armed is None or standing is not None or waits or isinstance(self.screen, TooSmallScreen):
            return
        question = self.feed.state.armed
        assert question is not None
        self._take_away_what_covers()
        self.push_screen(BoundaryScreen(self.feed.state, question, self._send, pace=self._pace))

    def _question_words(self, armed: tuple[str, str]) -> str:
        if self._approved_here:
            return f"● {armed[0]} waits for a second user"
        return f"● {armed[0]} waits for its operator" if self._observe else f"● b answers {armed[0]}"

    def _take_away(self, screen: Screen[None]) -> None:
        """Remove a question that was answered elsewhere, whatever stands before it."""
        while screen in self.screen_stack and len(self.screen_stack) > 1:
            self.pop_screen()

    def _take_away_what_covers(self) -> None:
        """Close palette and help: behind a question they would hide the evidence."""
        while isinstance(self.screen, SystemModalScreen | HelpScreen):
            self.pop_screen()

    def put_aside(self, question: BoundaryScreen) -> None:
        """Let the operator look around; the question comes back with its key."""
        self._aside = (question.armed.boundary, question.armed_at)
        self._take_away(question)
        self.poll()

    def _send(self, question: BoundaryScreen | LeaveScreen, answer: Answer) -> None:
        ask_apart(self._decide, answer, partial(self._told, question, answer))

    def _told(self, question: BoundaryScreen | LeaveScreen, answer: Answer, said: Said) -> None:
        if said.accepted:
            self._held = answer.boundary if answer.verb == "hold" else ""
            self._take_away(question)
            self.notify(said.says, timeout=4, markup=False)
        elif question in self.screen_stack:
            question.ask_again(said.says)
        self.poll()

    def cover(self, lines: int) -> None:
        """Keep the evidence above a question that covers the lowest `lines`."""
        self.live.cover(lines)

    def scroll_evidence(self, key: str) -> None:
        """Scroll what stands behind a question."""
        self.live.scroll_evidence(key)

    def _tell_the_terminal(self) -> None:
        """Name the window by the run and what it wants, and ring once for each question."""
        run, armed = self.feed.state.run or self.feed.folder.name, self._armed
        ended = self.feed.state.ended
        wants = f"● {armed[0]} waits" if armed else ended.verdict if ended else self.feed.condition
        title = f"{wants} · drydock {run}"
        if title != self._title:
            self._title = title
            self._write(title_sequence(title))
        if armed is not None and armed != self._rung_for and not self._observe and not self._approved_here:
            self._rung_for = armed
            self.bell()
            self._write(notification_sequence(f"drydock {run}: {armed[0]} waits for you"))

    def _write(self, sequence: str) -> None:
        if sequence and self._driver is not None and not self.is_headless:
            self._driver.write(sequence)
            self._driver.flush()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Block palette and quit while a question stands, and the answer while observing."""
        blocked = isinstance(self.screen, QuestionScreen | TooSmallScreen)
        if blocked and action in BLOCKED:
            return False
        return super().check_action(action, parameters)

    def action_leave(self) -> None:
        """Close the screen; ask first when the run could be aborted instead."""
        if self._observe or self.feed.condition in ("ended", "gone", "broken"):
            self.exit()
            return
        self.push_screen(
            LeaveScreen(self.feed.state.run or self.feed.folder.name, self._send, pace=self._pace)
        )

    def action_boundary(self) -> None:
        """Bring back the question that was put aside."""
        if not self._observe:
            self._aside = None
            self.poll()

    def action_help(self) -> None:
        """Show the keys."""
        self.push_screen(HelpScreen(self._own_keys))

    def action_copy(self) -> None:
        """Copy what the inspector tells, to the terminal's clipboard and to a file."""
        text = self.live.copied()
        if text:
            self.copy_to_clipboard(text)
            self._keep(text, "copied.txt", "copied; also in")

    def action_picture(self) -> None:
        """Keep the screen as a picture."""
        run = self.feed.folder.name
        self._keep(
            without_links(self.export_screenshot(title=f"drydock {run}")), picture_name(run), "picture:"
        )

    def _keep(self, text: str, name: str, says: str) -> None:
        try:
            path = keep(text, self._keep_in, name)
        except OSError as wrong:
            self.notify(visible(f"{self._keep_in / name} cannot be written: {wrong.strerror}"), markup=False)
            return
        self.notify(visible(f"{says} {path}"), timeout=8, markup=False)

    def action_theme(self) -> None:
        """Go to the next theme."""
        if self.theme not in ORDER:
            return
        self.theme = ORDER[(ORDER.index(self.theme) + 1) % len(ORDER)]

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Offer the table's keys in the palette, and nothing else."""
        del screen
        for key in KEYS:
            if key.palette and not (self._observe and key.action == "app.boundary"):
                shown = shown_key(self._own_keys, key.id, key.shown)
                yield SystemCommand(key.does, f"key {shown}", partial(self.live.run_action, key.action))
