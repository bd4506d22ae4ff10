"""A large file whose windows two threads look through first is told as if one had searched it from end to end."""

from __future__ import annotations

import gzip
import os
import random
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import zstandard

from console.evidence import scan, sieve
from console.evidence.needles import Needles
from console.evidence.scan import Scanned, scan_files
from console.secrets import forms_of, scram_verifier

WINDOW_BYTES = 8 << 10
SECRET = b"kR7-vertraulich_99"
KNOWN = {"exec": SECRET.decode(), "source": "grün & 'blau' \\ \"rot\"/+7"}
LINE = b'{"w":"client","n":1234,"sql":"INSERT INTO public.t (a, b) VALUES ($1, $2)"}\n'


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Make windows small, and note the length of each that is judged by the one who tells."""
    monkeypatch.setattr(scan, "CHUNK_BYTES", WINDOW_BYTES)
    lengths: list[int] = []
    search = Needles.search

    def counted(self: Needles, window: bytes | memoryview) -> object:
        lengths.append(len(window))
        return search(self, window)

    monkeypatch.setattr(Needles, "search", counted)
    return lengths


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Note each window that a thread looks at."""
    scratches: list[object] = []
    may_be_in = Needles.may_be_in

    def counted(self: Needles, window: memoryview, scratch: Any) -> bool:
        scratches.append(scratch)
        return may_be_in(self, window, scratch)

    monkeypatch.setattr(Needles, "may_be_in", counted)
    return scratches


def text(windows: float) -> bytearray:
    """Return lines of a log, so many windows of them."""
    size = int(windows * WINDOW_BYTES)
    return bytearray((LINE * (size // len(LINE) + 1))[:size])


def put(content: bytearray, at: int, what: bytes) -> None:
    """Write over a part of the content."""
    content[at : at + len(what)] = what


def both(path: Path, content: bytearray) -> Scanned:
    """Write a file, search it with two threads and with none, and return what both found."""
    path.write_bytes(content)
    found = scan_files([path], KNOWN, root=path.parent)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sieve, "_FEWEST_WINDOWS", 1 << 60)
        assert scan_files([path], KNOWN, root=path.parent) == found
    assert found.bytes == len(content)
    return found


@pytest.mark.parametrize("windows", [64, 64.3, 65, 79.999])
def test_of_a_clean_file_only_what_is_no_whole_window_is_judged(
    tmp_path: Path, searched: list[int], windows: float
) -> None:
    """What is clear is read by the threads alone, and counted."""
    content = text(windows)
    (tmp_path / "log").write_bytes(content)
    found = scan_files([tmp_path / "log"], KNOWN, root=tmp_path)
    assert (found.bytes, found.everything) == (len(content), ())
    assert len(searched) == (1 if len(content) % WINDOW_BYTES else 0)


@pytest.mark.parametrize("step", [1, 2, 3])
def test_secrets_at_every_place_around_the_borders(tmp_path: Path, searched: list[int], step: int) -> None:
    """Each lies one byte further over a border of two windows; all are told, once, and where they are."""
    content, places = text(140), []
    for number in range(2 * len(SECRET) + 3):
        places.append((step * number + 3) * WINDOW_BYTES - len(SECRET) - 1 + number % (len(SECRET) + 3))
        put(content, places[-1], SECRET)
    found = both(tmp_path / "log", content)
    assert [one.at for one in found.found] == places
    assert 140 < len(searched) < 140 + 90, "some windows are passed over"


@pytest.mark.parametrize("form", sorted(forms_of(KNOWN["source"])))
def test_every_form_far_behind(tmp_path: Path, searched: list[int], form: str) -> None:
    """A form in the last windows is found behind windows that were passed over."""
    content, needle = text(90), forms_of(KNOWN["source"])[form].encode()
    put(content, 88 * WINDOW_BYTES - 3, needle)
    assert [one.at for one in both(tmp_path / "log", content).found] == [88 * WINDOW_BYTES - 3]
    assert len(searched) < 90 + 10


def test_a_verifier_over_a_border(tmp_path: Path, searched: list[int]) -> None:
    """What is no text of the automaton's as a whole is found over a border too."""
    content = text(80)
    put(content, 70 * WINDOW_BYTES - 60, scram_verifier(KNOWN["exec"]).encode())
    assert [one.form for one in both(tmp_path / "log", content).found] == ["SCRAM-verifier"]
    assert searched


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress], ids=["gzip", "zstd"])
@pytest.mark.parametrize("before", [0, 20 * WINDOW_BYTES - 2], ids=["first", "over a border"])
def test_a_member_that_goes_on_over_clear_windows(
    tmp_path: Path, searched: list[int], pack: Callable[[bytes], bytes], before: int
) -> None:
    """No window of it is passed over, and those behind it are again."""
    inner = random.Random(5).randbytes(30 * WINDOW_BYTES).hex().encode()
    member = pack(inner + SECRET + inner)
    content = text(200)
    put(content, before, member)
    put(content, 199 * WINDOW_BYTES, SECRET)
    found = both(tmp_path / "log", content)
    kind = "gzip" if pack is gzip.compress else "zstd"
    assert found.findings == (
        f"log in {kind} at {before}, at {len(inner)} as plain of exec",
        f"log at {199 * WINDOW_BYTES} as plain of exec",
    )
    both_ways = len(searched)
    searched.clear()
    assert scan_files([tmp_path / "log"], KNOWN, root=tmp_path) == found
    assert len(searched) < both_ways / 2 - 40, "behind the member windows are passed over"


