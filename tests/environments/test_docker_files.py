"""Files out of a container: what the subject made them of does not hold the engine up."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.environments.docker_files import unpacked
from console.errors import StepFailed


def _endless(read: list[int]) -> Iterator[bytes]:
    """Yield a tar of one small file and the header of a file of a tebibyte, then its zeros for ever."""
    head = io.BytesIO()
    with tarfile.open(fileobj=head, mode="w") as archive:
        small = tarfile.TarInfo("scratch/small")
        small.size = 5
        archive.addfile(small, io.BytesIO(b"hello"))
    large = tarfile.TarInfo("scratch/sparse")
    large.size = 1 << 40
    yield head.getvalue()[:1024] + large.tobuf(tarfile.GNU_FORMAT)
    while True:
        read.append(1 << 16)
        yield bytes(1 << 16)


def test_a_sparse_file_of_a_tebibyte_ends_it(tmp_path: Path) -> None:
    """What is over the limit is read through to its end, or what came before it is not taken."""
    read: list[int] = []
    left_out = unpacked(_endless(read), tmp_path / "into", gate="G-22", most_bytes=1000)
    assert left_out == ["scratch/sparse (more than 1000 bytes in all)"]
    assert (tmp_path / "into" / "scratch" / "small").read_bytes() == b"hello"
    assert sum(read) <= 1 << 20


def packed(*members: tarfile.TarInfo) -> Iterator[bytes]:
    """Yield a tar of entries without content."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for member in members:
            archive.addfile(member)
    yield out.getvalue()


def entry(name: str, link: str = "", size: int = 0) -> tarfile.TarInfo:
    """Return an empty file, or a symbolic link."""
    made = tarfile.TarInfo(name)
    made.size = size
    if link:
        made.type, made.linkname = tarfile.SYMTYPE, link
    return made


def test_names_and_link_texts_are_told(tmp_path: Path) -> None:
    """A name or what a link leads to is not in the list that is searched, or a link is made here."""
    names = io.BytesIO()
    given = packed(entry("own/a"), entry("own/link", "/nowhere/hunter2"), entry("own/\udcff"))
    left_out = unpacked(given, tmp_path / "into", gate="G-22", names=names)
    assert names.getvalue() == b"own/a\nown/link\n/nowhere/hunter2\nown/\xff\n"
    assert left_out == ["own/link"]
    assert not (tmp_path / "into" / "own" / "link").is_symlink()


def test_too_many_entries_end_it(tmp_path: Path) -> None:
    """Entries without number fill the disk with names."""
    given = packed(*(entry(f"own/{number}") for number in range(5)))
    left_out = unpacked(given, tmp_path / "into", gate="G-22", most_entries=3)
    assert left_out == ["own/3 (more than 3 files in all)"]


def test_a_path_that_is_too_long_is_the_subjects(tmp_path: Path) -> None:
    """A path that no file here can have ends as an error of the engine's own."""
    given = packed(entry("own/" + "x" * 300))
    with pytest.raises(StepFailed, match="cannot be had on this machine: File name") as failed:
        unpacked(given, tmp_path / "into", gate="G-22")
    assert (failed.value.cause, failed.value.gate) == ("subject", "G-22")


def test_a_mirrored_file_is_not_taken_again(tmp_path: Path) -> None:
    """The trace is taken twice, or one that grew after it was mirrored is left out of the search."""
    body = entry("own/trace/client.jsonl", size=5)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(body, io.BytesIO(b"hello"))
    for known, taken in ((5, False), (4, True)):
        into = tmp_path / str(known)
        unpacked(iter([out.getvalue()]), into, gate="G-22", spared={body.name: known})
        assert (into / "own" / "trace" / "client.jsonl").exists() == taken


def test_a_torn_stream_is_the_environments(tmp_path: Path) -> None:
    """A stream that ends within an entry, or between two, is taken for a whole one."""
    whole = b"".join(packed(entry("own/a"), entry("own/b")))
    for cut in (300, 512, 700, 1024):
        with pytest.raises(StepFailed, match="gave files out broken") as failed:
            unpacked(iter([whole[:cut]]), tmp_path / "into", gate="G-22")
        assert failed.value.cause == "environment"
        (tmp_path / "into" / "own" / "a").unlink(missing_ok=True)
        (tmp_path / "into" / "own" / "b").unlink(missing_ok=True)
