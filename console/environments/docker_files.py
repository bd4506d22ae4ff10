"""Files into and out of named volumes, as tar streams: nothing is mounted from the host.

Owns what a stream holds and what is taken out of one. Never extracts a link, a device or a name that leaves
its folder.
"""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from console.errors import StepFailed

_CHUNK_BYTES = 1 << 20
_BLOCK_BYTES = 512
MOST_TAKEN_BYTES = 256 << 20


@dataclass(frozen=True, kw_only=True)
class Placed:
    """One entry for a volume: a folder (no content), a text, a file of ours, or a link of our own making."""

    name: str
    mode: int
    uid: int = 0
    content: bytes | Path | None = None
    link: str = ""


def tree(folder: Path, name: str) -> Iterator[Placed]:
    """Yield a folder of ours with all in it, readable by everybody and writable by nobody."""
    yield Placed(name=name, mode=0o555)
    for path in sorted(folder.rglob("*")):
        inside, found = f"{name}/{path.relative_to(folder).as_posix()}", path.lstat()
        if stat.S_ISDIR(found.st_mode):
            yield Placed(name=inside, mode=0o555)
        elif stat.S_ISREG(found.st_mode):
            yield Placed(name=inside, mode=0o444, content=path)


def packed(entries: Iterator[Placed] | list[Placed]) -> Iterator[bytes]:
    """Yield a tar archive of the entries piece by piece; a file is never held in memory."""
    for entry in entries:
        info = tarfile.TarInfo(entry.name)
        info.mode, info.uid, info.gid = entry.mode, entry.uid, entry.uid
        if entry.link:
            info.type, info.linkname = tarfile.SYMTYPE, entry.link
        elif entry.content is None:
            info.type = tarfile.DIRTYPE
        elif isinstance(entry.content, bytes):
            info.size = len(entry.content)
        else:
            info.size = entry.content.stat().st_size
        yield info.tobuf(tarfile.PAX_FORMAT)
        if isinstance(entry.content, bytes):
            yield entry.content
        elif entry.content is not None:
            yield from _content(entry.content, info.size)
        yield b"\0" * (-info.size % _BLOCK_BYTES)
    yield b"\0" * (2 * _BLOCK_BYTES)


def _content(path: Path, size_bytes: int) -> Iterator[bytes]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        left = size_bytes
        while left:
            part = file.read(min(left, _CHUNK_BYTES))
            if not part:
                raise StepFailed(f"{path} became shorter while it was sent", cause="environment")
            left -= len(part)
            yield part


class _Pieces(io.RawIOBase):
    """A readable over pieces that come one by one."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer with what comes next."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = piece
        part, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)


def unpacked(pieces: Iterator[bytes], into: Path, *, most_bytes: int = MOST_TAKEN_BYTES) -> list[str]:
    """Write the regular files of a tar stream below `into`; return what was left out, by name.

    A link, a special file and a name that leads elsewhere are left out. What goes over the limit ends it: nothing
    more is read, since a sparse file of the subject's would go on for days.
    """
    left_out: list[str] = []
    taken_bytes = 0
    into.mkdir(mode=0o700, exist_ok=True)
    with tarfile.open(fileobj=io.BufferedReader(_Pieces(pieces), 1 << 16), mode="r|") as archive:
        for member in archive:
            target = _inside(into, member)
            if target is None or not (member.isreg() or member.isdir()):
                left_out.append(member.name)
            elif member.isdir():
                target.mkdir(mode=0o700, parents=True, exist_ok=True)
            elif taken_bytes + member.size > most_bytes:
                left_out.append(f"{member.name} (more than {most_bytes} bytes in all)")
                break
            else:
                taken_bytes += member.size
                _write(archive, member, target)
    return left_out


def _inside(into: Path, member: tarfile.TarInfo) -> Path | None:
    parts = PurePosixPath(member.name).parts
    if not parts or parts[0] == "/" or ".." in parts:
        return None
    return into.joinpath(*parts)


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    given = archive.extractfile(member)
    assert given is not None
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with given, os.fdopen(os.open(target, flags, 0o600), "wb") as file:
        while part := given.read(_CHUNK_BYTES):
            file.write(part)
