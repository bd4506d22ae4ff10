"""Where a run's copy is kept: looked at before production is touched, before it is copied, and before a byte is kept.

Owns what is known of the folder and when a run stops for it; makes the folder where it is not there.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import Literal

from console.engine.rehearsal import Rehearsal
from console.environments.cluster import folder_identity
from console.environments.protection import protection_of
from console.errors import StepFailed
from console.gates.checks_kept import place_faults
from console.gates.sentences import first_few
from console.kept import kept_path
from console.model.kept_facts import KeptLeft, KeptPlace

GATE = "G-29"
KEPT_UNTIL = "kept until "
"""How the receipt of a copy that was kept to the end is closed."""

_MODE = 0o777


def own_path(run: Rehearsal) -> Path:
    """Return where this run's copy is kept."""
    return kept_path(run.config.reuse.folder, run.order.run)


def require_place(run: Rehearsal, *, needed_bytes: int) -> KeptPlace:
    """Look at the folder; raises StepFailed (environment, G-29) where nothing may be kept in it."""
    place = place_of(run, needed_bytes=needed_bytes)
    if faults := place_faults(place):
        raise StepFailed(first_few(faults), cause="environment", gate=GATE)
    return place


def place_of(run: Rehearsal, *, needed_bytes: int) -> KeptPlace:
    """Return what is known of the folder in which the copy is to be kept; it is made where it is not there."""
    reuse, folder = run.config.reuse, Path(run.config.reuse.folder)
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as wrong:
        reason = f"the folder {folder} cannot be used: {wrong.strerror}"
        raise StepFailed(reason, cause="environment", gate=GATE) from wrong
    if not stat.S_ISDIR(found.st_mode):
        raise StepFailed(f"{folder} is no folder, or a link to one", cause="environment", gate=GATE)
    seen = protection_of(folder)
    by_word = reuse.encrypted and not seen.kind
    return KeptPlace(
        folder=str(folder), mode=found.st_mode & _MODE, owner_uid=found.st_uid, runner_uid=os.geteuid(),
        file_system=seen.file_system, protection="word" if by_word else seen.kind,
        told_by=f"the plan says so ([reuse] encrypted); {seen.told_by}" if by_word else seen.told_by,
        free_bytes=shutil.disk_usage(folder).free, needed_bytes=needed_bytes,
    )  # fmt: skip


def kept_left(run: Rehearsal) -> KeptLeft:
    """Return what is there now of the copy that this run was to keep."""
    path = own_path(run)
    receipt = next((one for one in run.recorder.state.receipts.values() if one.kind == "kept"), None)
    exists = os.path.lexists(path)
    same = exists and receipt is not None and folder_identity(path) == receipt.identity
    if receipt is None:
        return KeptLeft(receipt="none", folder=str(path), exists=exists, same_folder=False)
    how: Literal["kept", "removed", "open"] = "removed" if receipt.closed else "open"
    if receipt.closed.startswith(KEPT_UNTIL):
        how = "kept"
    return KeptLeft(receipt=how, folder=str(path), exists=exists, same_folder=same)
