"""The end of kept copies: removed by exact name and identity, when their time is over or when somebody asks.

Never removes one that a run reads from, nor a folder that is not this user's.
"""

from __future__ import annotations

import contextlib
import errno
import os
from datetime import datetime
from pathlib import Path

from console.engine.folder_removal import remove_folder
from console.kept import LIST_FILE, LONGEST_HOURS, Kept, KeptInUse, kept_copies, unused

_HOUR_S = 3600.0
_YOUNG_S = 60.0
"""A folder without a list may have been made a moment ago by a run that does not hold it yet."""


def remove_kept(kept: Kept, *, wait: bool = False) -> None:
    """Remove one kept copy, its list first, with all that is in it; one that is gone is removed already.

    Raises KeptInUse where a run reads from it and nobody waits, OSError naming what cannot be removed, or whose folder
    it is.
    """
    if not os.path.lexists(kept.path):
        return
    if not kept.identity:
        raise OSError(errno.EPERM, "it is not a folder of this user's", str(kept.path))
    try:
        with unused(kept.path, wait=wait, identity=kept.identity) as here:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(LIST_FILE, dir_fd=here)
            remove_folder(kept.path, identity=kept.identity)
    except FileNotFoundError:
        return


def remove_expired(folder: Path, now: datetime) -> list[tuple[Path, str]]:
    """Remove every copy of a folder whose time is over, and what is left of one that was never kept to the end.

    Return each with what kept it from that, "" where nothing did; what a run makes at this moment is nobody's matter.
    """
    told = []
    for kept in kept_copies(folder):
        if not kept.is_over(now) and not _is_left(kept, now):
            continue
        try:
            remove_kept(kept)
        except KeptInUse as held:
            if kept.listed is not None:
                told.append((kept.path, str(held)))
        except OSError as wrong:
            told.append((kept.path, str(wrong)))
        else:
            told.append((kept.path, ""))
    return told


def _is_left(kept: Kept, now: datetime) -> bool:
    """Tell whether a folder of ours is nobody's work any more.

    Without a list it is when nobody holds it: its maker does until it has one. With one that cannot be believed it is
    after the longest time that a plan may say.
    """
    try:
        found = kept.path.lstat()
        made_s = now.timestamp() - found.st_ctime
        has_list = os.path.lexists(kept.path / LIST_FILE)
    except OSError:
        return False
    if kept.listed is not None or not kept.identity:
        return False
    return made_s > (LONGEST_HOURS * _HOUR_S if has_list else _YOUNG_S)
