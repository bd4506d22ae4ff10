"""A pack's trace as the screen needs it: unpacked into a private folder for as long as somebody looks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from console.evidence.storage import open_kept

_PIECE_BYTES = 1 << 20


def unpack_trace(folder: Path, into: Path, stopped: Callable[[], bool]) -> None:
    """Write trace and index of a pack as plain files, a piece at a time, until `stopped` says so.

    The index comes last: a record is only counted when its line is there. Raises OSError or ZstdError.
    """
    for name in ("trace.jsonl", "trace.idx"):
        with open_kept(folder / name) as kept, (into / name).open("xb") as plain:
            while not stopped() and (piece := kept.read(_PIECE_BYTES)):
                plain.write(piece)
