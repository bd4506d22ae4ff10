"""Where copies may be kept, and those whose time is over: removed by whichever command comes first."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from console.model.text import visible


def kept_folders(runs: Path) -> list[Path]:
    """Return the folders in which a copy of this user's may be kept: the default one, and those that his runs named.

    Another shell may have another DRYDOCK_KEPT_DIR, and a plan may name a folder of its own.
    """
    import msgspec

    from console.model.config import RunOrder
    from console.runs import ORDER_FILE, run_names
    from console.settings import default_kept_folder

    found = {default_kept_folder().absolute(): None}
    for name in run_names(runs) or []:
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            order = runs / name / ORDER_FILE
            if order.lstat().st_uid != os.geteuid():
                continue
            reuse = msgspec.json.decode(order.read_bytes(), type=RunOrder).config.reuse
            if reuse.copy:
                found[Path(reuse.folder)] = None
    return [*found]


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
