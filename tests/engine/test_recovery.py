"""Tests of what is done for a run that its engine did not finish: with its pack, without it, and once more."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fix_places import place_for_clusters
from fix_runs import REFERENCE, Drydock, Living

from console.cli.recover import change_of_end
from console.engine import removal
from console.engine.folder_removal import remove_folder
from console.engine.recorder import Recorder
from console.engine.removal import remove_part
from console.environments.cluster import folder_identity
from console.environments.process import end_process, is_alive, process_identity, run_program, spawn, wait_for
from console.model.event import (
    EngineLost,
    GateJudged,
    GateWords,
    Operator,
    RunCreated,
    RunEnded,
    RunReopened,
    StepFinished,
    StepStarted,
    StepWords,
)
from console.model.protocols import NeverAborted
from console.model.run_state import RunState
from console.secrets import SecretRegistry

DEPTH = 5000
MARK = "9f3c"


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    """Yield the recorder of a run whose mark is known."""
    (tmp_path / "run").mkdir()
    recorder = Recorder(tmp_path / "run" / "journal.jsonl", SecretRegistry())
    recorder.note("mark", MARK)
    yield recorder
    recorder.close()


def own(recorder: Recorder, kind: str, path: Path, make: Callable[[Path], object]) -> Path:
    """Make an object with its receipt, as a step does."""
    recorder.opening(kind, str(path))
    make(path)
    recorder.identified(kind, str(path), folder_identity(path))
    return path


def nest(path: Path) -> None:
    """Make a folder that is deeper than a path can be long, with a file and a link at its bottom."""
    path.mkdir()
    here = os.open(path, os.O_RDONLY)
    for _ in range(DEPTH):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.symlink("/", "link", dir_fd=here)
    os.close(here)


def trouble(recorder: Recorder, kind: str, path: Path) -> str:
    """Return why a receipt's object is still there."""
    return recorder.state.receipts[f"{kind} {path}"].trouble


def test_a_folder_that_is_too_deep_for_a_path_is_removed(recorder: Recorder, tmp_path: Path) -> None:
    """Five thousand folders in each other go, and so do the file and the server that were made before them."""
    file = own(recorder, "file", tmp_path / "secret", lambda it: it.write_text("secret", "utf-8"))
    child = spawn(["/bin/sleep", "60"], name="postgres of the copy", receipts=recorder)
    folder = own(recorder, "folder", tmp_path / "deep", nest)
    remove_part(recorder, "rehearsal")
    child.process.wait()
    assert recorder.state.open_receipts == []
    assert (folder.exists(), file.exists(), is_alive(child.identity)) == (False, False, False)


def test_names_and_modes_do_not_matter(recorder: Recorder, tmp_path: Path) -> None:
    """Names that look like options, are no text or hold line ends, folders nobody may enter, sockets: all go."""
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o700)

    def make(path: Path) -> None:
        for name in (b"-rf", b"--", b"new\nline", b"\xff\xfe", b"*", b" ", b"...", b"$(touch x)"):
            made = Path(os.fsdecode(os.fsencode(path) + b"/" + name))
            made.mkdir(parents=True)
            (made / "file").touch()
            made.chmod(0)
        (path / "out").symlink_to(outside)
        with socket.socket(socket.AF_UNIX) as made_socket:
            made_socket.bind(str(path / "s"))
        os.mkfifo(path / "fifo")
        path.chmod(0o500)

    folder = own(recorder, "folder", tmp_path / "odd", make)
    remove_part(recorder, "rehearsal")
    assert (recorder.state.open_receipts, folder.exists(), outside.exists()) == ([], False, True)


