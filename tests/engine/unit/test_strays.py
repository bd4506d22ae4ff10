"""Processes of a run that no receipt names: found whatever else the run's receipts are about."""

from __future__ import annotations

import os
import subprocess

import pytest

from console.engine.recorder import MARK_NOTE
from console.engine.strays import strays_of
from console.environments.process import MARK_VARIABLE, process_identity
from console.model.run_state import Receipt, RunState

MARK = "5eed5eed"
OF_OTHER_THINGS = {
    "container fake": ("container", "b7850637611eb8e10366d1953b57237d698143f1cbada9208a9ca2389437c609"),
    "folder /f": ("folder", f"{os.getpid()}:15736950"),
}
"""A container's id is no number, and a folder's device may be the number of any process."""


def state(*names: str, child: str = "") -> RunState:
    """Return a run with these receipts, and one of the child where it is named."""
    receipts = {
        name: Receipt(kind=kind, name=name, identity=identity)
        for name, (kind, identity) in OF_OTHER_THINGS.items()
        if name in names
    }
    if child:
        receipts["process it"] = Receipt(kind="process", name="it", identity=child)
    return RunState(receipts=receipts, notes={MARK_NOTE: MARK})


@pytest.mark.parametrize("names", [(), tuple(OF_OTHER_THINGS)], ids=["alone", "beside other receipts"])
def test_a_process_with_the_runs_mark_is_found(names: tuple[str, ...]) -> None:
    """A container's id ends the search, or a folder's device number spares the children of a process."""
    child = subprocess.Popen(["sleep", "60"], env={"PATH": os.environ["PATH"], MARK_VARIABLE: MARK})
    try:
        identity = process_identity(child.pid)
        assert identity is not None
        assert strays_of(state(*names)) == [identity]
        assert strays_of(state(*names, child=identity)) == []
    finally:
        child.kill()
        child.wait()
