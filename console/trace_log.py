"""The trace: statements as lines, sealed in blocks, with the offset of every record beside them.

``trace.jsonl`` holds records and, after each block, a seal whose sha256 covers the previous seal's
hash and the block's bytes; ``trace.idx`` holds one little-endian 64-bit offset a record (seals are not
records). The head is the last seal's hash. Only the engine appends.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from console.errors import JournalBroken
from console.model.trace import BlockSeal, ClientStatement, EngineStatement, ServerLine, TraceRecord
from console.secrets import SecretRegistry

BLOCK_BYTES = 64 << 10
_TOGETHER_RECORDS = 4096
GENESIS = "0" * 64

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[TraceRecord] = msgspec.json.Decoder(TraceRecord)

Record = ClientStatement | ServerLine | EngineStatement


class TraceWriter:
    """Appends records; `seal` closes a block and makes everything so far durable."""

    def __init__(self, folder: Path, registry: SecretRegistry) -> None:
        """Create trace.jsonl and trace.idx in `folder`, 0600; they must not exist."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self._registry = registry
        self._lines = os.open(folder / "trace.jsonl", flags, 0o600)
        self._index = os.open(folder / "trace.idx", flags, 0o600)
        self._end_bytes = 0
        self._head = GENESIS
        self._block = hashlib.sha256(self._head.encode("ascii"))
        self._room_bytes = BLOCK_BYTES
        self._block_records = 0
        self._blocks = 0

    @property
    def head(self) -> str:
        """Return the last seal's hash."""
        return self._head

    def append(self, records: Iterable[Record], *, origin: str) -> None:
        """Write records, each with every known secret taken out of its texts."""
        waiting: list[Record] = []
        for record in records:
            waiting.append(record)
            if len(waiting) == _TOGETHER_RECORDS:
                self._append_together(waiting, origin)
                waiting.clear()
        if waiting:
            self._append_together(waiting, origin)

    def _append_together(self, records: Sequence[Record], origin: str) -> None:
        """Write records with as few calls as their blocks allow; looked through at once, then apart where needed."""
        lines = [_encoder.encode(record) for record in records]
        if not self._registry.is_absent(b"\n".join(lines)):
            lines = [
                _encoder.encode(self._registry.redact_value(record, origin=origin)) for record in records
            ]
        first = 0
        while first < len(lines):
            first += self._fill_block(lines, first)

    def _fill_block(self, lines: Sequence[bytes], first: int) -> int:
        """Write lines until the block is full; return how many. Their offsets follow: no reader sees one too early."""
        offsets, end_bytes, full_bytes = array("Q"), self._end_bytes, self._end_bytes + self._room_bytes
        for line in itertools.islice(lines, first, None):
            offsets.append(end_bytes)
            end_bytes += len(line) + 1
            if end_bytes >= full_bytes:
                break
        if sys.byteorder == "big":
            offsets.byteswap()
        self._room_bytes -= end_bytes - self._end_bytes
        together = b"\n".join(lines[first : first + len(offsets)]) + b"\n"
        self._write(together)
        _write_all(self._index, offsets.tobytes())
        self._block.update(together)
        self._block_records += len(offsets)
        if self._room_bytes <= 0:
            self._close_block()
        return len(offsets)

    def seal(self) -> str:
        """Close the block, fsync and return the head."""
        if self._block_records:
            self._close_block()
        os.fsync(self._lines)
        os.fsync(self._index)
        return self._head

    def _close_block(self) -> None:
        self._head = self._block.hexdigest()
        seal = BlockSeal(records=self._block_records, block=self._blocks, sha256=self._head)
        self._write(_encoder.encode(seal) + b"\n")
        self._blocks += 1
        self._block = hashlib.sha256(self._head.encode("ascii"))
        self._room_bytes, self._block_records = BLOCK_BYTES, 0

    def _write(self, lines: bytes) -> None:
        _write_all(self._lines, lines)
        self._end_bytes += len(lines)

    def close(self) -> None:
        """Close both files."""
        os.close(self._lines)
        os.close(self._index)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def read_trace(path: Path, *, head: str | None = None) -> Iterator[Record]:
    """Yield every record of a trace whose blocks verify; `head` must then be the last seal.

    Raises JournalBroken at the first block that does not verify, and for records after the last seal.
    """
    previous, block, waiting, blocks = GENESIS, hashlib.sha256(GENESIS.encode("ascii")), 0, 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                record = _decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
                raise JournalBroken(str(path), number, f"not a record: {wrong}") from wrong
            if not isinstance(record, BlockSeal):
                block.update(line)
                waiting += 1
                yield record
                continue
            expected = BlockSeal(records=waiting, block=blocks, sha256=block.hexdigest())
            if line != _encoder.encode(expected) + b"\n":
                raise JournalBroken(str(path), number, "the seal does not fit the block before it")
            previous, waiting, blocks = record.sha256, 0, blocks + 1
            block = hashlib.sha256(previous.encode("ascii"))
    if waiting:
        raise JournalBroken(str(path), number, f"{waiting} records follow the last seal")
    if head is not None and head != previous:
        raise JournalBroken(str(path), 0, "the last seal is not the head that the journal holds")
