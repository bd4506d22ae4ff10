"""What the copy's container runs first, with a shell of this machine and programs that are told what to do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from console.environments.docker_containers import _START, is_ready_as_first

PATIENCE_S = 10.0
BULK = "-c wal_level=minimal -c max_wal_senders=0"

_WAITS = (
    "import os, signal, sys; signal.signal(signal.SIGINT, lambda *_: os._exit(0)); "
    "open(sys.argv[1], 'w').close(); signal.alarm(20); signal.pause()"
)
"""A shell leaves a signal ignored that was ignored when it began, as SIGINT is behind &; PostgreSQL does not."""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with initdb, and with a postgres that notes its words and does what `first` or `second` says."""
    program(tmp_path / "initdb", 'mkdir "$PGDATA"')
    program(
        tmp_path / "postgres",
        f"""echo "$@" >>{tmp_path}/started
if [ -e {tmp_path}/was ]; then . {tmp_path}/second; else : >{tmp_path}/was; . {tmp_path}/first; fi""",
    )
    (tmp_path / "init").mkdir()
    (tmp_path / "init" / "verifier").write_text("SCRAM")
    (tmp_path / "init" / "loading.conf").write_text("fsync = off\n")
    (tmp_path / "second").write_text("exit 7\n")
    return tmp_path


def program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def begun(place: Path, *, bulk: str, first: str) -> subprocess.Popen[bytes]:
    (place / "first").write_text(f"{first}\n")
    words = [
        "drydock",
        "postgres",
        str(place / "init"),
        bulk,
        "-c",
        "timezone=UTC",
        "-c",
        "datestyle=iso, mdy",
    ]
    return subprocess.Popen(
        ["sh", "-ec", _START, *words], env={"PATH": f"{place}:{os.defpath}", "PGDATA": str(place / "data")}
    )


def started(place: Path) -> list[str]:
    data = place / "data"
    return [line.removeprefix(f"-D {data} ") for line in (place / "started").read_text().splitlines()]


OWN = "-c timezone=UTC -c datestyle=iso, mdy"


def test_where_little_is_loaded_one_server_is_the_container(place: Path) -> None:
    """Without settings for loading there is one server, which the shell becomes."""
    child = begun(place, bulk="", first="exit 5")
    assert child.wait(PATIENCE_S) == 5
    assert started(place) == [OWN]
    assert (place / "data" / "postgresql.auto.conf").read_text() == "fsync = off\n"
    assert not (place / "init" / "verifier").exists()


def test_the_orderly_end_of_the_first_leads_to_the_second(place: Path) -> None:
    """The second has no setting of the first one's, and its exit code is the container's."""
    child = begun(place, bulk=BULK, first="exit 0")
    assert child.wait(PATIENCE_S) == 7
    assert started(place) == [f"{OWN} {BULK}", OWN]


@pytest.mark.parametrize(("does", "code"), [("exit 1", 1), ("kill -KILL $$", 137)])
def test_any_other_end_of_the_first_is_the_containers(place: Path, does: str, code: int) -> None:
    """A server that crashed while it was loaded is followed by none."""
    child = begun(place, bulk=BULK, first=does)
    assert child.wait(PATIENCE_S) == code
    assert started(place) == [f"{OWN} {BULK}"]


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
def test_a_container_that_is_stopped_stays_ended(place: Path, asked: signal.Signals) -> None:
    """Whoever stops the container while it is loaded ends the server in order, and no other one starts."""
    child = begun(place, bulk=BULK, first=f'exec "{sys.executable}" -c "{_WAITS}" {place}/up')
    deadline = time.monotonic() + PATIENCE_S
    while not (place / "up").exists():
        assert child.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    child.send_signal(asked)
    assert child.wait(PATIENCE_S) == 0
    assert started(place) == [f"{OWN} {BULK}"]


@pytest.mark.parametrize(
    ("told", "ready"),
    [
        ("1\n/d\n179\n5432\n/s\n*\n 1 2\nready   \n", True),
        ("31\n/d\n179\n5432\n/s\n*\n 1 2\nready   \n", False),
        ("1\n/d\n179\n5432\n/s\n*\n 1 2\nstarting\n", False),
        ("1\n/d\n179\n5432\n/s\n*\n 1 2\nstopping\n", False),
        ("1\n/d\n179\n5432\n/s\n*\n", False),
        ("", False),
    ],
)
def test_only_the_containers_first_process_can_be_the_other_server(told: str, ready: bool) -> None:
    """The server for loading, one that starts or ends, and a file that is not whole are not ready."""
    assert is_ready_as_first(told.encode()) is ready
