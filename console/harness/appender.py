"""The client witness's file: whole lines, appended with one write each.

Never goes on after a failed append: the first failure is kept and every later append is refused with it.
"""

from __future__ import annotations

import fcntl
import os

FIRST_PRIVATE_DESCRIPTOR = 500
"""Own descriptors lie above this number, out of the way of code that closes the low ones."""


class WitnessFailed(RuntimeError):
    """A statement could not be recorded, so it was not sent: no trace, no execution."""


def private_descriptor(descriptor: int) -> int:
    """Return a duplicate with a high number that no child process inherits."""
    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, FIRST_PRIVATE_DESCRIPTOR)


class Appender:
    """The open trace file."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.failure = ""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        opened = os.open(path, flags, 0o600)
        self._descriptor = private_descriptor(opened)
        os.close(opened)
        found = os.fstat(self._descriptor)
        self._identity = (found.st_dev, found.st_ino)

    def append(self, line: bytes) -> None:
        """Write one whole line; it has reached the kernel when this returns.

        Raises WitnessFailed when it could not be written whole.
        """
        if self.failure:
            raise WitnessFailed(self.failure)
        try:
            if os.write(self._descriptor, line) != len(line):
                raise self._failed("only a part of a line was written")
        except OSError as wrong:
            raise self._failed(wrong.strerror or type(wrong).__name__) from wrong

    def _failed(self, reason: str) -> WitnessFailed:
        self.failure = f"the trace file {self.path} cannot be written: {reason}"
        return WitnessFailed(self.failure)

    def displacement(self) -> str:
        """Return what happened to the file opened at the start, empty when it is still in place.

        Asked after each scenario, not before each statement: looking costs as much as writing.
        """
        try:
            mine = os.fstat(self._descriptor)
        except OSError:
            return "was closed"
        if (mine.st_dev, mine.st_ino) != self._identity:
            return "was exchanged for another under its descriptor"
        try:
            there = os.lstat(self.path)
        except OSError:
            return "was removed"
        return "" if (there.st_dev, there.st_ino) == self._identity else "was replaced"
