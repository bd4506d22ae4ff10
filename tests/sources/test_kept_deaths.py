"""Deaths while a copy is kept: what is half made goes with the run, what is whole stays until its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fix_runs import PATIENCE_S, Drydock, Living
from productions import Production
from test_reused_copy import Place

from console.kept import kept_copies

FAULTS = Path(__file__).parents[1] / "faults"
HALF_MADE = (
    ("SIGKILL engine", "opened kept *", "after"),
    ("SIGKILL engine", "identified kept *", "before"),
    ("SIGKILL engine", "identified kept *", "after"),
    ("SIGKILL both", "identified kept *", "after"),
    ("SIGKILL both", "closed kept *", "before"),
    ("SIGTERM engine", "identified kept *", "after"),
)
LIKE_ANOTHER = HALF_MADE[:2]
"""Only the matrix plays them: nothing or little of the copy is there yet, as right after its identity is known."""


@pytest.fixture
def place(
    drydock: Drydock, production: Production, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """A place to keep copies in a small file system of its own, which the tests fill, too."""
    if os.geteuid() != 0:
        pytest.skip("mounts a file system of its own: run it as root, as CI does")
    folder = tmp_path_factory.mktemp("kept")
    mount = ["mount", "-t", "tmpfs", "-o", "size=200m,mode=700", "tmpfs", str(folder)]
    subprocess.run(mount, check=True)
    made = Place(drydock, production, folder)
    yield made
    for pid in made.keepers():
        os.kill(pid, signal.SIGKILL)
    subprocess.run(["umount", str(folder)], check=True)


def armed(place: Place, *, act: str, moment: str, when: str) -> Living:
    """Start a run whose engine meets a fault at a moment."""
    spec = place.drydock.place("fault")
    told = {
        "act": act, "moment": moment, "when": when, "acks": f"{spec}.acks", "work": str(place.drydock.work),
        "ballast": str(place.folder / "ballast"),
    }  # fmt: skip
    spec.write_text(json.dumps(told), "utf-8")
    program = (sys.executable, str(FAULTS / "armed_console.py"), str(spec))
    living = replace(place.drydock, program=program).start(str(place.plan()), "--approve", "all")
    assert living.process.wait(PATIENCE_S) is not None
    assert Path(f"{spec}.acks.met").exists(), living.narration
    return living


@pytest.mark.parametrize(
    ("act", "moment", "when"),
    [pytest.param(*one, marks=pytest.mark.matrix if one in LIKE_ANOTHER else ()) for one in HALF_MADE],
)
def test_what_is_half_made_goes_with_its_run(place: Place, act: str, moment: str, when: str) -> None:
    """A copy of production stays behind that no list names and no receipt removes."""
    living = armed(place, act=act, moment=moment, when=when)
    if act == "SIGKILL both":
        assert kept_copies(place.folder) != []
        recovered = place.drydock.command("recover", living.folder.name, "--runs-dir", str(living.runs))
        assert recovered.exit_code == 1, recovered.stderr
    ended = living.state.ended
    assert ended is not None
    expected = ("ABORTED", "CLEAN") if act == "SIGTERM engine" else ("FAIL", "CLEAN")
    assert (ended.verdict, ended.closure) == expected, living.narration
    assert list(place.folder.iterdir()) == []
    assert list(place.drydock.work.glob(f"*{living.folder.name}*")) == []


@pytest.mark.parametrize("act", [pytest.param("SIGKILL engine", marks=pytest.mark.matrix), "SIGKILL both"])
def test_what_is_whole_stays_and_is_taken(place: Place, act: str) -> None:
    """A copy that was kept to the end goes with a run that dies afterwards, or cannot be taken."""
    living = armed(place, act=act, moment="closed kept *", when="after")
    if act == "SIGKILL both":
        recovered = place.drydock.command("recover", living.folder.name, "--runs-dir", str(living.runs))
        assert recovered.exit_code == 1, recovered.stderr
    ended = living.state.ended
    assert ended is not None
    assert (ended.verdict, ended.closure) == ("FAIL", "CLEAN"), living.narration
    assert len(place.kept) == 1
    again = place.run(place.plan())
    assert again.outcome == (0, "PASS", "CLEAN", None), again.said.stderr
    assert again.state.created is not None
    assert again.state.created.copy == "reused"


def test_a_full_disk_keeps_nothing(place: Place) -> None:
    """A copy that has no room ends in a traceback, or a part of it stays."""
    living = armed(place, act="full", moment="identified kept *", when="after")
    ended = living.state.ended
    assert ended is not None
    assert (ended.verdict, ended.closure, ended.cause) == ("FAIL", "CLEAN", "environment"), living.narration
    assert "No space left on device" in ended.reason
    (place.folder / "ballast").unlink()
    assert list(place.folder.iterdir()) == []
