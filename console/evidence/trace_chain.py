"""The trace's chain checked over bytes alone, block by block, without decoding a record.

Memory is constant however long a block is. Never judges what a record says.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import IO

import msgspec

from console.errors import JournalBroken
from console.model.trace import BlockSeal
from console.trace_log import GENESIS

SEAL_MARK = b'{"w":"seal",'
_PIECE_BYTES = 1 << 20
_LONGEST_LINE_BYTES = 64 << 20
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, kw_only=True)
class TraceChain:
    """What was verified; `heads` are all seals in order, `unsealed` counts records after the last one."""

    heads: tuple[str, ...]
    records: int
    size_bytes: int
    unsealed: int

    @property
    def head(self) -> str:
        """Return the last seal, "" for an empty trace."""
        return self.heads[-1] if self.heads else ""


class _Walk:
    """Where the check stands: the hash of the block so far and how many records it holds."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._rest = b""
        self._block = hashlib.sha256(GENESIS.encode("ascii"))
        self.lines = self.records = self.waiting = self.size_bytes = 0
        self.heads: list[str] = []

    def feed(self, piece: bytes) -> None:
        """Check every whole line up to the piece's end; a begun line waits for the next piece."""
        self.size_bytes += len(piece)
        data = self._rest + piece
        view, at, end = memoryview(data), 0, data.rfind(b"\n") + 1
        while at < end:
            if data.startswith(SEAL_MARK, at):
                after = data.index(b"\n", at) + 1
                self._seal(data[at:after])
            else:
                found = data.find(b"\n" + SEAL_MARK, at, end)
                after = end if found < 0 else found + 1
                self._block.update(view[at:after])
                self._count(data.count(b"\n", at, after))
            at = after
        self._rest = data[end:]
        if len(self._rest) > _LONGEST_LINE_BYTES:
            raise self._broken("the line is longer than any that is written")

    def _count(self, records: int) -> None:
        self.waiting += records
        self.records += records
        self.lines += records

    def _seal(self, line: bytes) -> None:
        head = self._block.hexdigest()
        seal = BlockSeal(records=self.waiting, block=len(self.heads), sha256=head)
        if line != _encoder.encode(seal) + b"\n":
            first = self.lines - self.waiting + 1
            raise self._broken(
                f"the seal of block {len(self.heads)} does not fit the lines {first} to {self.lines} before it"
            )
        self.lines += 1
        self.waiting = 0
        self.heads.append(head)
        self._block = hashlib.sha256(head.encode("ascii"))

    def _broken(self, what: str) -> JournalBroken:
        return JournalBroken(self._path, self.lines + 1, what)

    def result(self) -> TraceChain:
        """Return what was found; a last line that is not whole counts as one unsealed record."""
        return TraceChain(
            heads=tuple(self.heads), records=self.records, size_bytes=self.size_bytes,
            unsealed=self.waiting + bool(self._rest),
        )  # fmt: skip


def verify_blocks(file: IO[bytes], path: str) -> TraceChain:
    """Return the chain of a trace. Raises JournalBroken, naming block and lines, where one does not fit."""
    walk = _Walk(path)
    while piece := file.read(_PIECE_BYTES):
        walk.feed(piece)
    return walk.result()
