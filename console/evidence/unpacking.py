"""A pack's trace as the screen needs it: unpacked into a private folder for as long as somebody looks."""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path
from typing import IO

from console.evidence.storage import open_kept

_PIECE_BYTES, _INDEX_PIECE_BYTES, _OFFSET_BYTES = 1 << 20, 1 << 16, 8


def unpack_trace(folder: Path, into: Path, stopped: Callable[[], bool]) -> None:
    """Write trace and index of a pack as plain files, a piece at a time, until `stopped` says so.

    Each piece of lines is followed by its part of the index: a record is counted as soon as its line is there, and
    not before, so that the first screen waits for one piece, however long the trace is. Raises OSError or ZstdError.
    """
    with (
        open_kept(folder / "trace.jsonl") as lines,
        open_kept(folder / "trace.idx") as index,
        (into / "trace.jsonl").open("xb") as plain_lines,
        (into / "trace.idx").open("xb") as plain_index,
    ):
        end_bytes, waiting = 0, bytearray()
        while not stopped() and (piece := lines.read(_PIECE_BYTES)):
            plain_lines.write(piece)
            plain_lines.flush()
            end_bytes += len(piece)
            plain_index.write(_of_whole_lines(index, waiting, end_bytes))
            plain_index.flush()
        while not stopped() and (waiting or (waiting := bytearray(index.read(_INDEX_PIECE_BYTES)))):
            plain_index.write(waiting)
            waiting = bytearray()


def _of_whole_lines(index: IO[bytes], waiting: bytearray, end_bytes: int) -> bytes:
    """Take the offsets whose successor lies not beyond `end_bytes`; `waiting` holds what was read and not taken."""
    taken = bytearray()
    while True:
        offsets = array("Q", bytes(waiting[: len(waiting) // _OFFSET_BYTES * _OFFSET_BYTES]))
        if sys.byteorder == "big":
            offsets.byteswap()
        whole = max(0, bisect_right(offsets, end_bytes) - 1)
        taken += waiting[: whole * _OFFSET_BYTES]
        del waiting[: whole * _OFFSET_BYTES]
        if whole + 1 < len(offsets) or not (piece := index.read(_INDEX_PIECE_BYTES)):
            return bytes(taken)
        waiting += piece
