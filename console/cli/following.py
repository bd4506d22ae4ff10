"""Following a run from the shell that started it: shows what its journal says until it ends.

Reads the journal and asks the engine for the end; never waits for anything but the run, and never decides.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from console.cli.approve import ssh, tty
from console.engine.control import Request, ask
from console.environments.process import is_alive
from console.errors import ControlRefused, JournalBroken, UsageError
from console.journal import JournalTail
from console.model.event import Entry
from console.model.run_state import RunState, fold
from console.model.text import one_line
from console.runs import JOURNAL_FILE, LOG_FILE, journal_is_held

if TYPE_CHECKING:
    from console.tui.prompt import LinePrompt

POLL_S = 0.1
_AGAIN_WITHIN_S = 5.0


class View(Protocol):
    """Shows entries as they come."""

    def show(self, entry: Entry, state: RunState) -> None:
        """Show one entry; `state` is the fold up to and with it."""


def follow(
    folder: Path, engine: subprocess.Popen[bytes], view: View, prompt: LinePrompt | None = None
) -> RunState:
    """Show the run as `_followed` does, and give the terminal back whatever happens."""
    try:
        return _followed(folder, engine, view, prompt)
    finally:
        if prompt is not None:
            prompt.close()


def _followed(
    folder: Path, engine: subprocess.Popen[bytes], view: View, prompt: LinePrompt | None
) -> RunState:
    """Show the run until it ends or nobody is left to end it. Ctrl+C asks the engine for the end (see `_Interrupted`).

    The state's `ended` is None when engine and watchdog died. Raises UsageError when they did so before
    anything was made.
    """
    tail, state = JournalTail(folder / JOURNAL_FILE), RunState()
    asked = _Interrupted(folder, asks_first=prompt is not None)
    while True:
        gone = engine.poll() is not None and not journal_is_held(folder / JOURNAL_FILE)
        for entry in _read_on(tail, folder, engine):
            state = fold([entry], state)
            view.show(entry, state)
        if state.ended is not None:
            engine.wait()
            await_seal(state)
            return state
        if gone:
            if state.created is None:
                raise died_unborn(folder)
            return state
        asked.act()
        if prompt is None:
            time.sleep(POLL_S)
        else:
            prompt.turn(state)
            prompt.rest(POLL_S)


def await_seal(state: RunState) -> None:
    """Return when the engine itself has ended: it seals after its last event, and its watchdog may be gone."""
    while state.engine is not None and is_alive(state.engine.identity):
        time.sleep(POLL_S)


def _read_on(tail: JournalTail, folder: Path, engine: subprocess.Popen[bytes]) -> list[Entry]:
    """Return the new entries; a journal that somebody has changed ends the run before that is raised."""
    try:
        return tail.new_entries()
    except JournalBroken:
        with contextlib.suppress(ControlRefused):
            ask(folder, Request(verb="abort", tty=tty(), ssh=ssh()))
        engine.wait()
        raise


class _Interrupted:
    """Ctrl+C asks for the end of the run; once more leaves it to its engine and returns the prompt.

    Where somebody answers questions on the terminal, the first one only says what a second one would do.
    """

    def __init__(self, folder: Path, *, asks_first: bool) -> None:
        self._folder = folder
        self._needed = 2 if asks_first else 1
        self._pressed = 0
        self._pressed_at = 0.0
        self._warned_at = 0.0
        self._told = False
        signal.signal(signal.SIGINT, self._press)

    def _press(self, _number: int, _frame: Any) -> None:
        now = time.monotonic()
        if self._pressed < self._needed and now - self._pressed_at > _AGAIN_WITHIN_S:
            self._pressed = 0
        self._pressed, self._pressed_at = self._pressed + 1, now
        if self._pressed > self._needed:
            raise KeyboardInterrupt

    def act(self) -> None:
        """Ask for the end once after the key was pressed often enough; the engine may not listen yet."""
        if 0 < self._pressed < self._needed and self._warned_at != self._pressed_at:
            self._warned_at = self._pressed_at
            sys.stderr.write(
                f"\n  Ctrl+C again within {_AGAIN_WITHIN_S:.0f} s aborts the run; its teardown follows\n"
            )
        if self._pressed >= self._needed and not self._told:
            try:
                ask(self._folder, Request(verb="abort", tty=tty(), ssh=ssh()))
            except ControlRefused:
                return
            self._told = True


def died_unborn(folder: Path) -> UsageError:
    """Return what the engine's log says, in one sentence."""
    log = (folder / LOG_FILE).read_text("utf-8", "replace").strip().splitlines()
    last = one_line(log[-1], limit_chars=400) if log else "it says nothing"
    return UsageError(
        f"the engine of {folder.name} ended before it had made anything: {last}",
        remedy=f"read {folder / LOG_FILE}",
    )
