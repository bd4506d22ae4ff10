"""Processes of a run that no receipt names: orphans that came to this process, users made for the run,
programs started with its mark.
"""

from __future__ import annotations

import ctypes
import os

from console.engine.rehearsal import UIDS_NOTE, Rehearsal
from console.engine.removal import is_of_the_run_as
from console.environments.process import look_at_processes, process_uid
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
    processes = [receipt.identity for receipt in state.receipts.values() if receipt.kind == "process"]
    known = {identity for identity in processes if identity}
    servers = {int(identity.split(":", 1)[0]) for identity in known}
    noted = state.notes.get(UIDS_NOTE, {})
    spared = set() if demo else {noted.get(name) for name in DEMO_USERS} - {None}
    adopted = os.getpid() if _adopts_orphans() else None
    found: list[str] = []
    for seen in look_at_processes():
        if seen.pid == os.getpid() or seen.identity in known or seen.parent in servers:
            continue
        uid = process_uid(seen.pid)
        if uid in spared:
            continue
        if seen.parent == adopted or is_of_the_run_as(uid, seen.identity, state):
            found.append(seen.identity)
    return found


def _adopts_orphans() -> bool:
    """Tell whether orphans of the run come to this process (prctl(2), PR_GET_CHILD_SUBREAPER)."""
    answer = ctypes.c_int(0)
    ctypes.CDLL(None).prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(answer), 0, 0, 0)
    return bool(answer.value)
