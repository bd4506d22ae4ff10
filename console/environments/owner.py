"""Which user a cluster or a harness runs as, and whose a file is.

PostgreSQL refuses root, so under root a number from a range that no account uses is taken: no user
is made in /etc/passwd and none is left behind. Never changes a mode outside folders it is given and
never follows a link in what another user could write.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import pwd
import secrets
import socket
import stat
import weakref
from array import array
from collections.abc import Iterator
from pathlib import Path

from console.environments.belongings import FIRST_UID, LAST_UID, owners_of_things, remove_things, things_of
from console.environments.process import process_uid
from console.errors import StepFailed
from console.settings import default_work_folder

__all__ = [
    "FIRST_UID", "LAST_UID", "Lease", "choose_uid", "hand_over", "hold_uid", "initdb_uid", "lease_two_uids",
    "lease_uid", "lend", "make_folder", "make_scattered_folder", "making_files_of", "others_can_reach",
    "remove_things", "take_folder", "things_of",
]  # fmt: skip

_LEASE_NAME = "drydock-uid-{uid}"
"""A name in the kernel's abstract socket namespace (unix(7)): no file, and gone with its last holder."""

_PAIR = 2
_DEPTH_OF_OWNERS = 3
"""A run's folders, those of its cluster and harness, and what lies in them (drydock-RUN/copy/data)."""


_FS_IOC_GETFLAGS, _FS_IOC_SETFLAGS, _FS_TOPDIR_FL = 0x80086601, 0x40086602, 0x00020000
"""linux/fs.h, on machines with 64 bits."""


class Lease:
    """A uid that no other Drydock on this machine takes while the lease, or its process, lives."""

    def __init__(self, uid: int, held: socket.socket | None) -> None:
        self.uid = uid
        self._end = weakref.finalize(self, held.close) if held is not None else None

    def release(self) -> None:
        """Give the uid back (idempotent)."""
        if self._end is not None:
            self._end()


def lease_uid(taken: frozenset[int] = frozenset(), *, below: Path | None = None) -> Lease | None:
    """Return an unused uid (see `choose_uid`) that is leased to this process, None for an ordinary user."""
    refused = taken
    while (uid := choose_uid(refused, below=below)) is not None:
        held = _bound(uid)
        if held is not None:
            return Lease(uid, held)
        refused |= {uid}
    return None


def lease_two_uids(*, below: Path | None = None) -> tuple[Lease, Lease] | tuple[None, None]:
    """Return two unused uids with one look at who uses which, leased like `lease_uid`'s."""
    if os.geteuid() != 0:
        return None, None
    free = _free_uids(frozenset(), below)
    leases: list[Lease] = []
    while len(leases) < _PAIR:
        uid = secrets.choice(_some(free))
        free.remove(uid)
        held = _bound(uid)
        if held is not None:
            leases.append(Lease(uid, held))
    return leases[0], leases[1]


def hold_uid(uid: int) -> Lease | None:
    """Lease a dead run's uid again, to end and remove what is of it; None when another living Drydock has it.

    Whoever is not root and sits on the name takes nothing away: the lease is given all the same, and so
    is one that this process has already.
    """
    held = _bound(uid)
    if held is None and _is_held_by_another(uid):
        return None
    return Lease(uid, held)


def _bound(uid: int) -> socket.socket | None:
    held = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        held.bind("\0" + _LEASE_NAME.format(uid=uid))
    except OSError as wrong:
        held.close()
        if wrong.errno != errno.EADDRINUSE:
            raise StepFailed(f"uid {uid} cannot be leased: {wrong.strerror}", cause="environment") from wrong
        return None
    return held


def _leases() -> dict[int, str]:
    """Return the socket's inode of each name of a lease that somebody holds, by uid (/proc/net/unix)."""
    start = "@" + _LEASE_NAME.format(uid="")
    found: dict[int, str] = {}
    for line in Path("/proc/net/unix").read_text("utf-8", "replace").splitlines():
        name = line.rpartition(" ")[2]
        if name.startswith(start) and name.removeprefix(start).isdigit():
            found[int(name.removeprefix(start))] = line.split()[6]
    return found


