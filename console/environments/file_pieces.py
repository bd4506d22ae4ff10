"""Files copied and hashed in pieces, of which several are on their way at once; or cloned, where blocks can be shared.

What is small is made, copied and closed as one piece; a larger file is made empty before its pieces are.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from console.environments.cloning import FICLONE
from console.errors import StepFailed
from console.model.protocols import Abort

_PIECE_BYTES = 16 << 20
_MOST_TOGETHER = 50
_READ_BYTES = 256 << 10
"""What the processor's own memory holds between reading, hashing and writing."""

_NOT_BY_THE_KERNEL = frozenset({errno.EINVAL, errno.ENOSYS})
"""What sendfile(2) says of files that have to be read and written."""

_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
"""Without waiting for a writer, where a pipe has taken a file's place."""

_MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Bytes `at` to `at + length` of one file, and where they go; nowhere to be read only.

    The `whole` of a file makes that, as `uid`'s, or this process's for None.
    """

    name: str
    source: str
    target: str
    at: int
    length: int
    whole: bool
    uid: int | None

    def hash(self) -> bytes:
        """Return the piece's digest; what was read is written where there is somewhere to write it."""
        with self._opened() as (source, target):
            return self._read(source, target)

    def move(self) -> None:
        """Let the kernel copy the piece; read and write it where that cannot be."""
        at, end = self.at, self.at + self.length
        with self._opened() as (source, target):
            if at:
                os.lseek(target, at, os.SEEK_SET)
            try:
                while at < end:
                    got = os.sendfile(target, source, at, end - at)
                    if not got:
                        raise self._shorter()
                    at += got
            except OSError as cannot:
                if cannot.errno not in _NOT_BY_THE_KERNEL:
                    raise
                self._read(source, target)

    def _read(self, source: int, target: int) -> bytes:
        total, room = hashlib.sha256(), memoryview(bytearray(min(_READ_BYTES, self.length)))
        at, end = self.at, self.at + self.length
        while at < end:
            got = os.preadv(source, [room[: min(_READ_BYTES, end - at)]], at)
            if not got:
                raise self._shorter()
            total.update(room[:got])
            if target >= 0:
                _write(target, room[:got], at)
            at += got
        return total.digest()

    @contextmanager
    def _opened(self) -> Iterator[tuple[int, int]]:
        """Yield the descriptors of both files, -1 for none."""
        source = os.open(self.source, _READ)
        target = -1
        try:
            if self.whole and self.target:
                target = _made(self.target, self.uid)
            elif self.target:
                target = os.open(self.target, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            yield source, target
        finally:
            os.close(source)
            if target >= 0:
                os.close(target)

    def _shorter(self) -> StepFailed:
        return StepFailed(f"{self.source} became shorter while it was copied", cause="environment")


def pieces(
    source: Path, into: Path | None, sizes: Mapping[str, int], *, uid: int | None = None
) -> list[Piece]:
    """Return the pieces of files of these `sizes` in bytes, of the largest first; those of several are made, empty."""
    found: list[Piece] = []
    for name in sorted(sizes, key=lambda name: -sizes[name]):
        size = sizes[name]
        whole, target = size <= _PIECE_BYTES, f"{into}/{name}" if into is not None else ""
        if target and not whole:
            os.close(_made(target, uid))
        found.extend(
            Piece(
                name=name, source=f"{source}/{name}", target=target, at=at,
                length=min(_PIECE_BYTES, size - at), whole=whole, uid=uid,
            )
            for at in range(0, size or 1, _PIECE_BYTES)
        )  # fmt: skip
    return found


def batches(parts: list[Piece]) -> list[list[Piece]]:
    """Return pieces in the same order, small ones many together: to hand one over takes as long as to copy it."""
    found: list[list[Piece]] = []
    room_bytes = 0
    for piece in parts:
        if not found or piece.length > room_bytes or len(found[-1]) == _MOST_TOGETHER:
            found.append([])
            room_bytes = _PIECE_BYTES
        found[-1].append(piece)
        room_bytes -= piece.length
    return found


def clone(source: Path, into: Path, names: list[str], uid: int | None, *, abort: Abort) -> bool:
    """Make every file with its blocks shared, as `uid`'s; where the file system cannot, make none and return False.

    `abort` is asked between two files.
    """
    for number, name in enumerate(names):
        if number:
            abort.raise_if_requested()
        target = _made(f"{into}/{name}", uid)
        try:
            shared = _cloned(f"{source}/{name}", target)
        finally:
            os.close(target)
        if not shared:
            for made in names[: number + 1]:
                (into / made).unlink()
            return False
    return bool(names)


def _made(path: str, uid: int | None) -> int:
    made = os.open(path, _MAKE, 0o600)
    if uid is not None:
        try:
            os.fchown(made, uid, uid)
        except OSError:
            os.close(made)
            raise
    return made


def _cloned(source: str, target: int) -> bool:
    given = os.open(source, _READ)
    try:
        fcntl.ioctl(target, FICLONE, given)
    except OSError:
        return False
    finally:
        os.close(given)
    return True


def _write(target: int, content: memoryview, at: int) -> None:
    while content:
        written = os.pwrite(target, content, at)
        content, at = content[written:], at + written
