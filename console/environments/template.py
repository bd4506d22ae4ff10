"""A data folder as initdb makes it, kept in the cache folder and copied for every cluster.

Owns one file for each major version: written whole or not at all, believed only when it is this user's
alone, whole to the byte and of these very programs. Its superuser's verifier is of a password that nobody knows, which
each copy has its own written over, and no server has ever run on it. A copy is nobody's until it has an identity and a
password of its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import stat
import time
from io import FileIO
from pathlib import Path, PurePosixPath

import msgspec

from console.environments.owner import making_files_of
from console.environments.programs import Programs

ARGUMENTS = ("--auth=reject", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")
"""Of initdb: nobody can log in to what it makes."""

_FORMAT = b"drydock template 2\n"
_AFTER_FORMAT = len(_FORMAT)
_AFTER_DIGEST = _AFTER_FORMAT + hashlib.sha256().digest_size
_LARGEST_BYTES = 256 << 20
_TIMED_FILES = 32
_LONGEST_NS = 150_000
"""Of processor time for a file, on average over so many: 30 µs is usual, 400 where many were removed a moment ago."""
_KEYED = ("bin/initdb", "bin/postgres", "share/postgres.bki", "share/postgresql/postgres.bki")


class _File(msgspec.Struct, frozen=True, array_like=True):
    """One file: its path below the data folder, its size, and its content up to the last byte that is not 0."""

    path: str
    size: int
    content: memoryview


class _Content(msgspec.Struct, frozen=True, array_like=True):
    """A data folder: folders before what lies in them."""

    key: str
    folders: list[str]
    files: list[_File]


class Template:
    """A kept data folder, read and found whole."""

    def __init__(self, content: _Content) -> None:
        self._content = content

    def lay_out(self, data_folder: Path, *, uid: int | None, anywhere: bool = True) -> bool:
        """Write the files into an empty folder that nobody else can reach; all is `uid`'s where one is given.

        Unless `anywhere` is as good, False, with some of them written, as soon as a file costs several times what it
        should: an earlier cluster lay there a moment ago (see `make_scattered_folder`).
        """
        top = os.open(data_folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if uid is not None:
                os.fchown(top, uid, uid)
            with making_files_of(uid):
                for name in self._content.folders:
                    os.mkdir(name, 0o700, dir_fd=top)
                return self._write_all(top, anywhere)
        finally:
            os.close(top)

    def _write_all(self, top: int, anywhere: bool) -> bool:
        files = self._content.files
        for number in range(0, len(files), _TIMED_FILES):
            began = time.thread_time_ns()
            for file in files[number : number + _TIMED_FILES]:
                _write(file, top)
            took_ns = time.thread_time_ns() - began
            if not anywhere and number < len(files) // 2 and took_ns > _TIMED_FILES * _LONGEST_NS:
                return False
        return True


def _write(file: _File, top: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(file.path, flags, 0o600, dir_fd=top)
    try:
        written = os.write(descriptor, file.content) if file.content else 0
        while written < len(file.content):
            written += os.write(descriptor, file.content[written:])
        if file.size != written:
            os.ftruncate(descriptor, file.size)
    finally:
        os.close(descriptor)


def key_of(programs: Programs) -> str:
    """Return what a template depends on: the programs by place, size and time, and initdb's arguments."""
    parts = [programs.version, *ARGUMENTS]
    for name in _KEYED:
        path = programs.root / name
        with contextlib.suppress(FileNotFoundError):
            found = path.stat()
            parts.append(f"{path}:{found.st_size}:{found.st_mtime_ns}:{found.st_ino}")
    return "\n".join(parts)


def _file_of(folder: Path, programs: Programs) -> Path:
    return folder / f"cluster-{programs.major}.template"


def find_template(folder: Path, programs: Programs) -> Template | None:
    """Return the template of these programs, None when there is none that can be believed."""
    path = _file_of(folder, programs)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        found, above = os.fstat(descriptor), folder.lstat()
        if not (_is_ours_alone(found) and stat.S_ISREG(found.st_mode) and found.st_size <= _LARGEST_BYTES):
            return None
        if not (_is_ours_alone(above) and stat.S_ISDIR(above.st_mode)):
            return None
        identity = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        content = _LAST_READ.get(identity) or _read_whole(file)
    if content is None or content.key != key_of(programs):
        return None
    _LAST_READ.clear()
    _LAST_READ[identity] = content
    return Template(content)


_LAST_READ: dict[tuple[int, ...], _Content] = {}
"""What this process has found whole, by the file that it was: a run makes several clusters of one template."""


def _read_whole(file: FileIO) -> _Content | None:
    """Return what a file holds, None where it is not whole; the content is not copied from what was read."""
    whole = memoryview(file.readall())
    head, digest, packed = whole[:_AFTER_FORMAT], whole[_AFTER_FORMAT:_AFTER_DIGEST], whole[_AFTER_DIGEST:]
    if head != _FORMAT:
        return None
    if hashlib.sha256(packed).digest() != digest:
        return None
    try:
        content = msgspec.msgpack.decode(packed, type=_Content)
    except msgspec.DecodeError:
        return None
    names = [*content.folders, *(one.path for one in content.files)]
    return content if all(map(_stays_below, names)) else None


def _is_ours_alone(found: os.stat_result) -> bool:
    return found.st_uid == os.geteuid() and not found.st_mode & 0o022


def _stays_below(name: str) -> bool:
    parts = PurePosixPath(name)
    return not parts.is_absolute() and ".." not in parts.parts and name != ""


def keep_template(folder: Path, programs: Programs, data_folder: Path, *, without: frozenset[str]) -> None:
    """Keep a data folder that initdb has just made, but for the files named in `without`.

    Where it cannot be kept (no room, no such right), nothing is: the next cluster runs initdb again.
    """
    packed = msgspec.msgpack.encode(_read(data_folder, key_of(programs), without))
    place = folder / f".{secrets.token_hex(8)}"
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(_FORMAT + hashlib.sha256(packed).digest() + packed)
            place.replace(_file_of(folder, programs))
        finally:
            place.unlink(missing_ok=True)


def _read(data_folder: Path, key: str, without: frozenset[str]) -> _Content:
    folders: list[str] = []
    files: list[_File] = []
    for root, below, names in os.walk(data_folder):
        inside = PurePosixPath(os.path.relpath(root, data_folder))
        folders += [str(inside / name) for name in sorted(below)]
        for name in sorted(names):
            path = str(inside / name)
            if path in without:
                continue
            descriptor = os.open(Path(root, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                content = file.read()
            files.append(_File(path=path, size=len(content), content=memoryview(content.rstrip(b"\0"))))
    return _Content(key=key, folders=folders, files=files)
