"""Files copied in pieces by several threads: each byte where it belongs, whatever was handed over together."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from console.environments import file_pieces, keeping
from console.environments.file_pieces import batches, clone, pieces
from console.environments.keeping import Folders
from console.model.protocols import NeverAborted


def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Return a folder to copy from and an empty one."""
    source, into = tmp_path / "source", tmp_path / "into"
    source.mkdir()
    into.mkdir()
    return source, into


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file's bytes."""
    return {one.name: one.read_bytes() for one in folder.iterdir()}


@pytest.mark.parametrize("at_once", [1, 2, 4])
@pytest.mark.parametrize("small", [0, 1, 49, 50, 51, 230])
@pytest.mark.parametrize("large", [0, 1, 3])
def test_small_and_large_files_are_copied_and_hashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int, small: int, large: int
) -> None:
    """Whoever hands several over at once leaves one out, or gives one file the bytes or the hash of another."""
    monkeypatch.setattr(file_pieces, "_PIECE_BYTES", 1 << 12)
    source, into = folders(tmp_path)
    for number in range(small):
        (source / f"s{number}").write_bytes(os.urandom(number * 7 % 300))
    for number in range(large):
        (source / f"l{number}").write_bytes(os.urandom((1 << 12) * (number + 1) + number))
    made = Folders(NeverAborted(), at_once=at_once).laid_out(source, into, uid=None)
    assert contents(into) == contents(source)
    assert made.size_bytes == sum(map(len, contents(source).values()))
    found = Folders(NeverAborted(), at_once=at_once).read(into)
    assert found == Folders(NeverAborted(), at_once=1).read(source)
    assert len(set(map(repr, found.files.values()))) == len(set(contents(source).values()))


def test_what_is_handed_over_together_is_no_larger_than_a_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One thread has all of the work then, and the other waits."""
    monkeypatch.setattr(file_pieces, "_PIECE_BYTES", 1000)
    sizes = {"a": 2500, "b": 900, "c": 600, "d": 400, "e": 1, **{f"f{n}": 0 for n in range(60)}}
    together = batches(pieces(tmp_path, None, sizes))
    assert [[(one.name, one.at, one.length) for one in batch] for batch in together[:6]] == [
        [("a", 0, 1000)], [("a", 1000, 1000)], [("a", 2000, 500)], [("b", 0, 900)],
        [("c", 0, 600), ("d", 0, 400)],
        [("e", 0, 1), *((f"f{n}", 0, 0) for n in range(49))],
    ]  # fmt: skip
    assert [len(batch) for batch in together[6:]] == [11]
    assert batches([]) == []


@pytest.mark.parametrize("failing", ["large", "small"])
def test_nothing_more_is_copied_behind_what_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    """A full disk is told after a gigabyte of other attempts, or another failure in its place."""
    monkeypatch.setattr(file_pieces, "_PIECE_BYTES", 1 << 12)
    source, into = folders(tmp_path)
    (source / "large").write_bytes(bytes(500 << 12))
    (source / "small").write_bytes(b"x")
    move, begun, failed = file_pieces.Piece.move, list[str](), list[str]()
    heard = threading.Event()

    class Pool(ThreadPoolExecutor):
        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            heard.set()
            super().shutdown(wait)

    def fails(self: file_pieces.Piece) -> None:
        assert not failed or heard.wait(20), "what failed was not heard"
        begun.append(self.name)
        move(self)
        if failed:
            raise OSError(5, "Input/output error")
        if self.name == failing:
            failed.append(self.name)
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(keeping, "ThreadPoolExecutor", Pool)
    monkeypatch.setattr(file_pieces.Piece, "move", fails)
    with pytest.raises(OSError, match="No space left"):
        Folders(NeverAborted(), at_once=1).laid_out(source, into, uid=None)
    assert len(begun) - begun.index(failing) <= 2, "more was tried than was on its way"


@pytest.mark.parametrize("shared", [False, True])
def test_an_abort_is_heard_between_two_small_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: bool
) -> None:
    """The operator waits for fifty files; or for all, where their blocks are shared."""
    monkeypatch.setattr(file_pieces, "_cloned", lambda _source, _target: shared)
    source, into = folders(tmp_path)
    for number in range(40):
        (source / f"{number:03}").write_bytes(b"x")
    asked = threading.Semaphore(10)

    class Aborted(RuntimeError):
        pass

    class Later(NeverAborted):
        def raise_if_requested(self) -> None:
            if not asked.acquire(blocking=False):
                raise Aborted

    with pytest.raises(Aborted):
        Folders(Later(), at_once=2).laid_out(source, into, uid=None)
    assert len(list(into.iterdir())) == 10 + shared


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    """Whoever opens it waits for a writer without end, and no abort is heard."""
    source, into = folders(tmp_path)
    os.mkfifo(source / "one")
    [one] = pieces(source, into, {"one": 9_000})
    with ThreadPoolExecutor(1) as pool:
        try:
            assert (
                pool.submit(clone, source, into, ["one"], None, abort=NeverAborted()).result(timeout=20)
                is False
            )
            with pytest.raises(OSError, match="Illegal seek"):
                pool.submit(one.move).result(timeout=20)
        finally:
            os.close(os.open(source / "one", os.O_RDWR))


@pytest.mark.parametrize("shared", [0, 1, 3, 5])
def test_where_not_every_file_can_be_shared_none_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: int
) -> None:
    """What was made is in the way of the copies; or the run says that blocks are shared, and some are not."""
    source, into = folders(tmp_path)
    names = [f"{number}" for number in range(5)]
    for name in names:
        (source / name).write_bytes(name.encode())
    calls: list[str] = []

    def cloned(path: str, target: int) -> bool:
        calls.append(path)
        if len(calls) > shared:
            return False
        os.write(target, Path(path).read_bytes())
        return True

    monkeypatch.setattr(file_pieces, "_cloned", cloned)
    assert clone(source, into, names, None, abort=NeverAborted()) == (shared == 5)
    assert contents(into) == (contents(source) if shared == 5 else {})
    assert Folders(NeverAborted()).laid_out(source, _empty(into), uid=None).shared is False
    assert contents(into) == contents(source)


def _empty(folder: Path) -> Path:
    for one in folder.iterdir():
        one.unlink()
    return folder
