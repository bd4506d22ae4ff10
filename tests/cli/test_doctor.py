"""`drydock doctor`: each row from facts just inside and just outside, the terminal's answer, and the real command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import termios
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from console.cli.doctor import in_time
from console.cli.doctor_facts import fence_answers, file_system_of, folder_facts, kills_user_processes
from console.cli.doctor_rows import (
    DockerFacts,
    FolderFacts,
    Row,
    SourceFacts,
    SystemFacts,
    TerminalFacts,
    docker_rows,
    exit_code,
    folder_rows,
    keyring_row,
    postgresql_rows,
    source_rows,
    system_rows,
    terminal_rows,
)

TERMINAL = TerminalFacts(
    is_tty=True, term="xterm-256color", colorterm="truecolor", no_color=False, columns=80, rows=24, encoding="UTF-8",
    multiplexer="", over_ssh=False, fence=True,
)  # fmt: skip
FOLDER = FolderFacts(
    role="runs", path="/r", exists=True, mode=0o700, owner_uid=1000, runner_uid=1000, writable=True,
    free_bytes=5_000_000_000, file_system="ext4",
)  # fmt: skip
SYSTEM = SystemFacts(
    python=(3, 11, 0), has_venv=True, zone="UTC", synchronised=True, has_systemd=True, lingers=True,
    kills_user_processes=True, core_limit=0, core_pattern="core", is_root=False,
)  # fmt: skip
DOCKER = DockerFacts(endpoint="unix:///d", version="28.0.1", trouble="", host_variable=False, context="")
SOURCE = SourceFacts(version_num=160_004, trouble="", skipped="", needs_tls=False)


def states(rows: list[Row]) -> dict[str, str]:
    """Return each row's state; every row that is LIMITED or MISSING has a remedy."""
    assert [row for row in rows if row.state in ("LIMITED", "MISSING") and not row.remedy] == []
    assert all(row.found for row in rows)
    return {row.thing: row.state for row in rows}


@pytest.mark.parametrize(
    ("change", "thing", "state"),
    [
        ({}, "terminal", "OK"),
        ({"columns": 79}, "terminal", "LIMITED"),
        ({"rows": 23}, "terminal", "LIMITED"),
        ({"is_tty": False}, "terminal", "LIMITED"),
        ({}, "characters", "OK"),
        ({"encoding": "utf8"}, "characters", "OK"),
        ({"encoding": "ANSI_X3.4-1968"}, "characters", "LIMITED"),
        ({}, "colours", "OK"),
        ({"colorterm": ""}, "colours", "LIMITED"),
        ({"colorterm": "", "no_color": True}, "colours", "OK"),
        ({}, "boundary fence", "OK"),
        ({"fence": False}, "boundary fence", "LIMITED"),
        ({"fence": None}, "boundary fence", "UNKNOWN"),
        ({"multiplexer": "tmux"}, "boundary fence", "LIMITED"),
        ({}, "clipboard", "UNKNOWN"),
    ],
)
def test_the_terminal(change: dict[str, object], thing: str, state: str) -> None:
    """A terminal that can less is called OK, or one that can all is not."""
    assert states(terminal_rows(replace(TERMINAL, **change)))[thing] == state  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "thing", "state"),
    [
        ({}, "runs folder", "OK"),
        ({"exists": False}, "runs folder", "OK"),
        ({"mode": 0o750}, "runs folder", "LIMITED"),
        ({"owner_uid": 0}, "runs folder", "LIMITED"),
        ({"writable": False}, "runs folder", "MISSING"),
        ({"trouble": "is no folder"}, "runs folder", "MISSING"),
        ({"role": "work", "mode": 0o1777, "owner_uid": 0}, "work folder", "OK"),
        ({}, "runs disk", "OK"),
        ({"free_bytes": 4_999_999_999}, "runs disk", "MISSING"),
        ({"role": "cache", "free_bytes": 1}, "cache disk", "OK"),
        ({"file_system": "tmpfs"}, "runs disk", "LIMITED"),
        ({"file_system": "nfs4"}, "runs disk", "LIMITED"),
    ],
)
def test_folders_and_disks(change: dict[str, object], thing: str, state: str) -> None:
    """A folder that others can read, that cannot be written or that has too little room passes."""
    rows = folder_rows(replace(FOLDER, **change), least_bytes=5_000_000_000)  # type: ignore[arg-type]
    assert states(rows)[thing] == state
    assert exit_code(rows) == (state == "MISSING")


