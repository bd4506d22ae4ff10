"""The one writer of a run's journal: appends, folds, and answers what the run knows so far.

Every thread of the engine records through it; nobody else opens the journal for writing.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import msgspec

from console.errors import AbortRequested, JournalBroken, StepFailed
from console.journal import JournalWriter, hold_journal, now_at, read_journal, read_verified_beginning
from console.model.event import (
    Entry,
    Event,
    FactRecorded,
    NoteRecorded,
    ProgressReported,
    ReceiptClosed,
    ReceiptIdentified,
    ReceiptOpened,
    RemovalFailed,
)
from console.model.run_state import RunState, fold
from console.secrets import SecretRegistry

MARK_NOTE = "mark"
"""The note that says what every child of the run carries in its environment."""


class Recorder:
    """Journal, folded state and receipts of one run; also the run's Receipts and Abort protocols."""

    def __init__(self, journal_path: Path, registry: SecretRegistry) -> None:
        self._lock = threading.RLock()
        self._journal = JournalWriter(journal_path, registry)
        self._state = fold(read_journal(journal_path))
        self.registry = registry

    @classmethod
    def for_teardown(cls, journal_path: Path, registry: SecretRegistry) -> Recorder:
        """Return a recorder that a journal which cannot be written or does not verify keeps from nothing.

        Raises BlockingIOError when another process holds the journal.
        """
        return TeardownRecorder(journal_path, registry)

    @property
    def unrecorded(self) -> Exception | None:
        """Return why something that happened stands in no journal, None when all of it does."""
        return None

    @property
    def state(self) -> RunState:
        """Return the state after everything recorded so far."""
        return self._state

    @property
    def head(self) -> str:
        """Return the journal's head."""
        return self._journal.head

    @property
    def mark(self) -> str:
        """Return what every child of the run carries in its environment, "" before it is known."""
        return str(self._state.notes.get(MARK_NOTE, ""))

    @property
    def torn_bytes(self) -> int:
        """Return how many bytes of a torn last line were cut off when the journal was opened."""
        return self._journal.torn_bytes

    def record(self, event: Event, *, origin: str = "engine") -> None:
        """Append one event durably and fold it."""
        with self._lock:
            self._state = fold(self._journal.append(event, origin=origin), self._state)

    def fact(self, name: str, value: Any, *, source: str, origin: str = "engine") -> None:
        """Record a fact that gates rest on; a msgspec value becomes its JSON form."""
        self.record(FactRecorded(name=name, value=msgspec.to_builtins(value), source=source), origin=origin)

    def note(self, name: str, value: Any, *, origin: str = "engine") -> None:
        """Record something for readers that no gate rests on."""
        self.record(NoteRecorded(name=name, value=msgspec.to_builtins(value)), origin=origin)

    def note_before_end(self, name: str, value: Any) -> bool:
        """Record a note unless the run has ended; return whether it was. Nothing may come after the last event."""
        with self._lock:
            if self._state.ended is not None:
                return False
            self.note(name, value, origin="notification")
            return True

    def progress(self, step: str, *, done: int, total: int, unit: str) -> None:
        """Record how far a step is."""
        self.record(ProgressReported(step=step, done=done, total=total, unit=unit))

    def opening(self, kind: str, name: str) -> None:
        """Record the receipt of an object of the rehearsal that is about to be created.

        Raises StepFailed (environment) for a path that holds a secret: its receipt could not name it.
        """
        self._open(kind, name, "rehearsal")

    def _open(self, kind: str, name: str, part: str) -> None:
        secret = self.registry.secret_in(name) if kind != "process" else None
        if secret is not None:
            reason = f"the path of a {kind} holds the value of the secret {secret}; name another work folder"
            raise StepFailed(reason, cause="environment")
        self.record(ReceiptOpened(object=kind, name=name, part=part))

    def demo_receipts(self) -> DemoReceipts:
        """Return receipts for the demo's own production and neighbour."""
        return DemoReceipts(self)

    def identified(self, kind: str, name: str, identity: str) -> None:
        """Record which object it became."""
        self.record(ReceiptIdentified(object=kind, name=name, identity=identity))

    def closed(self, kind: str, name: str, *, identity: str, how: str) -> None:
        """Record that the object is gone."""
        self.record(ReceiptClosed(object=kind, name=name, identity=identity, how=how))

    def removal_failed(self, kind: str, name: str, *, reason: str) -> None:
        """Record that the object is still there, or is not ours any more."""
        self.record(RemovalFailed(object=kind, name=name, reason=reason))

    def raise_if_requested(self) -> None:
        """Raise AbortRequested when the operator asked for the end and the teardown has not begun."""
        if self._state.abort is not None:
            raise AbortRequested(self._state.abort.how)

    def close(self) -> None:
        """Release the journal."""
        self._journal.close()


class TeardownRecorder(Recorder):
    """Folds what the journal does not take and goes on: a copy must not stay because a disk is full.

    What was not taken is written in its order as soon as there is room (the teardown itself may make it). A
    journal that does not verify is never written again: the state is that of its verified beginning.
    """

    def __init__(self, journal_path: Path, registry: SecretRegistry) -> None:
        self._waiting: list[tuple[Event, str]] = []
        self._trouble: Exception | None = None
        self._held: int | None = None
        try:
            super().__init__(journal_path, registry)
        except BlockingIOError:
            raise
        except (JournalBroken, OSError) as wrong:
            self._trouble = wrong
            self._lock = threading.RLock()
            self._held = hold_journal(journal_path)
            self._state = fold(read_verified_beginning(journal_path))
            self.registry = registry

    @property
    def unrecorded(self) -> Exception | None:
        """Return why something that happened stands in no journal, None when all of it does."""
        return self._trouble

    def record(self, event: Event, *, origin: str = "engine") -> None:
        """Fold one event and append it with all that wait before it, where the journal takes them."""
        with self._lock:
            clean = self.registry.redact_value(event, origin=origin)
            self.registry.take_redactions()
            entry = Entry(n=self._state.last_n + 1, at=now_at(), event=clean)
            self._state = fold([entry], self._state)
            self._waiting.append((event, origin))
            if self._held is None:
                self._write_what_waits()

    def _write_what_waits(self) -> None:
        try:
            while self._waiting:
                event, origin = self._waiting[0]
                _first, *redactions = self._journal.append(event, origin=origin)
                del self._waiting[0]
                self._state = fold(redactions, self._state)
        except (OSError, JournalBroken) as wrong:
            self._trouble = wrong
        else:
            self._trouble = None

    def close(self) -> None:
        """Release the journal."""
        if self._held is None:
            super().close()
        else:
            os.close(self._held)


class DemoReceipts:
    """The same receipts, marked as the demo's: removed after the closing gates have looked."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    @property
    def mark(self) -> str:
        """Return the run's mark."""
        return self._recorder.mark

    def opening(self, kind: str, name: str) -> None:
        """Record the receipt of an object of the demo."""
        self._recorder._open(kind, name, "demo")

    def identified(self, kind: str, name: str, identity: str) -> None:
        """Record which object it became."""
        self._recorder.identified(kind, name, identity)

    def closed(self, kind: str, name: str, *, identity: str, how: str) -> None:
        """Record that the object is gone."""
        self._recorder.closed(kind, name, identity=identity, how=how)
