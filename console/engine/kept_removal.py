"""The end of kept copies: removed by exact name and identity, when their time is over or when somebody asks.

Never removes one that a run reads from, nor a folder that is not this user's.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from console.engine.folder_removal import remove_folder
from console.kept import LIST_FILE, Kept, KeptInUse, kept_copies, unused

_YOUNG_S = 60.0
"""A folder without a list may have been made a moment ago by a run that does not hold it yet."""


def remove_kept(kept: Kept, *, wait: bool = False) -> None:
    """Remove one kept copy, its list first, with all that is in it; one that is gone is removed already.

    Raises KeptInUse where a run reads from it and nobody waits, OSError naming what cannot be removed.
    """
    try:
        found = kept.path.lstat()
        with unused(kept.path, wait=wait):
            (kept.path / LIST_FILE).unlink(missing_ok=True)
            remove_folder(kept.path, identity=f"{found.st_dev}:{found.st_ino}")
    except FileNotFoundError:
        return


def remove_expired(folder: Path, now: datetime) -> list[tuple[Path, str]]:
    """Remove every copy of a folder whose time is over, and what is left of one that was never kept to the end.

    Return each with what kept it from that, "" where nothing did.
    """
    told = []
    for kept in kept_copies(folder):
        if not kept.is_over(now) and not _is_left(kept, now):
            continue
        try:
            remove_kept(kept)
        except (KeptInUse, OSError) as wrong:
            told.append((kept.path, str(wrong)))
        else:
            told.append((kept.path, ""))
    return told


def _is_left(kept: Kept, now: datetime) -> bool:
    """Tell whether a folder without a list is nobody's work any more: its maker holds it until it has one."""
    try:
        found = kept.path.lstat()
        made_s = now.timestamp() - found.st_ctime
        return kept.listed is None and not os.path.lexists(kept.path / LIST_FILE) and made_s > _YOUNG_S
    except FileNotFoundError:
        return False
