"""What keeps the bytes below a folder from whoever gets the disk: memory without swap, encryption, or nothing known.

Asks the kernel only (/proc/self/mountinfo, /proc/swaps, /sys, fscrypt); believes nothing that it cannot see.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_IN_MEMORY = frozenset({"tmpfs", "ramfs"})
_NEVER_SWAPPED = "ramfs"
_ENCRYPTING = frozenset({"ecryptfs", "fuse.gocryptfs", "fuse.encfs", "fuse.cryfs", "fuse.securefs"})
_DM_CRYPT = re.compile(r"CRYPT-(?:LUKS1|LUKS2|PLAIN|LOOPAES|TCRYPT|BITLK|FVAULT2)-")
"""cryptsetup names VERITY and INTEGRITY in the same way, and these encrypt nothing."""

_BTRFS = "btrfs"
_NOT_BACKED = "none"
_FS_IOC_GET_ENCRYPTION_POLICY_EX = 0xC0096616
_POLICY_BYTES = 9 + 24
_ESCAPED = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, kw_only=True)
class Protection:
    """How it is protected ("" where nothing shows that), and who says so or what speaks against it."""

    kind: Literal["memory", "encrypted", ""]
    told_by: str
    file_system: str


@dataclass(frozen=True, kw_only=True)
class _Mount:
    device: str
    place: str
    options: frozenset[str]
    kind: str
    source: str


def protection_of(folder: Path, *, proc: Path = Path("/proc"), sys: Path = Path("/sys")) -> Protection:
    """Return what is known of what lies below a folder that exists; `proc` and `sys` are the kernel's own."""
    mount = _mount_of(folder, proc)
    kind = mount.kind if mount else "unknown"
    if mount is None:
        return Protection(kind="", told_by="its mount is not known", file_system=kind)
    if kind in _IN_MEMORY:
        return _in_memory(mount, proc, sys)
    if kind in _ENCRYPTING:
        return Protection(kind="encrypted", told_by=f"{kind} encrypts", file_system=kind)
    if _has_policy(folder):
        return Protection(
            kind="encrypted", told_by="the folder has an encryption policy (fscrypt)", file_system=kind
        )
    devices = _devices_of(mount, sys)
    if devices and all(_encrypts(device, sys) for device in devices):
        return Protection(
            kind="encrypted", told_by=f"{mount.source} is encrypted (dm-crypt)", file_system=kind
        )
    return Protection(kind="", told_by=f"nothing shows that {mount.source} encrypts", file_system=kind)


def _in_memory(mount: _Mount, proc: Path, sys: Path) -> Protection:
    """Memory that may be swapped out is memory only where no swap is, or every swap is in memory or encrypted."""
    open_swaps = [] if mount.kind == _NEVER_SWAPPED or "noswap" in mount.options else _open_swaps(proc, sys)
    if open_swaps:
        told = f"it may be swapped out to {open_swaps[0]}, which is not encrypted"
        return Protection(kind="", told_by=told, file_system=mount.kind)
    return Protection(
        kind="memory", told_by=f"{mount.kind}, and no swap that is not encrypted", file_system=mount.kind
    )


def _open_swaps(proc: Path, sys: Path) -> list[str]:
    found = []
    for line in (proc / "swaps").read_text("utf-8", "replace").splitlines()[1:]:
        name = _unescaped(line.split()[0])
        device = _block_number(Path(name))
        if device and (_is_memory(device, sys) or _encrypts(device, sys)):
            continue
        found.append(name)
    return found


def _mount_of(folder: Path, proc: Path) -> _Mount | None:
    """Return the mount that a folder lies in: of those above it the deepest, of these the last (proc(5))."""
    real = folder.resolve()
    found: _Mount | None = None
    for line in (proc / "self" / "mountinfo").read_text("utf-8", "replace").splitlines():
        before, _dash, after = line.partition(" - ")
        words, rest = before.split(), after.split()
        place = _unescaped(words[4])
        if real.is_relative_to(place) and (found is None or len(place) >= len(found.place)):
            options = frozenset({*words[5].split(","), *rest[2].split(",")})
            found = _Mount(
                device=words[2], place=place, options=options, kind=rest[0], source=_unescaped(rest[1])
            )  # fmt: skip
    return found


def _unescaped(word: str) -> str:
    return _ESCAPED.sub(lambda code: chr(int(code[1], 8)), word)


def _devices_of(mount: _Mount, sys: Path) -> list[str]:
    """Return "major:minor" of every block device below; none where one is not known.

    A btrfs has a number of its own, and mountinfo names one of its devices.
    """
    device = mount.device
    if not (sys / "dev" / "block" / device).exists():
        device = _block_number(Path(mount.source))
    if mount.kind != _BTRFS or not device:
        return [device] if device else []
    for each in sys.glob("fs/btrfs/*/devices"):
        numbers = [(one / "dev").read_text("utf-8").strip() for one in each.iterdir()]
        if device in numbers:
            return numbers
    return []


def _block_number(path: Path) -> str:
    with contextlib.suppress(OSError):
        found = path.stat().st_rdev
        return f"{os.major(found)}:{os.minor(found)}" if found else ""
    return ""


def _is_memory(device: str, sys: Path) -> bool:
    """Tell whether a device is zram that writes to no disk behind it (admin-guide/blockdev/zram)."""
    place = sys / "dev" / "block" / device
    if not (place / "mm_stat").exists():
        return False
    with contextlib.suppress(FileNotFoundError):
        return (place / "backing_dev").read_text("utf-8", "replace").strip() == _NOT_BACKED
    return True


def _encrypts(device: str, sys: Path) -> bool:
    """Tell whether a device is dm-crypt's, or all that it lies on is."""
    place = sys / "dev" / "block" / device
    with contextlib.suppress(OSError):
        if _DM_CRYPT.match((place / "dm" / "uuid").read_text("utf-8", "replace")):
            return True
    below = sorted((place / "slaves").iterdir()) if (place / "slaves").is_dir() else []
    return bool(below) and all(_encrypts((one / "dev").read_text("utf-8").strip(), sys) for one in below)


def _has_policy(folder: Path) -> bool:
    """Tell whether a folder's files are encrypted by its file system (fscrypt: ext4, f2fs, ubifs, ceph)."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    policy = bytearray(_POLICY_BYTES)
    policy[:8] = (_POLICY_BYTES - 8).to_bytes(8, "little")
    try:
        fcntl.ioctl(descriptor, _FS_IOC_GET_ENCRYPTION_POLICY_EX, policy)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