def test_any_mixture_is_told_the_same(tmp_path: Path, searched: list[int]) -> None:
    """Secrets, their halves, members whole and broken, magic bytes and noise, in forty files."""
    packed = [gzip.compress(b"x" * 50 + SECRET), zstandard.ZstdCompressor().compress(SECRET * 3)]
    parts: Sequence[bytes] = [
        SECRET, SECRET[:9], SECRET[9:], SECRET.hex().encode(), *packed, packed[0][:30], packed[1][:12],
        gzip.compress(os.urandom(3 * WINDOW_BYTES)), b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"SCRAM-SHA-256$",
        scram_verifier(KNOWN["exec"]).encode(), os.urandom(50),
    ]  # fmt: skip
    number = random.Random(17)
    found = 0
    for _file in range(40):
        content = text(64 + 20 * number.random())
        for _part in range(number.randrange(12)):
            put(content, number.randrange(len(content) - 4 * WINDOW_BYTES), number.choice(parts))
        found += len(both(tmp_path / "log", content).found)
    assert found > 40
    assert searched


@pytest.mark.parametrize("left", [10, 5000])
def test_a_file_that_is_cut_meanwhile_and_grows_again(
    tmp_path: Path, searched: list[int], monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    """What was clear of the file as it was says nothing of what stands there later."""
    path, content, border = tmp_path / "log", text(80), 60 * WINDOW_BYTES
    put(content, border, b"SCRAM-SHA-256$")
    path.write_bytes(content)
    read = scan._Stream.read

    def cutting(self: scan._Stream, descriptor: int) -> int:
        if self.offset != border:
            return read(self, descriptor)
        os.truncate(path, border + left)
        got = read(self, descriptor)
        with path.open("ab") as file:
            file.write(SECRET + text(19))
        return got

    monkeypatch.setattr(scan._Stream, "read", cutting)
    found = scan_files([path], KNOWN, root=tmp_path)
    assert [one.at for one in found.found] == [border + left]
    assert found.bytes == path.stat().st_size
    assert searched


def test_within_a_member_nothing_is_looked_at_ahead(
    tmp_path: Path, searched: list[int], looked: list[object]
) -> None:
    """Every window is needed there; only what was begun before it was known is for nothing."""
    content = gzip.compress(random.Random(5).randbytes(200 * WINDOW_BYTES))
    (tmp_path / "log").write_bytes(content)
    assert scan_files([tmp_path / "log"], KNOWN, root=tmp_path).everything == ()
    assert len(looked) < 30
    assert len(searched) >= 400


def test_what_a_thread_cannot_read_is_judged_by_reading_it_again(
    tmp_path: Path, searched: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read that fails beside makes nothing clear; one that fails again makes the file unreadable."""
    content = text(80)
    put(content, 75 * WINDOW_BYTES, SECRET)
    read = os.preadv
    in_threads_only = True

    def failing(descriptor: int, room: Sequence[memoryview], at: int) -> int:
        if not in_threads_only or threading.current_thread() is not threading.main_thread():
            raise OSError(5, "Input/output error")
        return read(descriptor, room, at)

    monkeypatch.setattr(os, "preadv", failing)
    assert [one.at for one in both(tmp_path / "log", content).found] == [75 * WINDOW_BYTES]
    in_threads_only = False
    found = scan_files([tmp_path / "log"], KNOWN, root=tmp_path)
    assert found.findings == ("log cannot be read: Input/output error",)
    assert searched


def test_short_reads_make_nothing_clear(
    tmp_path: Path, searched: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a file system gives less than was asked for, the rest is read before anything is said."""
    content = text(80)
    put(content, 75 * WINDOW_BYTES - 4, SECRET)
    read = os.preadv
    monkeypatch.setattr(os, "preadv", lambda file, room, at: read(file, [room[0][:5000]], at))
    assert [one.at for one in both(tmp_path / "log", content).found] == [75 * WINDOW_BYTES - 4]
    assert len(searched) == 2 * 80


def test_a_fault_in_a_thread_is_never_clean(
    tmp_path: Path, searched: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes wrong beside is raised where the file is searched, and no thread is left."""
    (tmp_path / "log").write_bytes(text(300))

    def wrong(*_window: object) -> bool:
        raise RuntimeError("no scratch")

    monkeypatch.setattr(Needles, "may_be_in", wrong)
    with pytest.raises(RuntimeError, match="no scratch"):
        scan_files([tmp_path / "log"], KNOWN, root=tmp_path)
    assert not [one for one in threading.enumerate() if one.name.startswith("drydock-scan")]
    assert not searched


def test_whoever_stops_the_search_stops_its_threads(
    tmp_path: Path, searched: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interruption ends the threads with the search, long before the end of the file."""
    content = text(600)
    put(content, 0, SECRET)
    (tmp_path / "log").write_bytes(content)
    opened: list[int] = []
    fstat = os.fstat

    def noted(descriptor: int) -> os.stat_result:
        opened.append(descriptor)
        return fstat(descriptor)

    def interrupted(_self: scan._Stream, _descriptor: int) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fstat", noted)
    monkeypatch.setattr(scan._Stream, "read", interrupted)
    with pytest.raises(KeyboardInterrupt):
        scan_files([tmp_path / "log"], KNOWN, root=tmp_path)
    assert not [one for one in threading.enumerate() if one.name.startswith("drydock-scan")]
    with pytest.raises(OSError, match="Bad file descriptor"):
        fstat(opened[0])
    assert not searched


@pytest.mark.parametrize("why", ["one processor", "a small file", "a secret as long as a key file"])
def test_where_looking_ahead_gains_nothing_no_thread_is_begun(
    tmp_path: Path, searched: list[int], monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    """One thread does all of it."""
    known = dict(KNOWN)
    content = text(15 if why == "a small file" else 80)
    if why == "one processor":
        monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {0})
    elif why != "a small file":
        known["key"] = "k" * WINDOW_BYTES
    monkeypatch.setattr(sieve, "ThreadPoolExecutor", None)
    put(content, 12 * WINDOW_BYTES - 4, SECRET)
    (tmp_path / "log").write_bytes(content)
    assert [one.at for one in scan_files([tmp_path / "log"], known, root=tmp_path).found] == [
        12 * WINDOW_BYTES - 4
    ]
    assert len(searched) == (15 if why == "a small file" else 80)


def test_magic_bytes_in_great_number_cost_what_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What only looks like a member is given no more than its first bytes, and what is one gets more at a time."""
    fed: list[int] = []
    feed = scan._Member.feed

    def counted(self: scan._Member, data: bytes) -> None:
        fed.append(len(data))
        feed(self, data)

    monkeypatch.setattr(scan._Member, "feed", counted)
    noise = gzip.compress(random.Random(5).randbytes(500_000))
    (tmp_path / "log").write_bytes(b"." + b"\x1f\x8b\x08\xff" * 10_000 + noise)
    assert scan_files([tmp_path / "log"], KNOWN, root=tmp_path).everything == ()
    assert fed[:10_000] == [scan._FIRST_FED_BYTES] * 10_000
    assert len(fed) < 10_000 + 20


def test_where_no_thread_can_be_begun_one_does_all(
    tmp_path: Path, searched: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit on processes or memory stops no scan."""

    def refused(_self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    content = text(80)
    put(content, 75 * WINDOW_BYTES - 4, SECRET)
    (tmp_path / "log").write_bytes(content)
    found = scan_files([tmp_path / "log"], KNOWN, root=tmp_path)
    assert [one.at for one in found.found] == [75 * WINDOW_BYTES - 4]
    assert len(searched) == 80


def test_what_a_window_shares_is_read_whole(
    tmp_path: Path, searched: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only half of a secret lies in a window that was passed over, and its reading comes in short pieces."""
    content = text(80)
    put(content, 75 * WINDOW_BYTES - 4, SECRET)
    read, read_into = os.pread, os.preadv

    def short(descriptor: int, room: Sequence[memoryview], at: int) -> int:
        beside = threading.current_thread() is not threading.main_thread()
        return read_into(descriptor, room if beside else [room[0][:100]], at)

    monkeypatch.setattr(os, "pread", lambda descriptor, size, at: read(descriptor, min(size, 100), at))
    monkeypatch.setattr(os, "preadv", short)
    assert [one.at for one in both(tmp_path / "log", content).found] == [75 * WINDOW_BYTES - 4]
    assert len(searched) < 2 * 80


def test_where_every_window_holds_a_candidate_few_are_looked_at_for_nothing(
    tmp_path: Path, searched: list[int], looked: list[object]
) -> None:
    """What is not clear is read twice: looking ahead rests there, and is tried again behind."""
    content = text(400)
    for number in range(200):
        put(content, number * WINDOW_BYTES + 700, b"SCRAM-SHA-256$")
    (tmp_path / "log").write_bytes(content)
    assert scan_files([tmp_path / "log"], KNOWN, root=tmp_path).everything == ()
    assert len(searched) < 200 + 60
    assert len(looked) < 200 + 60
