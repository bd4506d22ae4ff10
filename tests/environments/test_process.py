"""Tests of child processes: receipt first, a gate that holds, a clean inheritance and an exact end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.environments import process as module
from console.environments.process import (
    CLEAN_ENVIRONMENT,
    end_process,
    ended_code,
    is_alive,
    is_of_this_boot,
    members_of_session,
    process_identity,
    run_program,
    spawn,
    wait_for,
)
from console.errors import AbortRequested, StepFailed
from console.model.protocols import NeverAborted

DEADLINE_S = 10.0
A_SESSION = """
import os, subprocess, time
zombie = os.fork()
if not zombie:
    os._exit(0)
print(zombie, subprocess.Popen(["sleep", "60"]).pid, flush=True)
time.sleep(60)
"""


class Ledger:
    """Receipts that remember, and do something at the moment of identification."""

    mark = "9f3c"

    mark = "a-mark"

    def __init__(self) -> None:
        self.lines: list[tuple[str, ...]] = []

    def opening(self, kind: str, name: str) -> None:
        """Remember an opening."""
        self.lines.append(("opening", kind, name))

    def identified(self, kind: str, name: str, identity: str) -> None:
        """Remember an identity, and whether the program had begun by then."""
        self.lines.append(("identified", kind, name, identity, command_of(identity)))

    def closed(self, kind: str, name: str, *, identity: str, how: str) -> None:
        """Remember an end."""
        self.lines.append(("closed", kind, name, identity, how))


def command_of(identity: str) -> str:
    """Return the name of what a process runs."""
    return Path(f"/proc/{identity.split(':')[0]}/comm").read_text("utf-8").strip()


def until(holds: object) -> None:
    """Return when a callable holds; fails after ten seconds."""
    deadline = time.monotonic() + DEADLINE_S
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.005)


def says(code: str, scratch: Path, **words: object) -> str:
    """Return what a Python program prints when it is run by the real path."""
    done = run_program([sys.executable, "-I", "-c", code], name="python", scratch=scratch, **words)  # type: ignore[arg-type]
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().strip()


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """Return a scratch folder."""
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch"


def test_the_receipt_is_written_before_the_program_runs() -> None:
    """The opening comes before the process, the identity while it still waits at the gate."""
    ledger = Ledger()
    child = spawn(["/bin/sleep", "60"], name="sleeper", receipts=ledger)
    try:
        assert ledger.lines[0] == ("opening", "process", "sleeper")
        assert ledger.lines[1][:4] == ("identified", "process", "sleeper", child.identity)
        assert ledger.lines[1][4] != "sleep"
        until(lambda: command_of(child.identity) == "sleep")
        assert is_alive(child.identity)
    finally:
        child.process.kill()
        child.process.wait()


ENGINE = """
import signal, sys
from console.environments.process import spawn

class Stuck:
    mark = ""
    mark = ""
    def closed(self, *words, **more): pass
    def opening(self, kind, name): pass
    def identified(self, kind, name, identity):
        print(identity, flush=True)
        signal.pause()

spawn(["/bin/sh", "-c", "touch " + sys.argv[1]], name="never", receipts=Stuck())
"""


def test_an_engine_killed_between_receipt_and_release_leaves_nothing_running(tmp_path: Path) -> None:
    """The child that waited at the gate ends without having run anything."""
    mark = tmp_path / "ran"
    command = [sys.executable, "-c", ENGINE, str(mark)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as engine:
        assert engine.stdout is not None
        identity = engine.stdout.readline().strip()
        assert is_alive(identity)
        assert not mark.exists()
        engine.send_signal(signal.SIGKILL)
    until(lambda: not is_alive(identity))
    assert not mark.exists()


def test_a_receipt_that_cannot_be_written_lets_nothing_run(tmp_path: Path) -> None:
    """An error of the ledger's ends the waiting child, which is also waited for."""

    class Full(Ledger):
        def identified(self, kind: str, name: str, identity: str) -> None:
            super().identified(kind, name, identity)
            raise OSError(28, "No space left on device")

    ledger, mark = Full(), tmp_path / "ran"
    with pytest.raises(StepFailed, match="toucher cannot be started: No space left on device"):
        spawn(["/bin/sh", "-c", f"touch {mark}"], name="toucher", receipts=ledger)
    assert not Path(f"/proc/{ledger.lines[1][3].split(':')[0]}").exists()
    assert not mark.exists()


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """Hold descriptors open, so that the gate's number has two digits and more."""
    held = [os.open("/dev/null", os.O_RDONLY) for _number in range(120)]
    yield
    for descriptor in held:
        os.close(descriptor)