def _is_held_by_another(uid: int) -> bool:
    """Tell whether the name is another process's of root's: so is one whose holder may not be looked at."""
    wanted = f"socket:[{_leases().get(uid, '')}]"
    if _has_descriptor(Path("/proc/self/fd"), wanted):
        return False
    holders: set[int | None] = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if _has_descriptor(process / "fd", wanted):
                holders.add(process_uid(int(process.name)))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return not holders or 0 in holders


def _has_descriptor(folder: Path, wanted: str) -> bool:
    for link in folder.iterdir():
        try:
            if str(link.readlink()) == wanted:
                return True
        except FileNotFoundError:
            continue
    return False


def choose_uid(taken: frozenset[int] = frozenset(), *, below: Path | None = None) -> int | None:
    """Return an unused uid when this process is root, None for an ordinary user.

    Unused: no account has it, no process runs as it, nobody leases it, it is not in `taken`, nothing of it
    lies where things are shared, and no run's folder below `below` (the work folder's parent) is of it.
    """
    return secrets.choice(_some(_free_uids(taken, below))) if os.geteuid() == 0 else None


def _free_uids(taken: frozenset[int], below: Path | None) -> list[int]:
    used = taken | {account.pw_uid for account in pwd.getpwall()} | _uids_of_processes() | _leases().keys()
    used |= owners_of_things() | _owners_of_runs(below or default_work_folder())
    return [uid for uid in range(FIRST_UID, LAST_UID + 1) if uid not in used]


def _some(free: list[int]) -> list[int]:
    """Return the same. Raises StepFailed (environment) where there are none."""
    if not free:
        reason = f"no free uid between {FIRST_UID} and {LAST_UID} to run PostgreSQL as"
        raise StepFailed(reason, cause="environment")
    return free


def _uids_of_processes() -> frozenset[int]:
    found = (process_uid(int(entry.name)) for entry in os.scandir("/proc") if entry.name.isdigit())
    return frozenset(uid for uid in found if uid is not None)


def _owners_of_runs(below: Path) -> frozenset[int]:
    """Return the users and groups of what is left of dead runs and in use by living ones."""
    found: set[int] = set()
    try:
        folders = [entry for entry in os.scandir(below) if entry.name.startswith("drydock-")]
    except OSError:
        return frozenset()
    for depth in range(_DEPTH_OF_OWNERS):
        inside: list[os.DirEntry[str]] = []
        for entry in folders:
            try:
                status = entry.stat(follow_symlinks=False)
                found |= {status.st_uid, status.st_gid}
                if stat.S_ISDIR(status.st_mode) and depth + 1 < _DEPTH_OF_OWNERS:
                    inside += os.scandir(entry.path)
            except OSError:
                continue
        folders = inside
    return frozenset(found)


def initdb_uid() -> int:
    """Return the uid of an existing unprivileged account: initdb refuses a uid without a name."""
    try:
        return pwd.getpwnam("nobody").pw_uid
    except KeyError as missing:
        raise StepFailed(
            "there is no account nobody to run initdb as; start drydock as an ordinary user",
            cause="environment",
        ) from missing


def hand_over(folder: Path, uid: int) -> None:
    """Make `uid` the owner of a folder and all in it, following no link."""
    for root, _folders, files in os.walk(folder):
        os.lchown(root, uid, uid)
        for name in files:
            os.lchown(os.path.join(root, name), uid, uid)


def lend(path: Path, gid: int) -> None:
    """Let the group `gid` read (and run, where the owner can) a file or tree that stays root's; nobody writes it.

    To be called before `gid` can reach `path`. Links stay as they are: they have no mode of their own.
    """
    found = [path, *path.rglob("*")] if path.is_dir() else [path]
    for one in found:
        mode = one.lstat().st_mode
        os.lchown(one, 0, gid)
        if not stat.S_ISLNK(mode):
            runs = stat.S_ISDIR(mode) or mode & stat.S_IXUSR
            one.chmod(0o550 if runs else 0o440)