@pytest.mark.parametrize(
    ("change", "thing", "state"),
    [
        ({}, "Python", "OK"),
        ({"python": (3, 14, 9)}, "Python", "OK"),
        ({"python": (3, 10, 9)}, "Python", "MISSING"),
        ({"python": (3, 15, 0)}, "Python", "MISSING"),
        ({"has_venv": False}, "Python", "MISSING"),
        ({}, "after logout", "OK"),
        ({"lingers": False}, "after logout", "LIMITED"),
        ({"lingers": False, "kills_user_processes": False}, "after logout", "OK"),
        ({"lingers": False, "has_systemd": False}, "after logout", "OK"),
        ({}, "clock", "OK"),
        ({"synchronised": False}, "clock", "LIMITED"),
        ({"synchronised": None}, "clock", "UNKNOWN"),
        ({"core_pattern": "|/usr/lib/systemd/systemd-coredump"}, "core dumps", "OK"),
    ],
)
def test_the_system(change: dict[str, object], thing: str, state: str) -> None:
    """A Python that is too old or too new, processes that end at logout, or a clock nobody sets, pass."""
    rows = system_rows(replace(SYSTEM, **change))  # type: ignore[arg-type]
    assert states(rows)[thing] == state
    assert exit_code(rows) == (state == "MISSING")


def test_postgresql_against_the_source() -> None:
    """A source that pg_dump refuses, or that asks for a TLS which the wheel lacks, is called OK."""

    def state(facts: SourceFacts, *, major: int = 16, wheel: bool = True) -> str:
        return states(source_rows(facts, major=major, from_wheel=wheel))["source"]

    assert source_rows(None, major=16, from_wheel=True) == []
    assert state(SOURCE) == "OK"
    assert state(SOURCE, major=18) == "LIMITED"
    assert state(replace(SOURCE, version_num=170_001)) == "MISSING"
    secured = replace(SOURCE, needs_tls=True)
    assert (state(secured), state(secured, wheel=False)) == ("MISSING", "OK")
    assert state(replace(SOURCE, trouble="it refuses")) == "MISSING"
    assert state(replace(SOURCE, skipped="not asked")) == "UNKNOWN"
    assert exit_code(postgresql_rows({16: "16.14"}, {}, major=16)) == 0
    assert exit_code(postgresql_rows({18: "18.4"}, {"/usr/lib/postgresql/16": "16.9"}, major=16)) == 1


def test_docker_and_keyring() -> None:
    """An engine that does not answer, a variable that is not followed, or a locked keyring is called OK."""
    assert states(docker_rows(DOCKER)) == {"docker engine": "OK"}
    assert "isolated needs 28" in docker_rows(replace(DOCKER, version="20.10.24"))[0].found
    assert states(docker_rows(replace(DOCKER, trouble="no"))) == {"docker engine": "MISSING"}
    assert states(docker_rows(replace(DOCKER, host_variable=True)))["docker's own words"] == "LIMITED"
    assert states(docker_rows(replace(DOCKER, context="lab")))["docker's own words"] == "LIMITED"
    assert exit_code(docker_rows(replace(DOCKER, trouble="no"))) == 0
    assert (
        states([keyring_row("keyring.backends.SecretService.Keyring", "", over_ssh=False)])["keyring"] == "OK"
    )
    assert (
        states([keyring_row("keyring.backends.SecretService.Keyring", "", over_ssh=True)])["keyring"]
        == "LIMITED"
    )
    assert states([keyring_row("", "there is no keyring", over_ssh=False)])["keyring"] == "LIMITED"


