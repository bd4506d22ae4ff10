"""What is another for each statement of a kind that was told before: four numbers, stored where the kernel has them.

A second file beside the client witness's lines, in windows of `STATEMENTS` statements: four columns of 64-bit numbers,
one cell of each for every statement's number. To store a number is no call, so that no thread, signal's handler or
finalizer comes between the look at the next number and the last cell: whoever stores keeps every call before that, and
stores last what makes the others count (`likes`, `counts`). Where a cell is not there, a line says the same.
"""

from __future__ import annotations

import os
import threading

from console.harness.appender import displacement, is_anothers, mapped, private_descriptor

STATEMENTS = 1 << 15
"""So many have their cells in one window."""

COLUMNS, CELL_BYTES = 4, 8
_WINDOW_BYTES = STATEMENTS * COLUMNS * CELL_BYTES
_NOWHERE = memoryview(bytearray()).cast("q")
_NO_BASE = 1 << 62
"""Of no window: no statement's cells are at 0 or above."""


class Numbers:
    """The open window: statement `n` has the cells at `n - base`; none where there is no window.

    `likes`: the earlier statement it is like; `afters`: ns from its session's opening until it left; `tooks`: ns until
    its answer; `counts`: its rows and two, so that an answer without any is not 0.

    `last` is the number of the last statement, wherever that is told; it lies here because each step counts.
    """

    __slots__ = (
        "_descriptor",
        "_identity",
        "_lock",
        "_over",
        "afters",
        "base",
        "counts",
        "last",
        "likes",
        "path",
        "tooks",
    )

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._over = True
        self.last = 0
        self._nowhere()
        if path:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            opened = os.open(path, flags, 0o600)
            self._descriptor = private_descriptor(opened)
            os.close(opened)
            found = os.fstat(self._descriptor)
            self._identity = (found.st_dev, found.st_ino)
            self._over = False
            self.turn(0)

    def _nowhere(self) -> None:
        self.base = _NO_BASE
        self.likes = self.afters = self.tooks = self.counts = _NOWHERE

    def end(self) -> None:
        """Have no cells from now on, here and in a forked child: lines say all."""
        self._over = True
        self._nowhere()

    def turn(self, n: int) -> None:
        """Go on with the window that has the cells of statement `n`; with none where the file system has no room."""
        if self._over:  # in a forked child, the lock may be held by a thread that is not there
            return
        with self._lock:
            base = n - n % STATEMENTS
            if self._over or (self.likes is not _NOWHERE and base <= self.base):
                return
            at_bytes = base * COLUMNS * CELL_BYTES
            try:
                os.posix_fallocate(self._descriptor, at_bytes, _WINDOW_BYTES)
                cells = memoryview(mapped(self._descriptor, _WINDOW_BYTES, at_bytes)).cast("q")
            except OSError as wrong:
                if is_anothers(wrong):
                    raise
                self.end()
                return
            columns = [cells[k * STATEMENTS : (k + 1) * STATEMENTS] for k in range(COLUMNS)]
            self._nowhere()
            if not self._over:
                self.likes, self.afters, self.tooks, self.counts = columns
                self.base = base

    def displacement(self) -> str:
        """Return what happened to the file opened at the start, empty when it is still in place or there is none."""
        if not self.path:
            return ""
        gone, size_bytes = displacement(self._descriptor, self.path, self._identity)
        whole = 0 if self.likes is _NOWHERE else (self.base + STATEMENTS) * COLUMNS * CELL_BYTES
        return gone or ("was cut" if size_bytes < whole else "")
