"""A question that stands before everything else and is answered by somebody who has read it, or not at all.

No button, no Enter, no mouse: the answers are the challenge's (console.tui.challenge). What was pressed
before it could be read is counted, shown and sent with the answer.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from textual import events
from textual.app import ComposeResult
from textual.screen import ModalScreen

from console.journal import now_at
from console.model.text import one_line
from console.tui.challenge import IN_MULTIPLEXER, Challenge, Choice, Pace, Phase
from console.tui.describe import Told
from console.tui.spans import Spans, cell, wrapped
from console.tui.terminal import is_multiplexed
from console.tui.widgets.bars import Bar

EVIDENCE_KEYS = ("up", "down", "pageup", "pagedown", "home", "end", "1", "2", "3", "4")
_MODIFIERS = ("shift", "control", "alt", "super", "hyper", "meta", "caps_lock", "num_lock", "scroll_lock")
_LABEL_COLUMNS, _KEY_COLUMNS = 9, 11
_ASK_TERMINAL = "\x1b[6n"
_TICK_S = 0.05
_SCROLL_WORDS, _CHANGE_WORDS = "↑ ↓ PgUp PgDn scroll the evidence", ", 1-4 change it"


class QuestionScreen(ModalScreen[None]):
    """Shows told texts and choices; a subclass says what they are and what an answer does."""

    AUTO_FOCUS = ""

    def __init__(self, *, pace: Pace | None = None) -> None:
        super().__init__()
        pace = pace or (IN_MULTIPLEXER if is_multiplexed() else Pace())
        self.challenge = Challenge(choices=self.choices(), pace=pace, now=time.monotonic())
        self.shown_at = ""
        self.engine_says = ""
        self._fences_written = 0
        self._heading_drawn = ""
        self._bar = Bar(id="question", height=8)

    def choices(self) -> Sequence[Choice]:
        """Return the possible answers."""
        raise NotImplementedError

    def heading(self) -> str:
        """Return the first line."""
        raise NotImplementedError

    def told(self) -> list[Told]:
        """Return what the question rests on."""
        raise NotImplementedError

    def answered(self, choice: Choice) -> None:
        """Act on an answer."""
        raise NotImplementedError

    def other_key(self, key: str) -> bool:
        """Take a key that changes the question; return whether it was one."""
        del key
        return False

    def compose(self) -> ComposeResult:
        """One bar of lines at the bottom: the evidence stays in sight above it."""
        yield self._bar

    def on_mount(self) -> None:
        """Let time pass."""
        self.set_interval(_TICK_S, self._tick)
        self.draw()

    def on_screen_resume(self) -> None:
        """Begin again after something else hid the question."""
        if self._fences_written:
            self.challenge.restart(time.monotonic())
        self.draw()

    def on_unmount(self) -> None:
        """Give the evidence its room back."""
        self.app.cover(0)  # type: ignore[attr-defined]

    def on_resize(self) -> None:
        """Wrap again."""
        self.draw()

    def draw(self) -> None:
        """Draw everything; the fence is written once the terminal has been given it."""
        if not self.is_mounted:
            return
        self._heading_drawn = self.heading()
        lines = self._lines(self.app.size.width)
        height = len(lines) + 1  # and the border above them
        self._bar.styles.height = height
        self.app.cover(height)  # type: ignore[attr-defined]
        self._bar.show(*((line, ()) for line in lines))
        if self.challenge.fence_wanted > self._fences_written:
            self._fences_written = self.challenge.fence_wanted
            self.call_after_refresh(self._write_fence)

    def _write_fence(self) -> None:
        driver = self.app._driver
        if driver is not None and not self.app.is_headless:
            driver.write(_ASK_TERMINAL)
            driver.flush()

    def fence_back(self) -> None:
        """The terminal has drawn what was written before its last fence."""
        before = self.challenge.phase
        self.challenge.fence_back(time.monotonic())
        self._after(before)

    def _tick(self) -> None:
        if self.app.screen is not self:
            return
        before = self.challenge.phase
        self.challenge.tick(time.monotonic())
        if self.heading() != self._heading_drawn:  # it says how long is left
            self.draw()
        self._after(before)

    def _after(self, before: Phase) -> None:
        challenge = self.challenge
        if challenge.phase is not before:
            if challenge.phase is Phase.ARMED:
                self.shown_at = now_at()
            self.draw()
            if challenge.phase is Phase.ANSWERED and challenge.answer is not None:
                self.answered(challenge.answer)

    def on_key(self, event: events.Key) -> None:
        """Take every key: nothing below sees one while the question stands."""
        event.stop()
        event.prevent_default()
        now, before = time.monotonic(), self.challenge.phase
        if event.key in EVIDENCE_KEYS and not (self.challenge.is_typed and event.is_printable):
            self.challenge.disturb(now)
            self.app.scroll_evidence(event.key)  # type: ignore[attr-defined]
        elif self.other_key(event.key):
            self.challenge.disturb(now)
        elif not event.key.endswith(_MODIFIERS):
            character = event.character if event.character and event.is_printable else event.key
            self.challenge.key(
                character if len(character) == 1 else self._fixed(event.key), now, pressed=event.time
            )
        self.draw()
        self._after(before)

    def _fixed(self, key: str) -> str:
        return key if any(choice.fixed == key for choice in self.challenge.choices) else ""

    def on_paste(self, event: events.Paste) -> None:
        """A paste answers nothing."""
        event.stop()
        event.prevent_default()
        before = self.challenge.phase
        self.challenge.pasted(event.text, time.monotonic())
        self.draw()
        self._after(before)

    def ask_again(self, says: str) -> None:
        """The engine refused: show why and begin again."""
        self.engine_says = says
        self.challenge.answer = None
        self.challenge.restart(time.monotonic())
        self.draw()

    def _lines(self, width: int) -> list[Spans]:
        lines: list[Spans] = [((cell(f" {self._heading_drawn} ", width), "alert"),)]
        for label, text, role in self.told():
            for place, line in enumerate(wrapped(text, width - _LABEL_COLUMNS - 2)):
                lines.append(
                    ((cell(f" {label}" if place == 0 else "", _LABEL_COLUMNS), "dim"), (" " + line, role))
                )
        lines.append((("", "plain"),))
        lines += [self._choice_line(choice) for choice in self.challenge.choices]
        lines.append(self._status_line())
        return lines

    def _choice_line(self, choice: Choice) -> Spans:
        mark = choice.fixed or one_line(self.challenge.marks.get(choice.id, ""), limit_chars=63)
        key = f"[ {mark} ]" if mark else "[ · ]"
        verb = " type " if self.challenge.is_typed and not choice.fixed else " press "
        gap = " " * max(1, _KEY_COLUMNS - len(key))
        return ((verb, "dim"), (key, "title" if mark else "dim"), (gap, "plain"), (choice.words, "plain"))

    def _status_line(self) -> Spans:
        challenge = self.challenge
        count = challenge.early_keys
        early = f"{count} early key{'s' if count > 1 else ''} ignored. " if count else ""
        if self.engine_says:
            return ((f" {early}", "wait"), (self.engine_says, "wait"))
        told = challenge.phase.value
        if challenge.phase is Phase.ARMED:
            told = _SCROLL_WORDS + ("" if challenge.is_typed else _CHANGE_WORDS)
            told += f"   typed: {challenge.typed}" if challenge.typed else ""
        elif challenge.coded and challenge.phase is Phase.QUIET:
            told = "this terminal tells nothing: a code will be shown to type"
        return ((f" {early}", "wait"), (told, "dim"))
