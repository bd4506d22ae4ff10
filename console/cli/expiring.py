"""Kept copies whose time is over, removed by whichever command comes first when their keeper did not."""

from __future__ import annotations

import sys
from pathlib import Path

from console.model.text import visible


def tell_expired(folder: Path) -> int:
    """Remove every kept copy of a folder whose time is over, and say so; return how many could not be removed."""
    from console.engine.kept_removal import remove_expired
    from console.kept import now

    failed = 0
    for path, why in remove_expired(folder, now()):
        failed += bool(why)
        words = (
            f"the kept copy {path} is over and cannot be removed: {why}"
            if why
            else f"removed {path}: its time is over"
        )
        sys.stderr.write(f"drydock: {visible(words)}\n")
    return failed