def as_user(uid: int, work: Callable[[], object]) -> int:
    """Do something in a child process as another user (as this one without root); 0 when nothing was raised."""
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
            work()
        except BaseException:  # noqa: BLE001 - the child must not go on as a second pytest
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_an_ordinary_user_removes_what_was_made_read_only() -> None:
    """Without root the folders are opened first, however deep, and a file outside keeps its mode."""
    uid = 60778
    place = Path(tempfile.mkdtemp(prefix="removal-", dir=place_for_clusters()))
    if os.geteuid() == 0:
        os.chown(place, uid, uid)
    outside, top = place / "outside", place / "top"

    def make() -> None:
        outside.touch(mode=0o400)
        bottom = top.joinpath(*["d"] * 50)
        bottom.mkdir(parents=True)
        os.link(outside, bottom / "linked")
        for path in (bottom, *list(bottom.parents)[:50]):
            path.chmod(0)

    try:
        assert as_user(uid, make) == 0
        assert as_user(uid, lambda: shutil.rmtree(top)) == 1, "the trap does not work"
        assert as_user(uid, lambda: remove_folder(top, identity=folder_identity(top))) == 0
        assert (top.exists(), oct(outside.stat().st_mode)) == (False, "0o100400")
    finally:
        shutil.rmtree(place)


@pytest.fixture
def immutable(tmp_path: Path) -> Iterator[Callable[[Path], None]]:
    """Yield a way to make a file immutable, undone at the end; where that cannot be, the test is skipped."""
    made: list[Path] = []

    def make(path: Path) -> None:
        path.touch()
        if subprocess.run(["chattr", "+i", str(path)], capture_output=True, check=False).returncode:
            pytest.skip("needs CAP_LINUX_IMMUTABLE, chattr and a file system that has the flag")
        made.append(path)

    yield make
    for path in made:
        subprocess.run(["chattr", "-i", str(path)], check=True)


def test_what_cannot_be_removed_is_said_and_keeps_nothing_else(
    recorder: Recorder, tmp_path: Path, immutable: Callable[[Path], None]
) -> None:
    """An immutable file stays and is named, everything beside it and every other object goes."""

    def make(path: Path) -> None:
        (path / "in").mkdir(parents=True)
        (path / "a").touch()
        (path / "z").mkdir()
        immutable(path / "in" / "stays")

    older = own(recorder, "folder", tmp_path / "older", Path.mkdir)
    folder = own(recorder, "folder", tmp_path / "held", make)
    remove_part(recorder, "rehearsal")
    assert "Operation not permitted: 'stays' in " in trouble(recorder, "folder", folder)
    assert sorted(path.name for path in folder.rglob("*")) == ["in", "stays"]
    assert not older.exists()


@pytest.mark.parametrize("broken", [RecursionError("deep"), KeyError("x"), OSError(5, "Input/output error")])
def test_one_object_never_keeps_another(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: Exception
) -> None:
    """Whatever exception the removal of one meets is its trouble, and older and newer ones are removed."""
    older, middle, newer = (own(recorder, "folder", tmp_path / name, Path.mkdir) for name in ("1", "2", "3"))

    def remove(path: Path, *, identity: str | None) -> None:
        if path == middle:
            raise broken
        path.rmdir()

    monkeypatch.setattr(removal, "remove_folder", remove)
    remove_part(recorder, "rehearsal")
    assert (older.exists(), middle.exists(), newer.exists()) == (False, True, False)
    assert str(broken) in trouble(recorder, "folder", middle)


