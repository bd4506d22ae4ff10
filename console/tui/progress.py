"""The run on a terminal: the same lines, with one moving line below them: step, bar, time.

Reads entries and state only. The moving line is rich's; everything above it is what the plain view
would write.
"""

from __future__ import annotations

from typing import TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from console.model.event import Entry, RunEnded
from console.model.run_state import RunState
from console.tui.checklist import progress_words
from console.tui.plain import lines_of

_INDENT_CHARS = 6


class ProgressView:
    """A live line at the bottom of a terminal; it is gone when the run has ended."""

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream, highlight=False, markup=False, emoji=False)
        self._progress = Progress(
            SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(bar_width=20),
            MofNCompleteColumn(), TimeElapsedColumn(), console=self._console, transient=True,
        )  # fmt: skip
        self._task = self._progress.add_task("starting", total=None)
        self._progress.start()

    def show(self, entry: Entry, state: RunState) -> None:
        """Write what one entry is worth above the moving line, and move that."""
        for line in lines_of(entry, state):
            self._write(line)
        steps = len(state.created.steps) if state.created else None
        done = len(state.steps_finished)
        self._progress.update(self._task, description=doing(state), completed=done, total=steps)
        if isinstance(entry.event, RunEnded):
            self._progress.stop()

    def _write(self, line: str) -> None:
        """Wrap at words, later lines under the first one's text."""
        indent = min(len(line) - len(line.lstrip()) + 2, _INDENT_CHARS)
        wrapped = Text(line.lstrip()).wrap(self._console, max(20, self._console.width - indent))
        lead = line[: len(line) - len(line.lstrip())]
        for number, part in enumerate(wrapped):
            part.rstrip()
            self._console.print(Text(lead if number == 0 else " " * indent) + part)


def doing(state: RunState) -> str:
    """Return in a few words what the run does now."""
    if state.armed is not None:
        return f"{state.armed.boundary} waits for you"
    step = state.current_step
    running = [scenario for scenario in state.scenarios_started if scenario not in state.scenarios]
    told = [step, running[-1] if running else "", progress_words(state)]
    return " ".join(word for word in told if word) or "…"
