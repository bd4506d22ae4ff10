"""The trace file while it is written: what was appended is there, whoever ends, forks or meddles."""

from __future__ import annotations

import errno
import mmap
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from console.harness.appender import WINDOW_BYTES, Appender, WitnessFailed

HERE = str(Path(__file__).parents[2])


def written(path: Path) -> bytes:
    """Return the file's lines, without what is reserved behind them."""
    return path.read_bytes().rstrip(b"\0")


def test_what_was_appended_outlives_a_killed_process(tmp_path: Path) -> None:
    """SIGKILL takes no line back, and what was reserved is all NULs."""
    path = tmp_path / "client.jsonl"
    code = (
        "import os, signal, sys\n"
        "from console.harness.appender import Appender\n"
        "file = Appender(sys.argv[1])\n"
        "for number in range(20_000): file.append(b'line %d\\n' % number)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(path)], cwd=HERE, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert written(path) == b"".join(b"line %d\n" % number for number in range(20_000))
    assert 0 < path.stat().st_size - len(written(path)) <= 2 * WINDOW_BYTES


def test_a_reader_sees_each_line_at_once(tmp_path: Path) -> None:
    """No call into the kernel is needed for a line to be in the file, across windows and in lines of any length."""
    path = tmp_path / "client.jsonl"
    file, expected = Appender(str(path)), b""
    for size in (1, 100, WINDOW_BYTES - 1, WINDOW_BYTES, 5 * WINDOW_BYTES + 7, 3, mmap.PAGESIZE):
        line = b"x" * size + b"\n"
        file.append(line)
        expected += line
        assert written(path) == expected
    file.share()
    assert path.read_bytes() == expected
    file.append(b"later\n")
    assert path.read_bytes() == expected + b"later\n"


def test_lines_of_threads_never_meet(tmp_path: Path) -> None:
    """Lines that threads append at once all stand whole in the file, those that begin a window too."""
    path = tmp_path / "client.jsonl"
    file = Appender(str(path))
    lines = [
        [b"%d " % thread * (1 + number % 90) + b"%d\n" % number for number in range(4000)]
        for thread in range(8)
    ]

    def append(own: list[bytes]) -> None:
        for line in own:
            file.append(line)

    threads = [threading.Thread(target=append, args=(own,)) for own in lines]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    file.share()
    found = path.read_bytes().splitlines(keepends=True)
    assert sorted(found) == sorted(line for own in lines for line in own)


def test_parent_and_child_write_into_one_file(tmp_path: Path) -> None:
    """Neither overwrites the other after a fork, and nothing is reserved any more."""
    path = tmp_path / "client.jsonl"
    file = Appender(str(path))
    file.append(b"before\n")
    child = os.fork()
    if child == 0:
        for number in range(1000):
            file.append(b"child %d\n" % number)
        os._exit(0)
    for number in range(1000):
        file.append(b"parent %d\n" % number)
    os.waitpid(child, 0)
    both = {f"{who} {number}" for who in ("parent", "child") for number in range(1000)}
    assert sorted(path.read_text().splitlines()) == sorted({"before"} | both)


def test_where_nothing_can_be_reserved_each_line_is_a_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system without fallocate gets whole lines by write."""

    def refuse(*_: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    file = Appender(str(tmp_path / "client.jsonl"))
    file.append(b"line\n")
    assert (tmp_path / "client.jsonl").read_bytes() == b"line\n"


@pytest.mark.parametrize("before", [False, True])
def test_a_handler_that_raises_while_room_is_made_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    """The handler's own error comes through, the next line is appended, and nobody is said to have cut the file."""
    real = os.posix_fallocate
    file = Appender(str(tmp_path / "client.jsonl"))
    file.append(b"first\n")

    def interrupted(descriptor: int, at_bytes: int, size_bytes: int) -> None:
        if not before:
            real(descriptor, at_bytes, size_bytes)
        raise TimeoutError("the subject's own")

    long = b"x" * WINDOW_BYTES + b"\n"
    monkeypatch.setattr(os, "posix_fallocate", interrupted)
    with pytest.raises(TimeoutError, match="the subject's own"):
        file.append(long)
    monkeypatch.setattr(os, "posix_fallocate", real)
    file.append(b"second\n")
    assert (file.failure, file.displacement()) == ("", "")
    assert written(tmp_path / "client.jsonl") == b"first\nsecond\n"


def test_a_write_that_a_handler_interrupts_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where each line is a call of write, a handler's TimeoutError is none of the file's either."""
    file = Appender(str(tmp_path / "client.jsonl"))
    file.share()
    real = os.write

    def interrupted(descriptor: int, line: bytes) -> int:
        real(descriptor, line)
        raise TimeoutError

    monkeypatch.setattr(os, "write", interrupted)
    with pytest.raises(TimeoutError):
        file.append(b"first\n")
    monkeypatch.setattr(os, "write", real)
    file.append(b"second\n")
    assert written(tmp_path / "client.jsonl") == b"first\nsecond\n"


@pytest.mark.parametrize("at", [0, 1])
def test_a_full_disk_refuses_every_later_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """No room for the first window or for a later one: nothing is appended from then on."""
    real, calls = os.posix_fallocate, []

    def reserve(descriptor: int, at_bytes: int, size_bytes: int) -> None:
        calls.append(at_bytes)
        if len(calls) > at:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor, at_bytes, size_bytes)

    monkeypatch.setattr(os, "posix_fallocate", reserve)
    file, lines = Appender(str(tmp_path / "client.jsonl")), 0
    while not file.failure:
        with suppress(WitnessFailed):
            file.append(b"x" * 99 + b"\n")
            lines += 1
    assert file.failure.endswith("cannot be written: No space left on device")
    with pytest.raises(WitnessFailed):
        file.append(b"\n")
    assert written(tmp_path / "client.jsonl") == (b"x" * 99 + b"\n") * lines
    assert (lines > 0) == bool(at)


def test_no_low_descriptor_is_taken(tmp_path: Path) -> None:
    """The subject's own descriptors have the numbers that they have without a tracer."""
    before = set(os.listdir("/proc/self/fd"))
    file = Appender(str(tmp_path / "client.jsonl"))
    file.append(b"x" * 3 * WINDOW_BYTES + b"\n")
    new = set(os.listdir("/proc/self/fd")) - before
    assert [int(name) >= 500 for name in new] == [True]
