"""The demo as an ordinary user: no root, no account that is made for it, nothing left behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fix_ordinary import NOBODY, ordinary
from fix_runs import Drydock, Ended, Play


def as_nobody(drydock: Drydock) -> Ended:
    """Return the run of an ordinary user with a home of their own, on PostgreSQL 16."""
    theirs = ordinary(drydock)
    ended = theirs.run()
    if work := theirs.variables.get("DRYDOCK_WORK_DIR"):
        assert list(Path(work).iterdir()) == []
    return ended


PLAYS: dict[str, Play] = {"as nobody": as_nobody}


@pytest.mark.parametrize("played", ["as nobody"], indirect=True)
def test_an_ordinary_user_can_run_the_demo(played: Ended) -> None:
    """The demo as an ordinary user ends PASS and CLEAN with fifteen rows."""
    assert played.outcome == (0, "PASS", "CLEAN", None), played.said.stderr
    assert played.summary["rows_total"] == 15


@pytest.mark.parametrize("played", ["as nobody"], indirect=True)
def test_all_that_is_kept_is_theirs(played: Ended) -> None:
    """Every file of the run belongs to the user that started it, and no other user can read it."""
    owner = NOBODY if os.geteuid() == 0 else os.geteuid()
    for path in (played.folder, *played.folder.rglob("*")):
        assert path.lstat().st_uid == owner
        assert path.lstat().st_mode & 0o077 == 0
