"""Processes of a run that no receipt names: orphans that came to this process, users made for the run,
programs started with its mark.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from console.engine.rehearsal import UIDS_NOTE, Rehearsal
from console.engine.removal import is_of_the_run
from console.environments.process import process_identity, process_uid
from console.model.run_state import RunState

DEMO_USERS = ("production", "neighbour")
_PR_GET_CHILD_SUBREAPER = 37


def strays(run: Rehearsal, *, demo: bool = False) -> list[str]:
    """Return the identities of living processes of this run that no receipt names.

    Those of the demo's own users count only where `demo` is asked for: until the closing gates have looked,
    production and neighbour are left as they are, whoever started them again.
    """
    return strays_of(run.recorder.state, demo=demo)


def strays_of(state: RunState, *, demo: bool = True) -> list[str]:
    """Return the same from the journal alone."""
    known = {receipt.identity for receipt in state.receipts.values()}
    servers = {identity.split(":", 1)[0] for identity in known if identity}
    noted = state.notes.get(UIDS_NOTE, {})
    spared = set() if demo else {noted.get(name) for name in DEMO_USERS} - {None}
    adopted = str(os.getpid()) if _adopts_orphans() else ""
    found: list[str] = []
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            parent = Path(entry.path, "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[1]
        except (FileNotFoundError, ProcessLookupError):
            continue
        identity = process_identity(int(entry.name))
        if identity is None or identity in known or parent in servers:
            continue
        if spared and process_uid(int(entry.name)) in spared:
            continue
        if parent == adopted or is_of_the_run(identity, state):
            found.append(identity)
    return found


def _adopts_orphans() -> bool:
    """Tell whether orphans of the run come to this process (prctl(2), PR_GET_CHILD_SUBREAPER)."""
    answer = ctypes.c_int(0)
    ctypes.CDLL(None).prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(answer), 0, 0, 0)
    return bool(answer.value)
