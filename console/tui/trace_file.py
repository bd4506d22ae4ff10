"""A run's trace read by offsets: any record of a million in two reads, none of them kept.

Reads ``trace.jsonl`` and ``trace.idx`` while the engine appends to them; never writes, never verifies (that
is `drydock verify`).
"""

from __future__ import annotations

import os
import struct
from itertools import pairwise
from pathlib import Path

import msgspec

from console.model.trace import BlockSeal, ClientStatement, EngineStatement, ServerLine, TraceRecord

_OFFSET_BYTES = 8
_LONGEST_RECORD_BYTES = 16 << 20

Record = ClientStatement | ServerLine | EngineStatement

_decoder: msgspec.json.Decoder[TraceRecord] = msgspec.json.Decoder(TraceRecord)


def decoded(line: bytes) -> Record | None:
    """Return one line as a record, None for a seal and for what cannot be read."""
    try:
        record = _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return None if isinstance(record, BlockSeal) else record


class TraceFile:
    """The growing trace of one run; `count` is what was whole at the last `refresh`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lines = self._index = -1
        self.count = 0

    def refresh(self) -> int:
        """Look how far the trace has grown and return the number of whole records."""
        if self._index < 0 and not self._open():
            return 0
        listed = os.fstat(self._index).st_size // _OFFSET_BYTES
        size_bytes = os.fstat(self._lines).st_size
        whole = size_bytes > 0 and os.pread(self._lines, 1, size_bytes - 1) == b"\n"
        if listed and (not whole or self._offsets(listed - 1, 1)[0] >= size_bytes):
            listed -= 1
        self.count = max(self.count, listed)
        return self.count

    def _open(self) -> bool:
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._lines = os.open(self._folder / "trace.jsonl", flags)
            self._index = os.open(self._folder / "trace.idx", flags)
        except OSError:
            self.close()
            return False
        return True

    def close(self) -> None:
        """Close both files."""
        for descriptor in (self._lines, self._index):
            if descriptor >= 0:
                os.close(descriptor)
        self._lines = self._index = -1

    def _offsets(self, first: int, amount: int) -> tuple[int, ...]:
        raw = os.pread(self._index, amount * _OFFSET_BYTES, first * _OFFSET_BYTES)
        return struct.unpack(
            f"<{len(raw) // _OFFSET_BYTES}Q", raw[: len(raw) // _OFFSET_BYTES * _OFFSET_BYTES]
        )

    def record(self, number: int) -> Record | None:
        """Return the record `number` (from 0), None when it cannot be read."""
        lines = self.lines(number, 1)
        return decoded(lines[0]) if lines else None

    def chunk(self, first: int, amount: int) -> tuple[bytes, tuple[int, ...]]:
        """Return the bytes of `amount` records from `first` on and where in them each begins.

        Seals that lie between are in the bytes and begin nowhere. Empty when the index does not fit the file.
        """
        amount = min(amount, self.count - first)
        if amount <= 0:
            return b"", ()
        offsets = self._offsets(first, amount + 1)
        starts = offsets[:amount]
        if len(offsets) > amount:
            end = offsets[amount]
        else:
            end = min(os.fstat(self._lines).st_size, starts[-1] + _LONGEST_RECORD_BYTES)
        if any(later <= earlier for earlier, later in pairwise(offsets)) or end <= starts[-1]:
            return b"", ()
        block = os.pread(self._lines, end - starts[0], starts[0])
        return block, tuple(start - starts[0] for start in starts)

    def lines(self, first: int, amount: int) -> list[bytes]:
        """Return the lines of `amount` records from `first` on, without their line breaks."""
        block, starts = self.chunk(first, amount)
        return [block[start : _line_end(block, start)] for start in starts]


def _line_end(block: bytes, start: int) -> int:
    end = block.find(b"\n", start)
    return end if end >= 0 else len(block)
