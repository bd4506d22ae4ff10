"""The list of a kept copy at every step that reads it: the approved one, and as long as its time is not over."""

from __future__ import annotations

import errno
import os
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from fix_kept import keep, listed

from console.engine.reusing import _approved, _held, _require_content
from console.environments.keeping import Listing
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


@pytest.mark.parametrize("written", [(), ("one was changed while it was copied",)])
def test_what_changed_while_it_was_copied_is_no_kept_copy(written: tuple[str, ...]) -> None:
    """Files that are the kept ones when they are read, and were others in between, pass."""
    told, moment = listed(), "2026-12-01T10:00:00+00:00"
    found = Listing(folders=told.folders, files=told.files)
    taken = {
        "folder": "/kept", "mode": 0o700, "owner_uid": 0, "runner_uid": 0, "run": told.run, "read_at": moment,
        "until": "2026-12-01T12:00:00+00:00", "taken_at": moment, "fits": "0" * 64, "wanted": "0" * 64,
        "sha256": found.sha256, "list_sha256": "0" * 64, "approved_sha256": "0" * 64, "files": len(found.files),
        "size_bytes": found.size_bytes, "source_identifier": "1", "configured": "", "kept_identifier": "2",
    }  # fmt: skip
    recorded: dict[str, Any] = {}
    laid_out = SimpleNamespace(files=found.files, size_bytes=found.size_bytes)
    run: Any = SimpleNamespace(
        kept=told,
        kept_reading=SimpleNamespace(laid_out=laid_out, result=lambda: (found, written)),
        recorder=SimpleNamespace(
            state=SimpleNamespace(facts={"kept.taken": taken}),
            fact=lambda name, value, source: recorded.update({name: value}),
        ),
    )
    if written:
        with pytest.raises(StepFailed, match="one was changed while it was copied") as refused:
            _require_content(run)
        assert refused.value.gate == "G-30"
    else:
        _require_content(run)
    assert recorded["kept.laid_out"].differences == written


@pytest.mark.parametrize("number", [errno.EIO, errno.ELOOP, errno.ENOENT, errno.ESPIPE, errno.ENOSPC])
def test_what_the_file_system_says_of_a_kept_copy_is_not_an_error_of_ours(path: Path, number: int) -> None:
    """A disk that cannot be read, or a file that was exchanged, ends the run as our own failure."""

    def fails() -> Any:
        raise OSError(number, os.strerror(number), "/kept/data/base/1")

    run: Any = SimpleNamespace(kept=listed(), kept_reading=SimpleNamespace(result=fails), recorder=None)
    with pytest.raises(StepFailed, match=r"the kept copy cannot be read: .*'/kept/data/base/1'") as refused:
        _require_content(run)
    assert (refused.value.cause, refused.value.gate) == ("environment", "G-30")
    with pytest.raises((StepFailed, OSError)) as stopped, _held(path):
        fails()
    if number == errno.ENOSPC:
        assert stopped.type is OSError, (
            "it is this run's folder that has no room, and the kept copy is as it was"
        )
        return
    assert isinstance(stopped.value, StepFailed)
    assert (stopped.value.cause, stopped.value.gate) == ("environment", "G-30")
    said = "is being removed" if number == errno.ENOENT else "cannot be copied"
    assert f"the kept copy {said}: " in stopped.value.reason
    assert "'/kept/data/base/1'" in stopped.value.reason
