"""Tests of the removal: what a receipt names and nothing else, by exact kind, name and identity."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from fix_journals import created

from console.engine import removal
from console.engine.closing import _holds_secrets, _is_no_secret
from console.engine.recorder import MARK_NOTE, Recorder
from console.engine.removal import _in_order, remove_part
from console.environments.cluster import folder_identity
from console.errors import StepFailed
from console.model.event import EngineLost
from console.model.run_state import Receipt
from console.secrets import SecretRegistry


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    """Yield the recorder of a run."""
    (tmp_path / "run").mkdir()
    recorder = Recorder(tmp_path / "run" / "journal.jsonl", SecretRegistry())
    yield recorder
    recorder.close()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a folder for what is to be removed, beside something that is not."""
    place = tmp_path / "place"
    place.mkdir()
    (place / "neighbour").mkdir()
    (place / "neighbour" / "file").write_text("theirs", "utf-8")
    return place


def make(kind: str, path: Path) -> None:
    """Make one object of a kind."""
    if kind == "folder":
        path.mkdir()
        (path / "inside").mkdir()
        (path / "inside" / "file").write_text("x", "utf-8")
    elif kind == "file":
        path.write_text("secret", "utf-8")
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(path))


def own(recorder: Recorder, kind: str, path: Path) -> Path:
    """Make an object with its receipt, as a step does."""
    recorder.opening(kind, str(path))
    make(kind, path)
    recorder.identified(kind, str(path), folder_identity(path))
    return path


def outcome(recorder: Recorder, kind: str, name: object) -> tuple[str, str]:
    """Return how a receipt was closed, and what trouble there was."""
    found = recorder.state.receipts[f"{kind} {name}"]
    return found.closed, found.trouble


PATHS = {"folder": "removed", "file": "overwritten and removed", "socket": "removed"}


@pytest.mark.parametrize(("kind", "how"), PATHS.items())
def test_an_object_of_ours_is_removed(recorder: Recorder, place: Path, kind: str, how: str) -> None:
    """Each kind goes by its exact name, its receipt is closed, and the neighbour stays."""
    path = own(recorder, kind, place / "ours")
    remove_part(recorder, "rehearsal")
    assert outcome(recorder, kind, path) == (how, "")
    assert not os.path.lexists(path)
    assert (place / "neighbour" / "file").read_text("utf-8") == "theirs"


@pytest.mark.parametrize("kind", PATHS)
@pytest.mark.parametrize("other", ["same kind", "link", "link to a neighbour"])
def test_what_took_over_the_name_is_left_alone(
    recorder: Recorder, place: Path, kind: str, other: str
) -> None:
    """Another object under our name is not touched, the receipt stays open with the reason, and the next goes on."""
    last = own(recorder, "file", place / "last")
    path = own(recorder, kind, place / "ours")
    path.rename(place / "moved")
    if other == "same kind":
        make(kind, path)
    else:
        path.symlink_to(place / ("neighbour" if other.endswith("neighbour") else "nowhere"))
    before = path.lstat()
    remove_part(recorder, "rehearsal")
    assert path.lstat() == before
    closed, trouble = outcome(recorder, kind, path)
    assert closed == ""
    assert trouble.startswith(str(path))
    assert "link" in trouble or "is not the object of the receipt any more" in trouble
    assert os.path.lexists(place / "moved")
    assert (place / "neighbour" / "file").exists()
    assert not last.exists()


@pytest.mark.parametrize("kind", PATHS)
def test_an_object_that_never_came_to_be_is_closed(recorder: Recorder, place: Path, kind: str) -> None:
    """A receipt whose object was never created is no residue."""
    recorder.opening(kind, str(place / "ours"))
    remove_part(recorder, "rehearsal")
    assert outcome(recorder, kind, place / "ours") == ("was not there", "")


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_an_object_that_vanished_without_us_is_told(recorder: Recorder, place: Path, kind: str) -> None:
    """What was ours and is gone although nobody of the run removed it stays open, unless the engine had died."""
    path = own(recorder, kind, place / "ours")
    path.rename(place / "moved")
    remove_part(recorder, "rehearsal")
    assert "nobody of this run removed it" in outcome(recorder, kind, path)[1]
    recorder.record(EngineLost(by="the watchdog", step="C-13", last_event=1))
    remove_part(recorder, "rehearsal")
    assert outcome(recorder, kind, path) == ("was not there", "")


@pytest.mark.parametrize("inside", [True, False])
def test_a_folder_that_nobody_identified_goes_only_when_it_is_empty(
    recorder: Recorder, place: Path, inside: bool
) -> None:
    """An engine that died between mkdir and the receipt leaves an empty folder; anything in it is somebody's."""
    recorder.opening("folder", str(place / "ours"))
    (place / "ours").mkdir()
    if inside:
        (place / "ours" / "file").write_text("whose", "utf-8")
    remove_part(recorder, "rehearsal")
    assert (place / "ours").exists() == inside
    assert ("nobody recorded which one it is" in outcome(recorder, "folder", place / "ours")[1]) == inside