def take_folder(folder: Path, *, giver: int, uid: int) -> None:
    """Make `uid` the owner of a folder and of all that `giver` made in it; what else is there is refused.

    Each folder is closed to the giver before it is read. Raises StepFailed (environment) on a link, a
    special file, a file of several links and anything of another owner.
    """
    _take(str(folder), str(folder), None, giver, uid)


def _take(path: str, name: str, within: int | None, giver: int, uid: int) -> None:
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=within)
    except OSError as wrong:
        raise _unexpected(path, wrong.strerror or "it cannot be opened") from wrong
    try:
        if os.fstat(descriptor).st_uid != giver:
            raise _unexpected(path, "it is another user's")
        os.fchown(descriptor, uid, uid)
        os.fchmod(descriptor, 0o700)
        for inside in os.listdir(descriptor):
            found = os.stat(inside, dir_fd=descriptor, follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode):
                _take(f"{path}/{inside}", inside, descriptor, giver, uid)
            elif not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or found.st_uid != giver:
                raise _unexpected(f"{path}/{inside}", "it is no file of its own")
            else:
                os.chown(inside, uid, uid, dir_fd=descriptor, follow_symlinks=False)
    finally:
        os.close(descriptor)


def _unexpected(path: str, why: str) -> StepFailed:
    reason = f"{path} is not what was made there: {why}; another process of that user meddled"
    return StepFailed(reason, cause="environment")


def make_folder(path: Path, *, uid: int | None = None, mode: int = 0o700) -> None:
    """Create one new folder with exactly `mode`, owned by `uid` when given."""
    path.mkdir(mode=0o700)
    if uid is not None:
        os.chown(path, uid, uid)
    path.chmod(mode)


@contextlib.contextmanager
def making_files_of(uid: int | None) -> Iterator[None]:
    """What this thread makes in the block is `uid`'s from its first moment, which also is all that it may reach.

    None, for an ordinary user, changes nothing. Where another thread opens a file meanwhile, it does so as before
    (setfsuid(2)). One call for a cluster's thousand files, each of which would else be given away by itself.
    """
    if uid is None:
        yield
        return
    libc = ctypes.CDLL(None)
    group, user = libc.setfsgid(uid), libc.setfsuid(uid)
    try:
        if libc.setfsuid(-1) != uid or libc.setfsgid(-1) != uid:
            raise StepFailed(f"no file can be made as uid {uid}", cause="environment")
        yield
    finally:
        libc.setfsuid(user)
        libc.setfsgid(group)


def make_scattered_folder(path: Path, *, uid: int | None = None) -> None:
    """Create one new 0700 folder for many files, on ext4 in a part of the disk that no earlier one lay in.

    Otherwise a new cluster's thousand files go where an earlier run's were removed a moment ago, and ext4 steps over
    each of those for every file: 2.0 s and not 0.08 s for 960 files. Below a folder with its flag ext4 chooses by the
    name, so the folder is born with one of its own. Nobody else may write in the folder above.
    """
    _spread_below(path.parent)
    born = path.with_name(f".{secrets.token_hex(8)}")
    make_folder(born, uid=uid)
    if os.path.lexists(path):
        born.rmdir()
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    born.rename(path)


def _spread_below(folder: Path) -> None:
    """Give a folder the flag of ext4's that is for folders whose own folders have nothing in common (chattr +T).

    Other file systems refuse it, and need none.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        flags = array("l", [0])
        with contextlib.suppress(OSError):
            fcntl.ioctl(descriptor, _FS_IOC_GETFLAGS, flags)
            flags[0] |= _FS_TOPDIR_FL
            fcntl.ioctl(descriptor, _FS_IOC_SETFLAGS, flags)
    finally:
        os.close(descriptor)


def others_can_reach(path: Path) -> bool:
    """Tell whether any user may read and execute `path`, every folder above it included."""
    resolved = path.resolve()
    if not resolved.stat().st_mode & stat.S_IXOTH or not resolved.stat().st_mode & stat.S_IROTH:
        return False
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in resolved.parents)