@pytest.mark.usefixtures("many_descriptors")
def test_the_gate_opens_under_any_descriptor(scratch: Path) -> None:
    """A gate whose descriptor is above 9 (and above 99) still lets the program run."""
    assert says("print('ran')", scratch) == "ran"


def test_nothing_of_ours_is_inherited(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the operator's reaches a child, libpq's least of all; what is given is there."""
    monkeypatch.setenv("PGPASSWORD", "correct horse")
    monkeypatch.setenv("PGSERVICE", "production")
    monkeypatch.setenv("LD_PRELOAD", "")
    code = "import os; print(sorted(k for k in os.environ if k not in ('PWD', 'OLDPWD', 'SHLVL', '_')))"
    assert says(code, scratch, environment={"GIVEN": "1"}) == str(sorted([*CLEAN_ENVIRONMENT, "GIVEN"]))


def test_no_file_of_ours_is_inherited(scratch: Path) -> None:
    """Beside its three streams a child has only the gate, whose other end nobody holds."""
    secret = os.open(scratch, os.O_RDONLY)
    os.set_inheritable(secret, True)
    code = (
        "import os; links = [f'/proc/self/fd/{n}' for n in range(3, 1024)];"
        "print(*(os.readlink(link) for link in links if os.path.lexists(link)))"
    )
    try:
        [gate] = says(code, scratch).split()
    finally:
        os.close(secret)
    assert gate.startswith("pipe:")


@pytest.mark.parametrize("kernel", ["says", "does not say"])
def test_a_session_has_exactly_its_living_members(
    scratch: Path, monkeypatch: pytest.MonkeyPatch, kernel: str
) -> None:
    """A child and what it started are named, a zombie and this process are not, also where getsid is refused."""
    child = spawn([sys.executable, "-I", "-c", A_SESSION], name="a session", stdout=subprocess.PIPE)
    try:
        assert child.process.stdout is not None
        with child.process.stdout as told:
            zombie, sleeping = map(int, told.readline().split())
        while Path(f"/proc/{zombie}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "Z":
            time.sleep(0.01)
        if kernel == "does not say":
            monkeypatch.setattr(os, "getsid", _refuse)
        members = members_of_session(child.process.pid)
        assert set(members) == {child.identity, process_identity(sleeping)}
    finally:
        monkeypatch.undo()
        for one in members_of_session(child.process.pid):
            end_process(one, ask=signal.SIGKILL, patience_s=DEADLINE_S)
        child.process.wait()
    assert members_of_session(child.process.pid) == []


def _refuse(_pid: int) -> int:
    raise PermissionError(1, "refused")


def test_a_child_has_a_session_and_files_of_its_own(scratch: Path) -> None:
    """It leads its own session, starts in /, and what it makes is private."""
    code = "import os; print(os.getsid(0) == os.getpid(), os.getcwd(), oct(os.umask(0)))"
    assert says(code, scratch) == "True / 0o77"


def test_a_child_of_a_run_carries_its_mark_and_its_receipt_is_closed_when_it_ends(scratch: Path) -> None:
    """Whose child it is stands in its environment, and its end is recorded with who it was."""
    ledger = Ledger()
    assert says("import os; print(os.environ['DRYDOCK_RUN'])", scratch, receipts=ledger) == "a-mark"
    assert [line[0] for line in ledger.lines] == ["opening", "identified", "closed"]
    assert ledger.lines[2][2:] == (*ledger.lines[1][2:4], "ended with 0")


def test_a_child_runs_as_who_is_named(scratch: Path) -> None:
    """With a uid, user, group and all further groups are that one's (where root can give rights away)."""
    uid = 60997 if os.geteuid() == 0 else None
    expected = (60997, 60997, []) if uid is not None else (os.getuid(), os.getgid(), os.getgroups())
    done = run_program(["/usr/bin/id", "-u"], name="id", scratch=scratch, uid=uid)
    groups = run_program(["/usr/bin/id", "-G"], name="id", scratch=scratch, uid=uid)
    assert int(done.stdout) == expected[0]
    assert {int(one) for one in groups.stdout.split()} == {expected[1], *expected[2]}


def test_what_a_program_said_is_kept_and_its_files_are_not(scratch: Path) -> None:
    """Output, error and exit code come back, input is given, and the scratch folder is empty again."""
    code = "import sys; print(sys.stdin.read()); print('oops', file=sys.stderr); sys.exit(3)"
    done = run_program([sys.executable, "-I", "-c", code], name="p", scratch=scratch, stdin=b"given")
    assert (done.returncode, done.stdout, done.stderr) == (3, b"given\n", "oops\n")
    assert list(scratch.iterdir()) == []


def test_only_the_tail_of_a_long_complaint_is_kept(scratch: Path) -> None:
    """stderr is cut to its last 8192 bytes."""
    code = "import sys; sys.stderr.write('x' * 100_000 + 'last words')"
    done = run_program([sys.executable, "-I", "-c", code], name="p", scratch=scratch)
    assert len(done.stderr) == 8192
    assert done.stderr.endswith("last words")


def test_a_program_that_is_not_there_ends_with_its_own_code(scratch: Path) -> None:
    """The shell's 127 comes back as it is."""
    done = run_program(["/nowhere/pg_dump"], name="pg_dump", scratch=scratch)
    assert done.returncode == 127
    assert "pg_dump" in done.stderr


def test_a_folder_that_is_not_there_is_said(scratch: Path) -> None:
    """A child that cannot be started at all is a failure of the environment's with the system's words."""
    with pytest.raises(StepFailed, match="p cannot be started: No such file or directory") as failed:
        spawn(["/bin/true"], name="p", cwd=str(scratch / "none"))
    assert failed.value.cause == "environment"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for an abort often."""
    monkeypatch.setattr(module, "_ABORT_POLL_S", 0.02)


@pytest.mark.usefixtures("quick")
def test_a_program_that_takes_too_long_is_ended(scratch: Path) -> None:
    """After the limit the program is gone, the failure names it and the limit, and its files are removed."""
    ledger = Ledger()
    with pytest.raises(StepFailed, match=r"sleeper .* took longer than 0 s") as failed:
        run_program(["/bin/sleep", "60"], name="sleeper", scratch=scratch, receipts=ledger, timeout_s=0.1,
                    cause="source")  # fmt: skip
    assert failed.value.cause == "source"
    assert process_identity(int(ledger.lines[1][3].split(":")[0])) is None
    assert list(scratch.iterdir()) == []


@pytest.mark.usefixtures("quick")
def test_an_abort_ends_the_program(scratch: Path) -> None:
    """When the operator asks for the end meanwhile, the program is ended before the step is."""
    asked = threading.Event()

    class Abort:
        def raise_if_requested(self) -> None:
            if asked.is_set():
                raise AbortRequested("drydock abort")

    ledger = Ledger()
    threading.Timer(0.1, asked.set).start()
    with pytest.raises(AbortRequested):
        run_program(["/bin/sleep", "60"], name="sleeper", scratch=scratch, receipts=ledger, abort=Abort())
    assert process_identity(int(ledger.lines[1][3].split(":")[0])) is None
    assert list(scratch.iterdir()) == []


def test_waiting_returns_the_exit_code() -> None:
    """A child that ends by itself is waited for."""
    child = spawn(["/bin/sh", "-c", "exit 7"], name="seven")
    assert wait_for(child, abort=NeverAborted(), timeout_s=DEADLINE_S) == 7


def test_the_end_is_known_when_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child's end is looked for from time to time, waited for longer than was asked, or one that ended is missed."""
    child = spawn(["/bin/sh", "-c", "read x; exit 7"], name="seven", stdin=subprocess.PIPE)
    assert child.process.stdin is not None
    assert ended_code(child.process, within_s=0.01) is None
    monkeypatch.setattr(time, "sleep", lambda _s: pytest.fail("it sleeps instead"))
    child.process.stdin.close()
    assert ended_code(child.process, within_s=DEADLINE_S) == 7
    assert ended_code(child.process, within_s=DEADLINE_S) == 7


def test_ending_asks_first_and_kills_then() -> None:
    """Who listens ends by the signal asked with, who does not by SIGKILL, and who is gone is gone."""
    polite = spawn(["/bin/sleep", "60"], name="polite")
    assert end_process(polite.identity, ask=signal.SIGTERM, patience_s=DEADLINE_S)
    assert polite.process.wait() == -signal.SIGTERM
    deaf = spawn(["/bin/sh", "-c", "trap '' TERM; echo deaf; read x"], name="deaf", stdin=subprocess.PIPE,
                 stdout=subprocess.PIPE)  # fmt: skip
    assert deaf.process.stdout is not None
    assert deaf.process.stdout.readline() == b"deaf\n"
    assert end_process(deaf.identity, ask=signal.SIGTERM, patience_s=0.05)
    assert deaf.process.wait() == -signal.SIGKILL
    assert end_process(deaf.identity, ask=signal.SIGTERM, patience_s=0.05)
    deaf.process.stdout.close()
    assert deaf.process.stdin is not None
    deaf.process.stdin.close()


def test_a_process_with_another_start_is_never_signalled() -> None:
    """An identity whose number was taken over is gone, and its new owner goes on."""
    child = spawn(["/bin/sleep", "60"], name="sleeper")
    pid, ticks, boot = child.identity.split(":")
    try:
        assert end_process(f"{pid}:{int(ticks) + 1}:{boot}", ask=signal.SIGKILL, patience_s=0.05)
        assert is_alive(child.identity)
    finally:
        child.process.kill()
        child.process.wait()


def test_an_identity_is_number_start_and_boot() -> None:
    """The identity of a living process names this boot, and a number that nobody has is nobody."""
    mine = process_identity(os.getpid())
    assert mine is not None
    pid, ticks, boot = mine.split(":")
    assert (int(pid), int(ticks) > 0, len(boot)) == (os.getpid(), True, 36)
    assert is_of_this_boot(mine)
    assert not is_of_this_boot(f"{pid}:{ticks}:{'0' * 36}")
    assert process_identity(2**22 + 1) is None


def test_a_name_with_spaces_and_brackets_does_not_confuse_who_it_is(tmp_path: Path) -> None:
    """A program that calls itself `) Z 1 1` is identified like every other."""
    odd = tmp_path / ") Z 1 1 ("
    odd.symlink_to("/bin/sleep")
    child = spawn([str(odd), "60"], name="odd")
    try:
        until(lambda: command_of(child.identity) == ") Z 1 1 (")
        assert is_alive(child.identity)
    finally:
        child.process.kill()
        child.process.wait()


UNDER_NOHUP = """
import sys
from pathlib import Path
from console.environments.process import run_program, take_no_signals_over

if sys.argv[1] == "taken over":
    take_no_signals_over()
said = run_program(["/bin/cat", "/proc/self/status"], name="cat", scratch=Path(sys.argv[2]))
print(said.stdout.decode())
"""
IGNORING = "trap '' HUP INT QUIT TERM CHLD USR1; exec nohup env --block-signal=TERM,CHLD,USR2 \"$@\""


@pytest.mark.parametrize(("how", "clean"), [("taken over", True), ("as it was started", False)])
def test_no_ignored_and_no_blocked_signal_is_handed_down(scratch: Path, how: str, clean: bool) -> None:
    """Under nohup, with signals ignored and blocked, a child begins with none; without the care it inherits them."""
    words = ["/bin/sh", "-c", IGNORING, "sh", sys.executable, "-c", UNDER_NOHUP, how, str(scratch)]
    said = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout
    masks = dict(line.split(":\t") for line in said.splitlines() if line.startswith("Sig"))
    nothing = "0" * 16
    assert ((masks["SigIgn"], masks["SigBlk"]) == (nothing, nothing)) is clean
