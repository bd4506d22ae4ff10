"""The list of a kept copy at every step that reads it: the approved one, and as long as its time is not over."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from fix_kept import keep, listed

from console.engine.reusing import _approved
from console.errors import StepFailed
from console.kept import LIST_FILE, now, read_kept


def run_on(path: Path) -> Any:
    """Return as much of a run as the list is read with: it was approved as it is now."""
    return SimpleNamespace(order=SimpleNamespace(kept=read_kept(path).copy()))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A kept copy with years to go."""
    return keep(tmp_path, listed(hours=24 * 365 * 50))


def test_the_approved_list_is_read(path: Path) -> None:
    """The list that was shown is refused."""
    found = read_kept(path)
    assert _approved(run_on(path)) == (found.listed, found.list_sha256)


@pytest.mark.parametrize("how", ["changed", "gone", "damaged"])
def test_another_list_is_not(path: Path, how: str) -> None:
    """A list that was changed, removed or damaged after it was approved is believed."""
    run = run_on(path)
    if how == "gone":
        (path / LIST_FILE).unlink()
    else:
        with (path / LIST_FILE).open("ab") as file:
            file.write(b" " if how == "changed" else b"}")
    with pytest.raises(StepFailed) as refused:
        _approved(run)
    assert refused.value.gate == "G-30"
    assert refused.value.cause == "environment"
    assert str(path) in refused.value.reason


def test_a_copy_whose_time_ran_out_while_the_run_waited_is_not_used(tmp_path: Path) -> None:
    """A boundary is answered hours later, and production's data is used after its end."""
    told = listed()
    over = now() - timedelta(seconds=1)
    path = keep(tmp_path, msgspec.structs.replace(told, until=over))
    with pytest.raises(StepFailed, match=r"the kept copy expired at 20\d\d-"):
        _approved(run_on(path))
