"""Files into and out of named volumes, as tar streams: nothing is mounted from the host.

Owns what a stream holds and what is taken out of one. Never extracts a link, a device or a name that leaves
its folder.
"""

from __future__ import annotations

import errno
import io
import os
import stat
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from console.errors import StepFailed
from console.model.text import one_line

_CHUNK_BYTES = 1 << 20
_BLOCK_BYTES = 512
MOST_TAKEN_BYTES = 256 << 20
MOST_TAKEN_ENTRIES = 200_000
LONGEST_NAME_BYTES = 3000
"""An engine leaves out, without a word, what is longer than PATH_MAX (4096) below a folder of its own; the name of
what such a thing lies in is at most 255 bytes shorter, and shows."""
TOO_MUCH = "in all)"
"""How an entry ends that was not taken because of a limit."""
_NAME_CHARS = 200
_MOST_PADDING_PIECES = 64


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
        self._tail = b""

    def ends_as_an_archive(self) -> bool:
        """Read what is left after the last entry, and tell whether it is the end of an archive: two blocks of zeros."""
        for _ in range(_MOST_PADDING_PIECES):
            if not self._more():
                return self._tail == bytes(2 * _BLOCK_BYTES)
        return False

    def _more(self) -> bytes:
        """Return what comes next, empty at the end."""
        piece = next((one for one in self._pieces if one), b"")
        self._tail = (self._tail + piece[-2 * _BLOCK_BYTES :])[-2 * _BLOCK_BYTES :]
        return piece

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer with what comes next."""
        self._rest = self._rest or self._more()
        part, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)


def unpacked(
    pieces: Iterator[bytes], into: Path, *, gate: str, most_bytes: int = MOST_TAKEN_BYTES,
    most_entries: int = MOST_TAKEN_ENTRIES, names: BinaryIO | None = None, spared: Mapping[str, int] | None = None,
) -> list[str]:  # fmt: skip
    """Write the regular files of a tar stream below `into`; return what was left out, by name.

    A link, a special file and a name that leads elsewhere are left out; `names` gets the name of each entry and what a
    link leads to, a line each. What goes over a limit ends it: nothing more is read, since a sparse file of the
    subject's would go on for days. `spared` files, known from elsewhere, are left there up to so many bytes. A path
    that this machine cannot have raises StepFailed (subject) at the gate.
    """
    left_out: list[str] = []
    taken_bytes = 0
    into.mkdir(mode=0o700, exist_ok=True)
    for number, (archive, member) in enumerate(_members(pieces)):
        if names is not None:
            names.write(
                _raw(member.name) + b"\n" + (_raw(member.linkname) + b"\n" if member.linkname else b"")
            )
        if len(_raw(member.name)) > LONGEST_NAME_BYTES:
            raise StepFailed(
                f"the subject's path {_shown(member)} is longer than {LONGEST_NAME_BYTES} bytes: the engine gives out "
                "nothing that lies too deep, and does not say so",
                cause="subject", gate=gate,
            )  # fmt: skip
        target = _inside(into, member)
        if number >= most_entries:
            left_out.append(f"{_shown(member)} (more than {most_entries} files {TOO_MUCH}")
            break
        if target is None or not (member.isreg() or member.isdir()):
            left_out.append(member.name)
        elif member.isreg() and member.size <= (spared or {}).get(member.name, -1):
            continue
        elif member.isreg() and taken_bytes + member.size > most_bytes:
            left_out.append(f"{_shown(member)} (more than {most_bytes} bytes {TOO_MUCH}")
            break
        else:
            taken_bytes += member.size
            _take(archive, member, target, gate)
    return left_out


def _members(pieces: Iterator[bytes]) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """A stream that was cut between two entries ends like an ordinary end, but for the archive's own last blocks."""
    source = _Pieces(pieces)
    try:
        with tarfile.open(fileobj=io.BufferedReader(source, 1 << 16), mode="r|") as archive:
            for member in archive:
                yield archive, member
    except tarfile.TarError as wrong:
        raise StepFailed(f"the docker engine gave files out broken: {wrong}", cause="environment") from wrong
    if not source.ends_as_an_archive():
        raise StepFailed("the docker engine gave files out broken: the end is missing", cause="environment")


def _take(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path, gate: str) -> None:
    try:
        if member.isdir():
            target.mkdir(mode=0o700, parents=True, exist_ok=True)
        else:
            _write(archive, member, target)
    except OSError as wrong:
        if wrong.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            raise
        raise StepFailed(
            f"the subject's file {_shown(member)} cannot be had on this machine: {wrong.strerror}", cause="subject",
            gate=gate,
        ) from wrong  # fmt: skip


def _shown(member: tarfile.TarInfo) -> str:
    return one_line(member.name, limit_chars=_NAME_CHARS)


def _raw(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


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
