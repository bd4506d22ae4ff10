"""What the tracer expects of a pipeline's answers, in step with psycopg's own queue of them.

A pipeline's command is recorded when psycopg hands it to libpq, not when the subject asks for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from console.harness.sessions import Sent


class Deferred:
    """A pipeline's command that is recorded at the moment psycopg hands it to libpq."""

    __slots__ = ("announce", "command", "entry")

    def __init__(self, entry: Entry, announce: Callable[[], Sent] | None, command: Callable[[], Any]) -> None:
        self.entry = entry
        self.announce = announce
        self.command = command

    def __call__(self) -> None:
        if self.announce is not None:
            self.entry.sent = self.announce()
        self.command()


class Entry:
    """One statement of a pipeline; `sent` once it was announced."""

    __slots__ = ("sent",)

    def __init__(self) -> None:
        self.sent: Sent | None = None


def entries_of(pipeline: Any) -> deque[Entry | None]:
    """Return what the tracer expects of the pipeline's next answers, in step with its result queue."""
    found: deque[Entry | None] | None = pipeline.__dict__.get("_drydock_entries")
    if found is None:
        found = pipeline._drydock_entries = deque()
    return found


def defer(pipeline: Any, entry: Entry, announce: Callable[[], Sent] | None, *, answers_queued: int) -> None:
    """Let the pipeline's last command record itself, and expect its answer after `answers_queued` others."""
    commands = pipeline.command_queue
    commands[-1] = Deferred(entry, announce, commands[-1])
    entries = entries_of(pipeline)
    entries.extend([None] * (answers_queued - len(entries)))
    entries.append(entry)
