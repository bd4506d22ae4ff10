"""What the screen knows of a run: its folded journal, its growing trace, and whether an engine lives.

Reads files and nothing else: no socket, no engine. A journal that does not verify is told, not hidden.
"""

from __future__ import annotations

import time
from pathlib import Path

from console.errors import JournalBroken
from console.journal import JournalTail
from console.model.event import Entry
from console.model.run_state import RunState, fold
from console.runs import JOURNAL_FILE, journal_is_held
from console.tui.trace_file import TraceFile

_ALIVE_EVERY_S = 1.0
_BIRTH_S = 10.0


class RunFeed:
    """Follows one run; `poll` is cheap when nothing happened."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.trace = TraceFile(folder)
        self.state = RunState()
        self.broken = ""
        self.alive = journal_is_held(folder / JOURNAL_FILE)
        self._tail = JournalTail(folder / JOURNAL_FILE)
        self._began = self._looked_at = time.monotonic()

    def poll(self) -> list[Entry]:
        """Read what is new and return the new entries."""
        self.trace.refresh()
        if self.broken:
            return []
        try:
            entries = self._tail.new_entries()
        except JournalBroken as wrong:
            self.broken = str(wrong)
            return []
        if entries:
            self.state = fold(entries, self.state)
        self._look_for_the_engine()
        return entries

    def _look_for_the_engine(self) -> None:
        if self.state.ended is not None:
            self.alive = False
        elif time.monotonic() - self._looked_at >= _ALIVE_EVERY_S:
            self.alive = journal_is_held(self.folder / JOURNAL_FILE)
            self._looked_at = time.monotonic()

    @property
    def condition(self) -> str:
        """Return starting, running, waiting, ended, or gone: no engine and no end."""
        if self.broken:
            return "broken"
        unborn = self.state.condition == "starting" and time.monotonic() - self._began < _BIRTH_S
        if self.state.ended is None and not self.alive and not unborn:
            return "gone"
        return self.state.condition

    def close(self) -> None:
        """Close the trace's files."""
        self.trace.close()
