"""One run as the evidence screens have it open: its journal folded once, its trace as plain files.

A packed trace is unpacked in a thread, into a private folder that goes when the run is closed.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from console.errors import JournalBroken
from console.journal import read_journal, read_verified_beginning
from console.model.browsing import Evidence
from console.model.event import Entry
from console.model.run_state import RunState, fold
from console.runs import JOURNAL_FILE
from console.tui.checking import apart


class OpenRun:
    """What is read at once, and what comes later; `close` when nobody looks at it any more."""

    def __init__(self, evidence: Evidence, run: str) -> None:
        self.run = run
        self.broken = ""
        self.entries: list[Entry] = []
        self.folder = evidence.runs / run
        self.is_unpacked = not evidence.is_packed(run)
        self._evidence = evidence
        self._stopped = threading.Event()
        self._made: tempfile.TemporaryDirectory[str] | None = None
        self._read()
        self.state: RunState = fold(self.entries)

    def _read(self) -> None:
        """Read the journal; of one that does not verify its verified beginning, and say so."""
        journal = self.folder / JOURNAL_FILE
        try:
            self.entries = read_journal(journal)
        except (JournalBroken, OSError) as wrong:
            self.broken = str(wrong)
            self.entries = read_verified_beginning(journal)

    def unpack(self, ended: Callable[[str], None]) -> Path:
        """Return the folder in which trace and journal are plain files, perhaps not whole yet; `ended` says when."""
        if self.is_unpacked:
            ended("")
            return self.folder
        if self._made is None:
            self._made = tempfile.TemporaryDirectory(prefix="drydock-browse-")
        shown = Path(self._made.name) / self.folder.name
        if not shown.exists():
            shown.mkdir(mode=0o700)
            (shown / JOURNAL_FILE).write_bytes((self.folder / JOURNAL_FILE).read_bytes())
            apart(lambda: self._evidence.unpack(self.run, shown, self._stopped.is_set), ended)
        else:
            ended("")
        return shown

    def close(self) -> None:
        """Stop what is still being unpacked and remove what was."""
        self._stopped.set()
        if self._made is not None:
            self._made.cleanup()
            self._made = None