def test_an_unidentified_object_in_a_folder_of_ours_goes_with_it(recorder: Recorder, place: Path) -> None:
    """It is not judged for itself, and its receipt is closed when the folder is gone."""
    folder = own(recorder, "folder", place / "ours")
    recorder.opening("folder", str(folder / "below"))
    make("folder", folder / "below")
    remove_part(recorder, "rehearsal")
    assert outcome(recorder, "folder", folder / "below") == ("gone with its folder", "")
    assert recorder.state.open_receipts == []


def test_a_folder_that_holds_what_was_left_alone_stays(recorder: Recorder, place: Path) -> None:
    """An object inside that is not ours any more keeps the folder around it from being removed."""
    folder = own(recorder, "folder", place / "ours")
    file = own(recorder, "file", folder / "secret")
    file.unlink()
    (folder / "secret2").symlink_to(place / "neighbour")
    (folder / "secret2").rename(file)
    remove_part(recorder, "rehearsal")
    assert os.path.lexists(file)
    assert "which is left alone" in outcome(recorder, "folder", folder)[1]


def test_a_link_inside_a_folder_of_ours_is_not_followed(recorder: Recorder, place: Path) -> None:
    """A folder goes with the links in it, and what they point to stays."""
    folder = own(recorder, "folder", place / "ours")
    (folder / "out").symlink_to(place / "neighbour")
    remove_part(recorder, "rehearsal")
    assert not folder.exists()
    assert (place / "neighbour" / "file").read_text("utf-8") == "theirs"


def test_only_the_asked_part_is_removed(recorder: Recorder, place: Path) -> None:
    """The demo's objects stay while the rehearsal's go."""
    ours = own(recorder, "folder", place / "ours")
    recorder.demo_receipts().opening("folder", str(place / "demo"))
    (place / "demo").mkdir()
    recorder.demo_receipts().identified("folder", str(place / "demo"), folder_identity(place / "demo"))
    remove_part(recorder, "rehearsal")
    assert (ours.exists(), (place / "demo").exists()) == (False, True)
    remove_part(recorder, "demo")
    assert not (place / "demo").exists()


def test_the_newest_object_goes_first(recorder: Recorder, place: Path) -> None:
    """What was made last is removed first, so that nothing is taken from under something else."""
    for name in ("one", "two", "three"):
        own(recorder, "file", place / name)
    order: list[str] = []
    closed = recorder.closed
    recorder.closed = lambda kind, name, **rest: (order.append(Path(name).name), closed(kind, name, **rest))  # type: ignore[method-assign, assignment, func-returns-value]
    remove_part(recorder, "rehearsal")
    assert order == ["three", "two", "one"]


def test_a_kind_that_this_release_does_not_know_is_told_and_stops_nothing(
    recorder: Recorder, place: Path
) -> None:
    """An older or newer journal's kind is residue by name, and the other objects are removed."""
    path = own(recorder, "file", place / "ours")
    recorder.opening("balloon", "copy")
    remove_part(recorder, "rehearsal")
    assert outcome(recorder, "balloon", "copy") == (
        "",
        "this release does not know how to remove a balloon",
    )
    assert not path.exists()


def test_removing_twice_changes_nothing(recorder: Recorder, place: Path) -> None:
    """A second teardown finds nothing to do."""
    own(recorder, "folder", place / "ours")
    remove_part(recorder, "rehearsal")
    n = recorder.state.last_n
    remove_part(recorder, "rehearsal")
    assert recorder.state.last_n == n


def test_a_cluster_is_gone_when_its_folder_is(recorder: Recorder, place: Path) -> None:
    """A cluster's receipt is closed only when the data folder is not there any more."""
    folder = own(recorder, "folder", place / "ours")
    (folder / "data").mkdir()
    recorder.opening("cluster", str(folder / "data"))
    recorder.identified("cluster", str(folder / "data"), "7611578671664259111")
    remove_part(recorder, "rehearsal")
    assert "is still there" in outcome(recorder, "cluster", folder / "data")[1]
    remove_part(recorder, "rehearsal")
    assert outcome(recorder, "cluster", folder / "data") == ("gone with its folder", "")


def test_a_path_that_holds_a_secret_is_never_begun(place: Path, tmp_path: Path) -> None:
    """A name that redaction would change could not be removed by its receipt: the step ends before it makes it."""
    registry = SecretRegistry()
    registry.learn("source", "production")
    (tmp_path / "other").mkdir()
    recorder = Recorder(tmp_path / "other" / "journal.jsonl", registry)
    for receipts in (recorder, recorder.demo_receipts()):
        with pytest.raises(
            StepFailed, match="the path of a folder holds the value of the secret source"
        ) as refused:
            receipts.opening("folder", str(place / "production" / "copy"))
        assert (refused.value.cause, "production" in str(refused.value)) == ("environment", False)
    assert recorder.state.receipts == {}
    recorder.close()