def test_a_journal_that_cannot_be_written_keeps_nothing(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk the objects still go, and the failure to record it is raised at the end."""
    made = [own(recorder, "folder", tmp_path / name, Path.mkdir) for name in ("1", "2")]

    def full(*_args: object, **_words: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(recorder, "record", full)
    with pytest.raises(OSError, match="No space left"):
        remove_part(recorder, "rehearsal")
    assert [path.exists() for path in made] == [False, False]


def test_what_runs_goes_first_and_then_what_is_secret(recorder: Recorder, tmp_path: Path) -> None:
    """Processes end before files are destroyed, and folders come last, each kind from the newest to the oldest."""
    own(recorder, "file", tmp_path / "f1", Path.touch)
    child = spawn(["/bin/sleep", "60"], name="p1", receipts=recorder)
    own(recorder, "folder", tmp_path / "d1", Path.mkdir)
    own(recorder, "file", tmp_path / "f2", Path.touch)
    own(recorder, "folder", tmp_path / "d2", Path.mkdir)
    asked = [Path(one.name).name for one in removal._in_order(recorder.state.open_receipts)]
    remove_part(recorder, "rehearsal")
    child.process.wait()
    assert asked == ["p1", "f2", "f1", "d2", "d1"]


def test_a_program_that_was_waited_for_has_no_open_receipt(recorder: Recorder, tmp_path: Path) -> None:
    """Its receipt is closed at once, whatever it left in its session has ended, and its number means nothing later."""
    code = "import subprocess; print(subprocess.Popen(['/bin/sleep', '60']).pid, flush=True)"
    done = run_program([sys.executable, "-c", code], name="a program", scratch=tmp_path, receipts=recorder)
    assert [one.closed for one in recorder.state.receipts.values()] == ["ended with 0"]
    assert process_identity(int(done.stdout)) is None
    late = spawn(["/bin/false"], name="another", receipts=recorder)
    wait_for(late, abort=NeverAborted(), timeout_s=10)
    assert recorder.state.receipts["process another"].closed == "ended with 1"


def test_a_stranger_s_session_under_a_dead_leader_s_number_is_left_alone(recorder: Recorder) -> None:
    """A decoy left its session under the number of a process of ours that is dead: it lives, our own child ends."""
    code = "import subprocess; print(subprocess.Popen(['/bin/sleep', '60']).pid, flush=True)"
    decoy = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True)
    assert decoy.stdout is not None
    stranger = process_identity(int(decoy.stdout.readline()))
    decoy.wait()
    decoy.stdout.close()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    recorder.opening("process", "ours long ago")
    recorder.identified("process", "ours long ago", f"{decoy.pid}:1:{boot}")
    ours = spawn([sys.executable, "-c", code], name="ours", receipts=recorder, stdout=subprocess.PIPE)
    assert ours.process.stdout is not None
    left = process_identity(int(ours.process.stdout.readline()))
    ours.process.wait()
    ours.process.stdout.close()
    assert stranger is not None
    assert left is not None
    remove_part(recorder, "rehearsal")
    lived = is_alive(stranger)
    end_process(stranger, ask=signal.SIGKILL, patience_s=10)
    assert (lived, is_alive(left)) == (True, False)
    assert recorder.state.open_receipts == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to run something as another user")
def test_a_made_up_user_is_known_without_the_mark(recorder: Recorder) -> None:
    """What a dead process of ours left behind without its environment is known by the user made up for the run."""
    uid = 60779
    recorder.note("uids", {"copy": uid, "harness": None})
    words = ["/bin/sh", "-c", "env -i /bin/sleep 60 >/dev/null & echo $!"]
    child = spawn(words, name="p", uid=uid, receipts=recorder, stdout=subprocess.PIPE)
    assert child.process.stdout is not None
    left = process_identity(int(child.process.stdout.readline()))
    child.process.wait()
    child.process.stdout.close()
    assert left is not None
    remove_part(recorder, "rehearsal")
    assert not is_alive(left)


def ended(closure: str, **changes: object) -> RunEnded:
    """Return an end."""
    told = {"verdict": "FAIL", "cause": "subject", "failed_gate": None, "failed_scenario": "S4", "reason": "no",
            "residue": (), "exit_code": 4}  # fmt: skip
    return RunEnded(closure=closure, **{**told, **changes})  # type: ignore[arg-type]


def test_reopening_forgets_the_end_and_nothing_else(recorder: Recorder) -> None:
    """Teardown and net-zero gates are open again; facts, other steps, and what any other gate found wrong stay."""
    recorder.record(
        RunCreated(
            run="r", plan="dry_run", title="t", digest="d", parts={}, drydock="1", operator=Operator(uid=0, name="r"),
            config={}, steps=(StepWords(id="C-01", does="", gates=()), StepWords(id="C-13", does="", gates=())),
            gates=(
                GateWords(id="G-01", title="", step="C-01"),
                GateWords(id="G-24", title="", step="C-13", closing=True),
                GateWords(id="G-25", title="", step="C-13", closing=True),
                GateWords(id="N-4", title="", step="C-13", closing=True),
            ),
            scenarios=(), tables=(),
        )
    )  # fmt: skip
    for step in ("C-01", "C-13"):
        recorder.record(StepStarted(step=step))
        recorder.record(StepFinished(step=step, duration_ms=1))
    recorder.fact("left.secrets", 1, source="x")
    for gate in ("G-01", "G-24", "N-4"):
        recorder.record(GateJudged(gate=gate, verdict="FAIL", reason="no"))
    recorder.record(GateJudged(gate="G-25", verdict="UNKNOWN", reason="no"))
    recorder.record(ended("UNCLEAN"))
    recorder.record(RunReopened(by="drydock recover"))
    state = recorder.state
    assert (state.ended, state.condition, list(state.steps_finished), list(state.gates)) == (
        None, "starting", ["C-01"], ["G-01", "G-24"],
    )  # fmt: skip
    assert (state.facts["left.secrets"], list(state.steps_started)) == (1, ["C-01", "C-13"])
    assert state.ended_before == ended("UNCLEAN")


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (None, ended("CLEAN"), ""),
        (ended("UNCLEAN"), ended("UNCLEAN"), ": FAIL, UNCLEAN as before"),
        (ended("UNCLEAN"), ended("CLEAN"), ": it had ended FAIL, UNCLEAN and is FAIL, CLEAN now"),
        (
            ended("UNCLEAN", reason="container copy still exists"), ended("CLEAN", verdict="PASS"),
            ": it had ended FAIL, UNCLEAN and is PASS, CLEAN now; the earlier verdict was for: "
            "container copy still exists",
        ),
        (
            ended("UNCLEAN", verdict="ABORTED", reason="", residue=("file x",)), ended("CLEAN"),
            ": it had ended ABORTED, UNCLEAN and is FAIL, CLEAN now; the earlier verdict was for: file x",
        ),
    ],
)  # fmt: skip
def test_a_changed_end_is_told(before: RunEnded | None, after: RunEnded, says: str) -> None:
    """Another closure, or another verdict, comes without a word, or without what had failed."""
    assert change_of_end(before, after) == says


@pytest.mark.parametrize(("reason", "closed"), [("Operation not permitted", "was not there"), (None, "")])
def test_what_was_removed_by_hand_is_believed_when_it_was_known(
    recorder: Recorder, tmp_path: Path, reason: str | None, closed: str
) -> None:
    """After the end the operator may remove what was named as left; what had vanished before stays missed."""
    folder = own(recorder, "folder", tmp_path / "ours", Path.mkdir)
    folder.rename(tmp_path / "gone")
    if reason is None:
        remove_part(recorder, "rehearsal")
    else:
        recorder.removal_failed("folder", str(folder), reason=reason)
    recorder.record(ended("UNCLEAN"))
    recorder.record(RunReopened(by="drydock recover"))
    remove_part(recorder, "rehearsal")
    assert recorder.state.receipts[f"folder {folder}"].closed == closed


def alive(state: RunState) -> list[str]:
    """Return the names of the processes that still run."""
    return [
        it.name
        for it in state.receipts.values()
        if it.kind == "process" and it.identity and is_alive(it.identity)
    ]


def there(state: RunState) -> list[str]:
    """Return the paths that are still there."""
    return [it.name for it in state.receipts.values() if it.kind != "process" and os.path.lexists(it.name)]


def waiting_with_a_pack(drydock: Drydock) -> tuple[Living, Path]:
    """Return a run that waits at B-4 with three servers, a dump and secrets, and the folder of its own pack."""
    pack = drydock.place("pack")
    shutil.copytree(REFERENCE.parent, pack, ignore=shutil.ignore_patterns("__pycache__"))
    living = drydock.start("--approve", "B-1,B-2,B-3", "--pack", str(pack))
    living.wait_at("B-4")
    return living, pack


def test_without_its_pack_a_dead_run_is_torn_down_and_later_asked(drydock: Drydock) -> None:
    """The watchdog removes everything by the journal alone and says that no gate was asked; `recover` asks them
    once the pack is back, about the demo by what was seen before it was removed, and ends the run CLEAN."""
    living, pack = waiting_with_a_pack(drydock)
    before = living.state
    assert len([name for name in alive(before) if name.startswith("postgres of")]) == 3
    hidden = pack.with_name("hidden")
    pack.rename(hidden)
    os.kill(living.engine_pid(), signal.SIGKILL)
    done = living.finish()
    assert done.outcome == (4, "FAIL", "UNCLEAN", "drydock"), done.said.stderr
    state = done.state
    assert isinstance(state.engine_lost, EngineLost)
    assert (alive(state), there(state), state.open_receipts) == ([], [], [])
    assert state.ended is not None
    assert state.ended.reason.startswith("the closing gates were not asked: ")
    assert "pack" in state.ended.reason
    assert state.ended.residue == (state.ended.reason,)
    assert "Traceback" not in (done.folder / "engine.log").read_text("utf-8")
    recover = ("recover", done.folder.name, "--runs-dir", str(living.runs))
    in_vain = drydock.command(*recover)
    assert (in_vain.exit_code, done.state.open_receipts) == (4, [])
    hidden.rename(pack)
    finished = drydock.command(*recover)
    state = done.state
    assert state.ended is not None
    assert (finished.exit_code, state.ended.cause, state.ended.failed_gate) == (1, "drydock", None), finished
    assert state.ended.residue == ()
    verdicts = {gate: judged.verdict for gate, judged in state.gates.items() if gate.startswith("N-")}
    assert verdicts == dict.fromkeys(("N-4", "N-5", "N-6", "N-7"), "PASS")
    starts = state.facts["starts"]
    assert (starts["before"], starts["gone"]) == (starts["after"], [])
    assert len(starts["after"]) == 2


def test_recover_removes_what_a_teardown_could_not(drydock: Drydock) -> None:
    """A secret that had become a link is residue; with the link gone `recover` ends the run CLEAN with its own code."""
    living = drydock.start("--approve", "B-1,B-2,B-3,B-5")
    living.wait_at("B-4")
    secrets = living.folder / "secrets" / "rehearsal.json"
    kept = secrets.with_name("kept")
    secrets.rename(kept)
    secrets.symlink_to(kept)
    drydock.command("abort", living.folder.name, "--runs-dir", str(living.runs))
    done = living.finish()
    assert (done.said.exit_code, secrets.is_symlink()) == (4, True), done.said.stderr
    recover = ("recover", "--runs-dir", str(living.runs))
    assert drydock.command(*recover).exit_code == 4
    secrets.unlink()
    kept.rename(secrets)
    finished = drydock.command(*recover)
    state = done.state
    assert finished.exit_code == 3, finished
    assert state.ended is not None
    assert (state.ended.verdict, state.ended.closure, secrets.parent.exists()) == ("ABORTED", "CLEAN", False)
    assert state.reopened == RunReopened(by="drydock recover")


def test_a_plan_of_another_shape_keeps_nothing(drydock: Drydock) -> None:
    """A pack that no longer describes the run's scenarios still lets everything of the dead run be removed."""
    living, pack = waiting_with_a_pack(drydock)
    (pack / "pack.toml").write_text("title = 'not a pack any more'\n", "utf-8")
    os.kill(living.engine_pid(), signal.SIGKILL)
    done = living.finish()
    assert done.outcome == (4, "FAIL", "UNCLEAN", "drydock"), done.said.stderr
    assert (alive(done.state), there(done.state)) == ([], [])
