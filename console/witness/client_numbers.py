"""Reads what the harness stores in numbers of statements that are like an earlier one (console/harness/numbers.py).

The file is a claim like the lines beside it: nothing in it can raise here, and no more is read of it than its cells in
the order of the statements, in pieces. A cell is 0 until something was stored in it.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator
from pathlib import Path

STATEMENTS = 1 << 15
"""So many have their cells in one window; each window is four columns of 64-bit numbers."""

LIKE, AFTER, TOOK, COUNT = range(4)
_CELL_BYTES = 8
_COLUMN_BYTES = STATEMENTS * _CELL_BYTES
_WINDOW_BYTES = 4 * _COLUMN_BYTES
_PIECE = 512
MOST_WINDOWS = 1 << 10
"""So many are read for the evidence: 33 million statements, more lines than are kept of any log."""

_LEAST_COUNT = 1
"""No rows at all, as of a statement that has none, is -1, and its cell 1."""


def in_place(path: Path, opened: os.stat_result) -> bool:
    """Tell whether a file that was `opened` still stands at its path."""
    try:
        there = os.lstat(path)
    except OSError:
        return False
    return (there.st_dev, there.st_ino) == (opened.st_dev, opened.st_ino)


def numbers_of(trace: Path) -> Path:
    """Return the file that stands beside a trace of lines; there is none where the harness has no part of a file."""
    return trace.with_suffix(".numbers")


def lines_of(path: Path) -> Iterator[bytes]:
    """Yield what is stored in cells as the lines that say the same, by statement; nothing of what is no such file.

    Windows without anything in them are passed over: what was sent then was told by lines, as in a pipeline. No more
    than `MOST_WINDOWS` are read, for a file may be as large as the subject wants.
    """
    cells = Cells(path)
    try:
        if any(cells.look()):
            return
        for window in range(cells.windows()):
            columns = cells.window(window)
            if not columns:
                continue
            for n, (like, after, took, count) in enumerate(zip(*columns, strict=True), window * STATEMENTS):
                if like:
                    yield b'{"e":"again","n":%d,"like":%d,"after":%de-9}\n' % (n, like, after)
                if count:
                    yield b'{"e":"done","n":%d,"ns":%d,"rows":%d}\n' % (n, took, count - 2)
    finally:
        cells.close()


class Cells:
    """The cells of a growing file; what was 0 is looked at anew after `look`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1
        self._size_bytes = 0
        self._looks = 0
        self._pieces: dict[int, tuple[int, int, array[int]]] = {}

    def look(self) -> Iterator[str]:
        """Let what was 0 be read once more; yield what is wrong with the file itself."""
        self._looks += 1
        if self._descriptor < 0:
            try:
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
                self._descriptor = os.open(self.path, flags)
            except FileNotFoundError:
                return
            except OSError as wrong:
                yield f"the trace file {self.path} cannot be opened: {wrong.strerror}"
                return
        mine = os.fstat(self._descriptor)
        if mine.st_size < self._size_bytes:
            yield f"the trace file {self.path} shrank from {self._size_bytes} to {mine.st_size} bytes"
        self._size_bytes = mine.st_size
        if not in_place(self.path, mine):
            yield f"the trace file {self.path} was removed or replaced"

    def announcement(self, n: int) -> tuple[int, int] | None:
        """Return which earlier statement `n` is like and the ns since its session's opening; None: not stored."""
        like = self._cell(LIKE, n)
        return (like, self._cell(AFTER, n, stored=True)) if like else None

    def answer(self, n: int) -> tuple[int, int] | None:
        """Return after how many ns statement `n` was answered and its rows, None while no such thing is stored."""
        count = self._cell(COUNT, n)
        return (self._cell(TOOK, n, stored=True), count - 2) if count >= _LEAST_COUNT else None

    def beyond(self, n: int) -> str:
        """Return what is wrong with the cells from statement `n` on, of which none should be stored.

        But for when `n` itself would have left: a harness that was killed stored that, and not that it leaves.
        """
        if self._descriptor < 0:
            return ""
        window, at = divmod(n, STATEMENTS)
        if self._size_bytes > (window + 2) * _WINDOW_BYTES:
            return f"the trace file {self.path} has {self._size_bytes} bytes, too many for {n - 1} statements"
        for first, windows in ((at, window), (0, window + 1)):
            for column in range(4):
                skipped = first + (column == AFTER and windows == window)
                offset = windows * _WINDOW_BYTES + column * _COLUMN_BYTES + skipped * _CELL_BYTES
                if self._read(offset, _COLUMN_BYTES - skipped * _CELL_BYTES).strip(b"\0"):
                    return f"the trace file {self.path} goes on behind statement {n - 1}"
        return ""

    def windows(self) -> int:
        """Return how many windows there are to read."""
        return min(MOST_WINDOWS, -(-self._size_bytes // _WINDOW_BYTES))

    def window(self, number: int) -> list[array[int]]:
        """Return the four columns of a window, with zeros where the file ends; none of one without anything in it."""
        offset = number * _WINDOW_BYTES
        content = [self._read(offset + column * _COLUMN_BYTES, _COLUMN_BYTES) for column in range(4)]
        if not any(one.strip(b"\0") for one in content):
            return []
        return [array("q", one.ljust(_COLUMN_BYTES, b"\0")) for one in content]

    def close(self) -> None:
        """Let the file go."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _cell(self, column: int, n: int, *, stored: bool = False) -> int:
        """Return one cell; 0 where the file has none. One that is `stored` is looked at anew even within a look."""
        piece, at = divmod(n, _PIECE)
        known = self._pieces.get(column)
        if known is None or known[0] != piece or (not known[2][at] and (stored or known[1] < self._looks)):
            window, first = divmod(piece * _PIECE, STATEMENTS)
            offset = window * _WINDOW_BYTES + column * _COLUMN_BYTES + first * _CELL_BYTES
            content = self._read(offset, _PIECE * _CELL_BYTES)
            cells = array("q", content.ljust(_PIECE * _CELL_BYTES, b"\0"))
            known = self._pieces[column] = (piece, self._looks, cells)
        return known[2][at]

    def _read(self, offset: int, size_bytes: int) -> bytes:
        """Return so many bytes, fewer at the file's end; none of what cannot be read so."""
        if self._descriptor < 0:
            return b""
        try:
            return os.pread(self._descriptor, size_bytes, offset)
        except (OSError, OverflowError):  # a number that a line claims may be as large as any
            return b""
