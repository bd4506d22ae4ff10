"""What users made up for a run left in places that everybody shares: files and System V objects.

Finds and removes by owner, one object at a time, through descriptors of folders and following no link.
Never touches anything of a user outside the range that Drydock takes its users from, and never sees
POSIX message queues where /dev/mqueue is not mounted.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

FIRST_UID, LAST_UID = 60514, 61183
"""systemd's "unused" range (UIDs, GIDs and systemd: uids.md), inside a 65536-id user namespace."""

SHARED_FOLDERS = (Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"), Path("/run/lock"), Path("/dev/mqueue"))
_SYSTEM_V = {"shm": "shmid", "sem": "semid", "msg": "msqid"}
_IPC_RMID = 0


@dataclass(frozen=True, kw_only=True)
class _Found:
    """A file or folder; `within` is a descriptor of its folder that is open while it is looked at."""

    path: str
    within: int
    uid: int
    is_folder: bool

    @property
    def name(self) -> str:
        """Return "file /dev/shm/x"."""
        return f"{'folder' if self.is_folder else 'file'} {self.path}"


def things_of(uids: Collection[int]) -> list[str]:
    """Return what is of these users, by exact name: "file /dev/shm/x", "folder /tmp/y", "shm 32769".

    Looks into folders of theirs all the way down, into those of others one level deep. Raises ValueError
    for a uid that Drydock never takes.
    """
    wanted = _checked(uids)
    files = [found.name for found in _files() if found.uid in wanted]
    return sorted([*files, *(f"{kind} {number}" for kind, number, owners in _objects() if owners & wanted)])


def remove_things(uids: Collection[int]) -> list[str]:
    """Remove what `things_of` names, after the users' last process has ended; return what is still there."""
    wanted = _checked(uids)
    for found in _files():
        if found.uid in wanted:
            _remove(found)
    for kind, number, owners in _objects():
        if owners & wanted:
            _remove_object(kind, number)
    return things_of(wanted)


def owners_of_things() -> frozenset[int]:
    """Return every user of Drydock's range that something in those places is of."""
    found = {one.uid for one in _files()}
    for _kind, _number, owners in _objects():
        found |= owners
    return frozenset(uid for uid in found if FIRST_UID <= uid <= LAST_UID)


def _checked(uids: Collection[int]) -> frozenset[int]:
    strangers = sorted(uid for uid in uids if not FIRST_UID <= uid <= LAST_UID)
    if strangers:
        raise ValueError(f"uid {strangers[0]} is not one that Drydock makes up")
    return frozenset(uids)


def _files() -> Iterator[_Found]:
    seen: set[tuple[int, int]] = set()
    for folder in SHARED_FOLDERS:
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            status = os.fstat(descriptor)
            if (status.st_dev, status.st_ino) not in seen:
                yield from _inside(descriptor, str(folder), further=1)
            seen.add((status.st_dev, status.st_ino))
        finally:
            os.close(descriptor)


def _inside(descriptor: int, path: str, *, further: int) -> Iterator[_Found]:
    """Yield what lies in a folder, contents before their folder; `further` levels down in strangers' folders."""
    try:
        names = sorted(os.listdir(descriptor))
    except OSError:
        return
    for name in names:
        try:
            found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
        except OSError:
            continue
        is_folder = stat.S_ISDIR(found.st_mode)
        if is_folder and (further or FIRST_UID <= found.st_uid <= LAST_UID):
            yield from _below(descriptor, name, f"{path}/{name}", further=max(0, further - 1))
        yield _Found(path=f"{path}/{name}", within=descriptor, uid=found.st_uid, is_folder=is_folder)


def _below(within: int, name: str, path: str, *, further: int) -> Iterator[_Found]:
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=within)
    except OSError:
        return
    try:
        yield from _inside(descriptor, path, further=further)
    finally:
        os.close(descriptor)


def _remove(found: _Found) -> None:
    """Remove one file or empty folder; what cannot be removed is found again by the next look."""
    name = Path(found.path).name
    try:
        if os.stat(name, dir_fd=found.within, follow_symlinks=False).st_uid != found.uid:
            return
        if found.is_folder:
            os.rmdir(name, dir_fd=found.within)
        else:
            os.unlink(name, dir_fd=found.within)
    except OSError:
        return


def _objects() -> Iterator[tuple[str, int, set[int]]]:
    """Yield (kind, number, owner and creator) of each System V object (/proc/sysvipc)."""
    for kind, column in _SYSTEM_V.items():
        try:
            lines = Path("/proc/sysvipc", kind).read_text("ascii").splitlines()
        except FileNotFoundError:
            continue
        titles = lines[0].split()
        for line in lines[1:]:
            values = dict(zip(titles, line.split(), strict=False))
            yield kind, int(values[column]), {int(values["uid"]), int(values["cuid"])}


def _remove_object(kind: str, number: int) -> None:
    """Remove one System V object (shmctl, semctl and msgctl with IPC_RMID); the next look tells whether it went."""
    libc = ctypes.CDLL(None, use_errno=True)
    if kind == "sem":
        libc.semctl(number, 0, _IPC_RMID)
    else:
        getattr(libc, f"{kind}ctl")(number, _IPC_RMID, None)
