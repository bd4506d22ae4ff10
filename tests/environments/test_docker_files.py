"""Files out of a container: what the subject made them of does not hold the engine up."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

from console.environments.docker_files import unpacked


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
    left_out = unpacked(_endless(read), tmp_path / "into", most_bytes=1000)
    assert left_out == ["scratch/sparse (more than 1000 bytes in all)"]
    assert (tmp_path / "into" / "scratch" / "small").read_bytes() == b"hello"
    assert sum(read) <= 1 << 20
