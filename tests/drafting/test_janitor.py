"""`drydock init` that is killed leaves no server, no process and no folder of the demo that it made for a moment."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fix_places import place_for_clusters

from console.drafting.janitor import tidied
from console.errors import StepFailed

PATIENCE_S = 60.0


@pytest.fixture
def place() -> Iterator[Path]:
    """Yield a work folder that clusters can be made in."""
    place = Path(tempfile.mkdtemp(prefix="ddj-", dir=place_for_clusters()))
    place.chmod(0o711)
    yield place
    shutil.rmtree(place)


def within_patience(holds: Callable[[], object], what: str) -> None:
    """Fail when it does not come to hold."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def processes_below(place: Path) -> list[str]:
    """Return the command lines of processes that name the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
        except OSError:
            continue
        if str(place).encode() in words:
            found.append(words.replace(b"\0", b" ").decode())
    return found


@pytest.mark.parametrize("moment", ["initdb or its like runs", "the server runs"])
def test_a_killed_init_leaves_nothing(place: Path, moment: str) -> None:
    """SIGKILL while the demo is made, or while it is read, leaves its servers running."""
    words = ["init", str(place / "plan"), "--yes", "--source", "demo"]
    init = subprocess.Popen(
        [sys.executable, "-m", "console", *words], cwd=place, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, env={**os.environ, "DRYDOCK_WORK_DIR": str(place), "XDG_STATE_HOME": str(place)},
    )  # fmt: skip
    try:
        if moment == "the server runs":
            within_patience(lambda: list(place.glob("ddi-*/demo/*/data/postmaster.pid")), "no server")
        else:
            within_patience(lambda: list(place.glob("ddi-*/demo/*/data")), "no data folder")
        assert init.poll() is None
    finally:
        init.send_signal(signal.SIGKILL)
        init.wait()
    within_patience(lambda: not list(place.glob("ddi-*")), "the demo's folder stays")
    within_patience(lambda: not processes_below(place), "a process of the demo stays")


def test_a_folder_that_took_the_name_is_left_alone(place: Path) -> None:
    """What lies under the name at the end is somebody else's and is removed, or nobody hears what was not."""
    folder = place / "mine"
    folder.mkdir()

    def replaced() -> None:
        with tidied(folder):
            folder.rename(place / "moved")
            folder.mkdir()
            (folder / "theirs").touch()

    with pytest.raises(StepFailed, match="is not all gone"):
        replaced()
    assert (folder / "theirs").exists()
    (place / "again").mkdir()
    with tidied(place / "again"):
        pass
    assert not (place / "again").exists()
