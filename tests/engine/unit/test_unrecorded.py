"""Tests of a teardown whose journal cannot be written or does not verify: done in full, and said."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from fix_journals import begun

from console.engine.recorder import Recorder, TeardownRecorder
from console.engine.recovery import begin_teardown
from console.engine.rehearse import has_ended, take_over
from console.engine.stand_ins import gone_stand_ins
from console.environments.cluster import folder_identity
from console.environments.process import is_alive, spawn
from console.errors import JournalBroken
from console.journal import JournalWriter, read_journal, read_verified_beginning
from console.model.config import EnvironmentConfig, PackConfig, RunConfig, RunOrder
from console.model.event import EngineFailed, EngineLost, ReceiptClosed, RunEnded, StepStarted
from console.secrets import SecretRegistry

RUN = "20261124-131500-00aa"
SLEEP = ["/bin/sleep", "600"]


class Dead(SimpleNamespace):
    """A run whose engine died: its folder, and what its receipts name."""

    folder: Path
    things: Path
    identity: str


@pytest.fixture
def dead(tmp_path: Path) -> Iterator[Dead]:
    """Yield a dead run that left a process, a file and a folder, and whose pack is gone."""
    folder = tmp_path / RUN
    folder.mkdir(mode=0o700)
    order = RunOrder(
        run=RUN, approve=(), config=RunConfig(
            pack=PackConfig(name="/nowhere"), environment=EnvironmentConfig(work_folder=str(tmp_path))
        ), supervise="boundary",
        operator_uid=0, operator_name="r", operator_tty="", operator_ssh="", nonce="ab12",
        runs_folder=str(tmp_path),
    )  # fmt: skip
    (folder / "order.json").write_bytes(msgspec.json.encode(order))
    recorder = Recorder(folder / "journal.jsonl", SecretRegistry())
    for event in begun().events:
        recorder.record(event)
    things = tmp_path / "things"
    recorder.opening("folder", str(things))
    things.mkdir()
    recorder.identified("folder", str(things), folder_identity(things))
    child = spawn(SLEEP, name="postgres of the copy", receipts=recorder)
    recorder.record(StepStarted(step="C-04"))
    recorder.close()
    yield Dead(folder=folder, things=things, identity=child.identity)
    child.process.kill()
    child.process.wait()


def fill(ballast: Path) -> None:
    """Write until the file system is full."""
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 512)


def write_until_full(journal: JournalWriter) -> None:
    """Use up what room the journal's last page has."""
    while True:
        journal.append(StepStarted(step=""))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[Path], None]]:
    """Yield a way to move a folder onto a file system of its own that is full; unmounted at the end."""
    mounted: list[Path] = []

    def move(folder: Path) -> None:
        away = folder.with_name("away")
        folder.rename(away)
        folder.mkdir(mode=0o700)
        if subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], check=False
        ).returncode:
            pytest.fail("this test mounts a tmpfs: run it as root")
        mounted.append(folder)
        for path in away.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
        fill(folder / "ballast")
        full = pytest.raises(OSError, match="No space")
        with JournalWriter(folder / "journal.jsonl", SecretRegistry()) as journal, full:
            write_until_full(journal)

    yield move
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a file system of its own")
def test_a_full_disk_keeps_nothing_of_a_dead_run(
    dead: Dead, small_disk: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Everything is removed, the journal stays as it was, one sentence says so, and later the end is recorded."""
    small_disk(dead.folder)
    before = (dead.folder / "journal.jsonl").read_bytes()
    assert take_over(dead.folder, by="the watchdog") == 4
    assert (is_alive(dead.identity), dead.things.exists()) == (False, False)
    assert (dead.folder / "journal.jsonl").read_bytes() == before
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "cannot be written: No space left on device; what its receipts name was removed" in said
    assert f"drydock recover {RUN}" in said
    assert has_ended(dead.folder) is None
    (dead.folder / "ballast").unlink()
    assert take_over(dead.folder, by="drydock recover") == 4
    state_of_end = read_journal(dead.folder / "journal.jsonl")[-1].event
    assert isinstance(state_of_end, RunEnded)
    assert (state_of_end.verdict, state_of_end.residue) == ("FAIL", (state_of_end.reason,))


def test_room_that_the_teardown_makes_is_used(dead: Dead, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the journal did not take is written in its order as soon as it takes again."""
    recorder = Recorder.for_teardown(dead.folder / "journal.jsonl", SecretRegistry())
    assert isinstance(recorder, TeardownRecorder)
    whole = JournalWriter._write
    full = [True]

    def write(journal: JournalWriter, event: object) -> object:
        if full[0]:
            os.write(journal._descriptor, b'{"hash":"torn')
            raise OSError(28, "No space left on device")
        return whole(journal, event)

    monkeypatch.setattr(JournalWriter, "_write", write)
    began = recorder.state.last_n
    begin_teardown(recorder, by="the watchdog")
    recorder.closed("folder", "x", identity="", how="removed")
    assert (str(recorder.unrecorded), recorder.state.last_n) == (
        "[Errno 28] No space left on device",
        began + 2,
    )
    full[0] = False
    recorder.note("last", 1)
    assert recorder.unrecorded is None
    recorder.close()
    kinds = [type(entry.event) for entry in read_journal(dead.folder / "journal.jsonl")[began:]]
    assert kinds[:2] == [EngineLost, ReceiptClosed]
    assert len(kinds) == 3


BREAKS: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "a changed line": lambda lines: [*lines[:-1], lines[-1].replace(b"C-04", b"C-05")],
    "a torn line in the middle": lambda lines: [*lines[:-1], lines[-1][:30] + b"\n"],
    "a line of somebody else's": lambda lines: [*lines, b"{}\n"],
    "bytes that are no text": lambda lines: [*lines, b"\xff\xfe\x00\n"],
    "a line that is there twice": lambda lines: [*lines, lines[-1]],
}


