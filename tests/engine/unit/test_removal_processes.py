"""Tests of ending processes by their receipts: exactly the named one and what it left in its session."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from console.engine import removal
from console.engine.recorder import MARK_NOTE, Recorder
from console.engine.removal import remove_part, still_exists
from console.environments.cluster import folder_identity
from console.environments.process import (
    MARK_VARIABLE,
    end_process,
    is_alive,
    members_of_session,
    process_identity,
)
from console.model.run_state import Receipt
from console.secrets import SecretRegistry


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    """Yield the recorder of a run."""
    (tmp_path / "run").mkdir()
    recorder = Recorder(tmp_path / "run" / "journal.jsonl", SecretRegistry())
    yield recorder
    recorder.close()


def outcome(recorder: Recorder, kind: str, name: object) -> tuple[str, str]:
    """Return how a receipt was closed, and what trouble there was."""
    found = recorder.state.receipts[f"{kind} {name}"]
    return found.closed, found.trouble


SLEEP = "import time; time.sleep(60)"


def _listens() -> None:
    """Take SIGQUIT as usual: a shell's background job is started with it ignored."""
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Yield a way to start processes that are ended after the test."""
    started: list[subprocess.Popen[bytes]] = []

    def run(code: str = SLEEP, *, session: bool = True) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-c", code], start_new_session=session, stdout=subprocess.PIPE, preexec_fn=_listens,
        )  # fmt: skip
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def identity_of(process: subprocess.Popen[bytes]) -> str:
    """Return who a living process is."""
    found = process_identity(process.pid)
    assert found is not None
    return found


def receipt_of(recorder: Recorder, process: subprocess.Popen[bytes], name: str = "a program") -> None:
    """Write a process's receipt."""
    recorder.opening("process", name)
    recorder.identified("process", name, identity_of(process))


Start = Callable[..., subprocess.Popen[bytes]]


def test_a_process_of_ours_is_ended_and_no_other(recorder: Recorder, start: Start) -> None:
    """The named process ends, one beside it in a session of its own goes on."""
    ours, decoy = start(), start()
    receipt_of(recorder, ours)
    remove_part(recorder, "rehearsal")
    assert outcome(recorder, "process", "a program") == ("ended by SIGTERM", "")
    assert ours.wait(10) == -signal.SIGTERM
    assert decoy.poll() is None


def test_a_server_is_asked_to_quit_at_once(recorder: Recorder, start: Start) -> None:
    """PostgreSQL is ended by SIGQUIT, as its data is thrown away."""
    ours = start()
    receipt_of(recorder, ours, "postgres of the copy")
    remove_part(recorder, "rehearsal")
    assert outcome(recorder, "process", "postgres of the copy") == ("ended by SIGQUIT", "")
    assert ours.wait(10) == -signal.SIGQUIT