def test_objects_of_an_engine_that_nobody_knows_are_not_removed(recorder: Recorder) -> None:
    """A container whose journal does not say on which engine it is stays open; whoever answers now is not asked."""
    config = {"environment": {"kind": "docker", "endpoint": "unix:///nonexistent/docker.sock"}}
    recorder.record(msgspec.structs.replace(created(), config=config))
    recorder.note(MARK_NOTE, "c0ffee")
    recorder.opening("container", "copy")
    recorder.identified("container", "copy", "c1")
    remove_part(recorder, "rehearsal")
    [left] = recorder.state.open_receipts
    assert left.trouble == "the journal does not say which docker engine the run began on"


def test_a_dumps_folder_is_overwritten_before_it_is_removed(recorder: Recorder, place: Path) -> None:
    """Production's rows in a dump's folder are only unlinked."""
    dump = place / "source.dump"
    recorder.opening("folder", str(dump))
    dump.mkdir()
    recorder.identified("folder", str(dump), folder_identity(dump))
    (dump / "3001.dat").write_text("rows of production", "utf-8")
    os.link(dump / "3001.dat", place / "another name")
    remove_part(recorder, "rehearsal")
    assert not dump.exists()
    assert (place / "another name").read_bytes() == bytes(len("rows of production"))


def test_a_dumps_folder_counts_among_what_holds_secrets() -> None:
    """N-4 says that the dump is destroyed while its folder stands, or two gates say so, or none."""
    receipts = [
        Receipt(kind=kind, name=f"/w/{name}", identity="1:2")
        for kind in ("file", "folder", "socket", "cluster", "process")
        for name in ("source.dump", "copy", "passwords.json")
    ]
    secrets = [(one.kind, one.name) for one in receipts if _holds_secrets(one)]
    others = [(one.kind, one.name) for one in receipts if _is_no_secret(one)]
    assert ("folder", "/w/source.dump") in secrets
    assert [kind for kind, _name in secrets] == ["file"] * 3 + ["folder"]
    assert sorted(secrets + others) == sorted((one.kind, one.name) for one in receipts)
    assert [one.name for one in _in_order([receipts[4], receipts[3], receipts[2]])] == [
        "/w/passwords.json", "/w/source.dump", "/w/copy",
    ]  # fmt: skip


def test_what_lies_in_an_engine_goes_beside_what_lies_here(
    recorder: Recorder, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A volume goes while its container runs, waits for the dump's end, or a network that stays keeps the others."""
    overwritten, asked = threading.Event(), threading.Event()
    order: list[str] = []

    class Remover:
        def __init__(self, _recorder: Recorder) -> None:
            """Nothing is opened."""

        def remove(self, receipt: Receipt) -> str:
            order.append(receipt.kind)
            if receipt.kind == "network":
                raise StepFailed("somebody is in it", cause="environment")
            if receipt.kind == "volume":
                asked.set()
                assert overwritten.wait(timeout=10), "the file waits for the volume"
            return "removed"

        def close(self) -> None:
            """Nothing is held."""

    def destroy(path: Path) -> None:
        assert asked.wait(timeout=10), "the volume waits for the file"
        path.unlink()
        overwritten.set()

    monkeypatch.setattr(removal, "DockerRemover", Remover)
    monkeypatch.setattr(removal, "destroy_file", destroy)
    for kind in ("volume", "network", "container"):
        recorder.opening(kind, f"the-{kind}")
        recorder.identified(kind, f"the-{kind}", kind)
    dump = own(recorder, "file", place / "dump")
    folder = own(recorder, "folder", place / "folder")
    remove_part(recorder, "rehearsal")
    assert order == ["container", "network", "volume"]
    assert not dump.exists()
    assert not folder.exists()
    [left] = recorder.state.open_receipts
    assert (left.kind, left.trouble) == ("network", "somebody is in it")


@pytest.mark.parametrize("kind", ["volume", "file"])
def test_what_cannot_be_recorded_of_either_is_raised_when_all_is_done(
    recorder: Recorder, place: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A journal that takes nothing more is heard of on one side alone, or keeps the other side's objects."""

    class Remover:
        def __init__(self, _recorder: Recorder) -> None:
            """Nothing is opened."""

        def remove(self, _receipt: Receipt) -> str:
            return "removed"

        def close(self) -> None:
            """Nothing is held."""

    closed = recorder.closed

    def full(object_kind: str, name: str, **words: str) -> None:
        if object_kind == kind:
            raise OSError(errno.ENOSPC, "no room")
        closed(object_kind, name, **words)

    monkeypatch.setattr(removal, "DockerRemover", Remover)
    monkeypatch.setattr(recorder, "closed", full)
    recorder.opening("volume", "the-volume")
    recorder.identified("volume", "the-volume", "volume")
    dump = own(recorder, "file", place / "dump")
    with pytest.raises(OSError, match="no room"):
        remove_part(recorder, "rehearsal")
    assert not dump.exists()
    assert [one.kind for one in recorder.state.open_receipts] == [kind]
