"""A text looked for in the journals and the statements of many runs, a bounded piece of work at a time.

Whoever asks decides how long it goes on: nothing here has a thread, and no piece takes longer than its bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Literal

import msgspec
import zstandard

from console.evidence.storage import open_kept
from console.evidence.trace_chain import SEAL_MARK
from console.model.browsing import Hit

PIECE_BYTES = 512 << 10
MOST_HITS_A_FILE = 100
_AROUND_BYTES = 100
_LONGEST_LINE_BYTES = 64 << 20
_FILES: tuple[tuple[Literal["journal", "trace"], str], ...] = (
    ("journal", "journal.jsonl"), ("trace", "trace.jsonl"),
)  # fmt: skip


def search(runs: Path, text: str, names: Sequence[str]) -> Iterator[Hit | None]:
    """Yield each hit in the order of the runs, and None after each piece of a file.

    Case does not count for ASCII letters. What cannot be read is passed over here: `drydock verify` names it.
    """
    needles = _spellings(text)
    if not needles:
        return
    for run in names:
        for kind, file in _FILES:
            try:
                with open_kept(runs / run / file) as opened:
                    yield from _in_file(opened, needles, run, kind)
            except (OSError, zstandard.ZstdError):
                yield None


def _spellings(text: str) -> tuple[bytes, ...]:
    """Return how the text stands inside a JSON string, lower case; "" looks for nothing."""
    return (msgspec.json.encode(text)[1:-1].lower(),) if text.strip() else ()


def _in_file(
    opened: IO[bytes], needles: tuple[bytes, ...], run: str, kind: Literal["journal", "trace"]
) -> Iterator[Hit | None]:
    """Search whole lines of one file; a line that is not whole waits for the next piece."""
    rest, number, found = b"", 1 if kind == "journal" else 0, 0
    while piece := opened.read(PIECE_BYTES):
        cut = piece.rfind(b"\n") + 1
        if not cut and len(rest) < _LONGEST_LINE_BYTES:
            rest += piece
            yield None
            continue
        block, rest = rest + piece[:cut], piece[cut:]
        for place in _places(block.lower(), needles):
            if found >= MOST_HITS_A_FILE:
                return
            found += 1
            before = _records(block[: block.rfind(b"\n", 0, place) + 1])
            yield Hit(run=run, file=kind, number=number + before, text=_around(block, place))
        number += _records(block)
        yield None


def _places(lowered: bytes, needles: tuple[bytes, ...]) -> Iterator[int]:
    """Yield one place in each line that holds a needle."""
    for needle in needles:
        at = lowered.find(needle)
        while at >= 0:
            yield at
            line = lowered.find(b"\n", at)
            at = lowered.find(needle, line) if line >= 0 else -1


def _records(block: bytes) -> int:
    """Return how many records the whole lines of a block are; seals are none."""
    return block.count(b"\n") - block.count(SEAL_MARK)


def _around(block: bytes, place: int) -> str:
    begin = max(block.rfind(b"\n", 0, place) + 1, place - _AROUND_BYTES)
    end = block.find(b"\n", place)
    return block[begin : min(end if end >= 0 else len(block), place + 2 * _AROUND_BYTES)].decode(
        "utf-8", "replace"
    )