def test_a_process_that_does_not_listen_is_killed(
    recorder: Recorder, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the patience, SIGKILL ends what ignores the question."""
    monkeypatch.setattr(removal, "PROCESS_PATIENCE_S", 0.05)
    ours = start(
        "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    )
    assert ours.stdout is not None
    assert ours.stdout.readline() == b"deaf\n"
    receipt_of(recorder, ours)
    remove_part(recorder, "rehearsal")
    assert ours.wait(10) == -signal.SIGKILL
    assert recorder.state.open_receipts == []


@pytest.mark.parametrize("part", ["start", "boot"])
def test_a_process_that_took_over_the_number_is_left_alone(
    recorder: Recorder, start: Start, part: str
) -> None:
    """A living process with our number and another start or boot is a stranger, and so is its session."""
    stranger = start()
    pid, ticks, boot = identity_of(stranger).split(":")
    old = f"{pid}:{int(ticks) - 1}:{boot}" if part == "start" else f"{pid}:{ticks}:{'0' * 8}-0000"
    recorder.opening("process", "a program")
    recorder.identified("process", "a program", old)
    remove_part(recorder, "rehearsal")
    assert stranger.poll() is None
    assert outcome(recorder, "process", "a program")[0] in ("had ended", "ended with the machine")


PARENT = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {SLEEP!r}])
print(child.pid, flush=True)
{{then}}
"""


@pytest.mark.parametrize("marked", [True, False])
def test_what_a_dead_process_left_in_its_session_is_ended_when_it_is_the_run_s(
    recorder: Recorder, start: Start, monkeypatch: pytest.MonkeyPatch, marked: bool
) -> None:
    """The child of a killed leader ends by the mark that it was started with; without one it may be a stranger's."""
    recorder.note(MARK_NOTE, "this-run")
    monkeypatch.setenv(MARK_VARIABLE, "this-run" if marked else "another-run")
    ours, decoy = start(PARENT.format(then="import time; time.sleep(60)")), start()
    assert ours.stdout is not None
    child = process_identity(int(ours.stdout.readline()))
    assert child is not None
    receipt_of(recorder, ours)
    ours.kill()
    ours.wait()
    assert members_of_session(ours.pid) == [child]
    remove_part(recorder, "rehearsal")
    left = is_alive(child)
    end_process(child, ask=signal.SIGKILL, patience_s=10)
    assert outcome(recorder, "process", "a program") == ("had ended", "")
    assert left == (not marked)
    assert decoy.poll() is None


def test_a_session_of_an_earlier_boot_is_nobody_s(recorder: Recorder, start: Start) -> None:
    """After a restart of the machine the same numbers are other people's sessions, and are left alone."""
    theirs = start(PARENT.format(then=""))
    assert theirs.stdout is not None
    orphan = process_identity(int(theirs.stdout.readline()))
    assert orphan is not None
    theirs.wait(10)
    recorder.opening("process", "a program")
    recorder.identified("process", "a program", f"{theirs.pid}:1:an-earlier-boot")
    remove_part(recorder, "rehearsal")
    left = is_alive(orphan)
    os.kill(int(orphan.split(":")[0]), signal.SIGKILL)
    assert left
    assert outcome(recorder, "process", "a program") == ("ended with the machine", "")


def test_a_process_that_was_never_identified_never_ran(recorder: Recorder, start: Start) -> None:
    """The gate ended it before it ran anything: there is nothing to signal."""
    decoy = start()
    recorder.opening("process", "a program")
    remove_part(recorder, "rehearsal")
    assert outcome(recorder, "process", "a program") == ("never began", "")
    assert decoy.poll() is None


def test_what_exists_is_looked_up_and_not_believed(tmp_path: Path, start: Start) -> None:
    """A closed receipt whose object is there exists, an open one without object does not, a stranger is not ours."""
    path = tmp_path / "ours"
    path.mkdir()
    ours = Receipt(kind="folder", name=str(path), identity=folder_identity(path), closed="removed")
    process = start()
    living = Receipt(kind="process", name="p", identity=identity_of(process))
    assert still_exists(ours)
    assert still_exists(Receipt(kind="folder", name=str(path)))
    assert not still_exists(Receipt(kind="folder", name=str(path), identity="1:1"))
    assert not still_exists(Receipt(kind="folder", name=str(tmp_path / "none")))
    assert still_exists(living)
    process.kill()
    process.wait()
    assert not still_exists(living)
    assert not still_exists(Receipt(kind="process", name="p"))


def test_a_dangling_link_under_the_name_still_exists(tmp_path: Path) -> None:
    """Something stands there, although following it leads nowhere."""
    (tmp_path / "link").symlink_to("/nowhere")
    assert still_exists(Receipt(kind="file", name=str(tmp_path / "link")))


def test_a_zombie_counts_as_gone(start: Start) -> None:
    """A process that has ended and that nobody waited for is not alive."""
    process = start("")
    deadline = time.monotonic() + 10
    while process_identity(process.pid) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert stat.S_ISDIR(Path(f"/proc/{process.pid}").stat().st_mode)
