"""Kept copies of production: where they lie, what each one's list says, who uses it, and when its time is over.

Owns the folder's layout and the list (kept.json), which is written last and believed only where folder and file are
this user's alone. Never copies a byte and never removes one.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from console.errors import DrydockError
from console.model.config import KeptCopy
from console.model.fact import Count, Sha256, Some, Text, Time

LIST_FILE, DATA_FOLDER, LOCK_FILE = "kept.json", "data", "lock"
FORMAT = 1
"""Of what is kept: a copy of another one is never taken."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NAME = re.compile(r"kept-\d{8}-\d{6}-[0-9a-f]{4}")
_LARGEST_LIST_BYTES = 64 << 20

LONGEST_HOURS = 168.0
"""No plan keeps a copy for longer."""


class KeptInUse(DrydockError):
    """A run copies from the kept copy, or makes it, at this moment."""


class KeptFile(msgspec.Struct, frozen=True, array_like=True):
    """One kept file: its size in bytes, and the sha256 of the sha256 of its pieces."""

    size: Count
    sha256: Sha256


class KeptList(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What kept.json says: whose copy it is, how long it may be, every file of it, and what its run recorded.

    `fits` is over all that its content depends on, `sha256` over `folders` and `files`; `facts` are those of its run
    that stand in the place of a look at the source, `grantees` the roles with privileges there.
    """

    format: Some
    run: Text
    drydock: Text
    kept_at: Time
    until: Time
    read_at: Text
    fits: Sha256
    source: Text
    source_identifier: Text
    system_identifier: Text
    protection: Text
    folders: list[str]
    files: dict[str, KeptFile]
    size_bytes: Some
    sha256: Sha256
    facts: dict[str, Any]
    grantees: list[str]


@dataclass(frozen=True, kw_only=True)
class Kept:
    """One kept copy on disk. Without a list it is `broken`: half made, damaged, or not this user's.

    `identity` ("device:inode") is the folder's, "" where that is not this user's.
    """

    path: Path
    listed: KeptList | None
    identity: str = ""
    list_sha256: str = ""
    broken: str = ""

    def is_over(self, now: datetime) -> bool:
        """Tell whether its time is over."""
        return self.listed is not None and self.listed.until <= now

    def is_there(self) -> bool:
        """Tell whether this folder, and not another one, is there under its name."""
        try:
            return _identity(self.path.lstat()) == self.identity
        except FileNotFoundError:
            return False

    def copy(self) -> KeptCopy:
        """Return what a plan says of it."""
        assert self.listed is not None
        told = self.listed
        return KeptCopy(
            folder=str(self.path), run=told.run, read_at=told.read_at,
            source=f"{told.source}, system_identifier {told.source_identifier}", until=shown(told.until),
            sha256=self.list_sha256, size_bytes=told.size_bytes,
        )  # fmt: skip


def kept_path(folder: str, run: str) -> Path:
    """Return where a run's copy is kept below a folder."""
    return Path(folder) / f"kept-{run}"


def kept_copies(folder: Path) -> list[Kept]:
    """Return every kept copy of a folder, the oldest first; none where there is none, or it is another user's."""
    try:
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            return []
        names = sorted(entry.name for entry in os.scandir(folder) if _NAME.fullmatch(entry.name))
    except FileNotFoundError:
        return []
    return [read_kept(folder / name) for name in names]


def is_kept_name(name: str) -> bool:
    """Tell whether a text can be a kept copy's name."""
    return _NAME.fullmatch(name) is not None


def fitting(folder: Path, fits: str, *, now: datetime) -> Kept | None:
    """Return the newest whole copy that fits and whose time is not over."""
    found = [one for one in kept_copies(folder) if _is_fitting(one.listed, fits) and not one.is_over(now)]
    return max(found, key=lambda one: one.listed.read_at if one.listed else "", default=None)


def _is_fitting(listed: KeptList | None, fits: str) -> bool:
    return listed is not None and (listed.format, listed.fits) == (FORMAT, fits)


def read_kept(path: Path) -> Kept:
    """Return one kept copy; `broken` says in a sentence why its list cannot be believed."""
    try:
        here = os.open(path, _FOLDER)
    except OSError as wrong:
        return Kept(path=path, listed=None, broken=f"it is no folder that can be read: {wrong.strerror}")
    identity = ""
    try:
        found = os.fstat(here)
        identity = _identity(found) if found.st_uid == os.geteuid() else ""
        _require_own(found, path, stat.S_ISDIR)
        descriptor = os.open(
            LIST_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=here
        )
        with os.fdopen(descriptor, "rb") as file:
            _require_own(os.fstat(descriptor), path / LIST_FILE, stat.S_ISREG)
            text = file.read(_LARGEST_LIST_BYTES + 1)
        listed = msgspec.json.decode(text, type=KeptList)
    except FileNotFoundError:
        told = "it was not kept to the end: it has no list"
        return Kept(path=path, listed=None, identity=identity, broken=told)
    except (OSError, ValueError) as wrong:
        told = f"its list cannot be believed: {wrong}"
        return Kept(path=path, listed=None, identity=identity, broken=told)
    finally:
        os.close(here)
    return Kept(path=path, listed=listed, identity=identity, list_sha256=hashlib.sha256(text).hexdigest())


def _identity(found: os.stat_result) -> str:
    return f"{found.st_dev}:{found.st_ino}"


def _require_own(found: os.stat_result, path: Path, is_kind: Any) -> None:
    if not is_kind(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise OSError(errno.EPERM, "it is not this user's alone", str(path))


def write_list(path: Path, listed: KeptList) -> None:
    """Write the list of a copy that is complete: whole or not at all."""
    place = path / f".{LIST_FILE}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(place, flags, 0o600), "wb") as file:
        file.write(msgspec.json.encode(listed))
        file.flush()
        os.fsync(file.fileno())
    place.rename(path / LIST_FILE)


@contextlib.contextmanager
def in_use(path: Path) -> Iterator[None]:
    """Hold a kept copy for the block: nobody removes it meanwhile. Raises KeptInUse while somebody does."""
    with _locked(path, fcntl.LOCK_SH):
        yield


@contextlib.contextmanager
def unused(path: Path, *, wait: bool, identity: str = "") -> Iterator[int]:
    """Hold a kept copy alone for the block, which gets its folder's descriptor.

    Raises KeptInUse where a run copies from it and nobody waits, OSError for what is not this user's folder, or not the
    one of that identity.
    """
    with _locked(path, fcntl.LOCK_EX, wait=wait, identity=identity) as here:
        yield here


def is_held(path: Path) -> bool:
    """Tell whether a run makes a kept copy at this moment, or somebody removes it."""
    try:
        with in_use(path):
            return False
    except KeptInUse:
        return True
    except OSError:
        return False


@contextlib.contextmanager
def _locked(path: Path, kind: int, *, wait: bool = False, identity: str = "") -> Iterator[int]:
    here, descriptor = os.open(path, _FOLDER), -1
    try:
        found = os.fstat(here)
        if found.st_uid != os.geteuid():
            raise OSError(errno.EPERM, "it is not this user's", str(path))
        if identity not in ("", _identity(found)):
            raise OSError(errno.ESTALE, "it has become another folder", str(path))
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(LOCK_FILE, flags, 0o600, dir_fd=here)
        try:
            fcntl.flock(descriptor, kind if wait else kind | fcntl.LOCK_NB)
        except BlockingIOError as held:
            raise KeptInUse(f"{path} is in use") from held
        yield here
    finally:
        if descriptor >= 0:
            os.close(descriptor)
        os.close(here)


def now() -> datetime:
    """Return the time, UTC."""
    return datetime.now(UTC)


def shown(at: datetime) -> str:
    """Return a time as it is shown: UTC, whole seconds."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