@pytest.mark.parametrize("broken", BREAKS)
def test_a_broken_journal_keeps_nothing(dead: Dead, capsys: pytest.CaptureFixture[str], broken: str) -> None:
    """What the verified beginning names is removed, the file stays untouched, and the exit code is 5."""
    journal = dead.folder / "journal.jsonl"
    lines = BREAKS[broken](journal.read_bytes().splitlines(keepends=True))
    journal.write_bytes(b"".join(lines))
    with pytest.raises(JournalBroken):
        read_journal(journal)
    assert has_ended(dead.folder) is None
    assert take_over(dead.folder, by="the watchdog") == 5
    assert (is_alive(dead.identity), dead.things.exists()) == (False, False)
    assert journal.read_bytes() == b"".join(lines)
    said = capsys.readouterr().err
    assert "does not verify: " in said
    assert "of its verified beginning what its receipts name was removed" in said
    assert take_over(dead.folder, by="drydock recover") == 5


def test_what_no_verified_receipt_names_is_named_and_left(
    dead: Dead, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With nothing verified nothing is removed, and the run's own folders are named where they are there."""
    work = tmp_path / f"drydock-{RUN}-ab12"
    work.mkdir()
    journal = dead.folder / "journal.jsonl"
    journal.write_bytes(b"x" + journal.read_bytes())
    assert take_over(dead.folder, by="drydock recover") == 5
    assert (is_alive(dead.identity), work.exists()) == (True, True)
    assert capsys.readouterr().err.endswith(f"; {work} is still there\n")


def test_a_broken_journal_is_held_while_its_run_is_torn_down(dead: Dead) -> None:
    """Two recovers of a broken journal do not meet: the second one is refused."""
    journal = dead.folder / "journal.jsonl"
    journal.write_bytes(journal.read_bytes() + b"{}\n")
    held = Recorder.for_teardown(journal, SecretRegistry())
    with pytest.raises(BlockingIOError):
        Recorder.for_teardown(journal, SecretRegistry())
    held.close()
    again = Recorder.for_teardown(journal, SecretRegistry())
    assert isinstance(again.unrecorded, JournalBroken)
    again.close()


def test_the_writer_notices_a_stranger_s_line(dead: Dead) -> None:
    """A journal that grew or shrank under its writer takes no further event, and keeps the stranger's bytes."""
    journal = dead.folder / "journal.jsonl"
    for changed in (journal.read_bytes() + b"x", journal.read_bytes()[:-20]):
        kept = journal.read_bytes()
        writer = JournalWriter(journal, SecretRegistry())
        with journal.open("r+b") as file:
            file.truncate(len(changed))
            file.write(changed)
        with pytest.raises(JournalBroken, match="somebody else has changed the file's size"):
            writer.append(EngineFailed(type="x", message="y", where=()))
        writer.close()
        assert journal.read_bytes() == changed
        journal.write_bytes(kept)


def test_an_event_is_taken_whole_or_not_at_all(dead: Dead, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the event, its redaction or the sync fails, the file is what it was and the next event is chained on."""
    journal = dead.folder / "journal.jsonl"
    registry = SecretRegistry()
    registry.learn("pw", "correct horse battery")
    before = journal.read_bytes()
    with JournalWriter(journal, registry) as writer:
        sync = os.fsync

        def fail(_descriptor: int) -> None:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(os, "fsync", fail)
        event = EngineFailed(type="x", message="correct horse battery", where=())
        with pytest.raises(OSError, match="Input/output"):
            writer.append(event)
        assert journal.read_bytes() == before
        monkeypatch.setattr(os, "fsync", sync)
        assert len(writer.append(event)) == 2
    assert len(read_journal(journal)) == len(before.splitlines()) + 2


def test_only_what_went_is_gone(dead: Dead, tmp_path: Path) -> None:
    """A demo's cluster has gone when its data folder has, or with the machine; never while the engine lived."""
    recorder = Recorder(dead.folder / "journal.jsonl", SecretRegistry())
    demo = recorder.demo_receipts()
    production, neighbour = tmp_path / "production" / "data", tmp_path / "neighbour" / "data"
    for data in (production, neighbour):
        demo.opening("cluster", str(data))
        data.mkdir(parents=True)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    demo.opening("process", "postgres of the demo's production")
    demo.identified("process", "postgres of the demo's production", f"1:1:{boot}")
    production.rmdir()
    assert gone_stand_ins(recorder.state) == ()
    recorder.record(EngineLost(by="a test", step="C-04", last_event=1))
    assert gone_stand_ins(recorder.state) == ("source",)
    demo.identified("process", "postgres of the demo's production", "1:1:another-boot")
    assert gone_stand_ins(recorder.state) == ("source", str(neighbour))
    recorder.close()


def test_the_verified_beginning_ends_before_the_first_wrong_line(dead: Dead) -> None:
    """A line that does not verify is no entry, and neither is any line after it."""
    journal = dead.folder / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:2], lines[1], *lines[2:]]))
    assert [entry.n for entry in read_verified_beginning(journal)] == [1, 2]
    assert read_verified_beginning(journal.with_name("none")) == []