@pytest.mark.parametrize(("answer", "found"), [(b"\x1b[12;40R", True), (b"yes\r", False), (b"", False)])
def test_the_fence_is_asked_for_real(answer: bytes, found: bool) -> None:
    """A terminal that answers is not believed, or a key is taken for an answer, or its settings stay changed."""
    ours, theirs = os.openpty()
    before = termios.tcgetattr(theirs)
    asked: list[bytes] = []

    def terminal() -> None:
        asked.append(os.read(ours, 64))
        if answer:
            os.write(ours, answer)

    thread = threading.Thread(target=terminal)
    thread.start()
    try:
        assert fence_answers(theirs, patience_s=5.0 if found else 0.2) is found
        thread.join()
        assert (asked, termios.tcgetattr(theirs)) == ([b"\x1b[6n"], before)
    finally:
        os.close(ours)
        os.close(theirs)


def test_what_files_say(tmp_path: Path) -> None:
    """The mount above another, the last word of logind's files, or a link to nothing is passed over."""
    mounts = "/dev/a / ext4 rw 0 0\ntmpfs /var/tmp tmpfs rw 0 0\n/dev/b /var xfs rw 0 0\nnfs /my\\040disk nfs4 rw 0 0\n"
    found = [file_system_of(Path(one), mounts) for one in ("/var/tmp/x", "/var/lib", "/home", "/my disk/a")]
    assert found == ["tmpfs", "xfs", "ext4", "nfs4"]
    assert kills_user_processes(["[Login]\nKillUserProcesses=yes\n", "KillUserProcesses = no\n"]) is False
    assert kills_user_processes(["#KillUserProcesses=no\n", "KillUserProcesses=yes"]) is True
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    troubles = [folder_facts("runs", tmp_path / name).trouble for name in ("folder", "link", "dangling")]
    assert troubles == ["", "", "is no folder"]
    assert folder_facts("runs", tmp_path / "a" / "b").exists is False
    assert not (tmp_path / "a").exists()


def test_a_probe_that_does_not_come_back() -> None:
    """A file server that is gone keeps the doctor for ever, or is taken for one that works."""
    never = threading.Event()

    def wait() -> list[Row]:
        never.wait()
        return []

    try:
        [row] = in_time("work folder", wait, patience_s=0.1)
    finally:
        never.set()
    assert (row.state, row.found, exit_code([row])) == ("MISSING", "no answer in 0.1 s", 1)


def test_the_command_itself(tmp_path: Path) -> None:
    """The real command makes something, is wider than 80 columns, or says another exit code than its rows."""
    program = str(Path(sys.executable).with_name("drydock"))
    places = {"DRYDOCK_RUNS_DIR": "runs", "XDG_STATE_HOME": "state", "DRYDOCK_CACHE_DIR": "cache"}
    environ = {
        **os.environ,
        **{name: str(tmp_path / place) for name, place in places.items()},
        "COLUMNS": "80",
    }
    done = subprocess.run([program, "doctor"], capture_output=True, text=True, check=False, env=environ)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "a demo rehearsal can be run: drydock run"
    assert [line for line in done.stdout.splitlines() if len(line) > 80 and " " in line.strip()] == []
    (tmp_path / "runs").write_text("no folder")
    words = [program, "doctor", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environ)
    told = json.loads(done.stdout)
    assert (done.returncode, told["demo"]) == (1, False)
    assert [row["thing"] for row in told["things"] if row["needed"] and row["state"] == "MISSING"] == [
        "runs folder"
    ]
    assert list(tmp_path.iterdir()) == [tmp_path / "runs"]
