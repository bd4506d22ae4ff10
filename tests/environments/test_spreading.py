"""Tests of where a file system puts a run's folders."""

from __future__ import annotations

import fcntl
import os
import tempfile
from array import array
from pathlib import Path

import pytest

from console.environments.owner import spread_below

FS_IOC_GETFLAGS, FS_TOPDIR_FL = 0x80086601, 0x00020000


def _file_system(folder: Path) -> str:
    """Return the type of the file system that a folder lies on, as the kernel's table of mounts has it."""
    lines = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    device = os.stat(folder).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    return next(words[words.index("-") + 1] for words in lines if words[2] == wanted)


@pytest.mark.parametrize("place", ["/var/tmp", "/dev/shm"])
def test_ext4_spreads_and_others_are_left_alone(place: str) -> None:
    """Where the file system is ext4 the folder has its flag, elsewhere it is as it was; nothing fails."""
    with tempfile.TemporaryDirectory(prefix="drydock-test-", dir=place) as made:
        folder = Path(made)
        before = folder.stat()
        spread_below(folder)
        after = folder.stat()
        assert (after.st_mode, after.st_uid, after.st_ino) == (before.st_mode, before.st_uid, before.st_ino)
        if _file_system(folder) == "ext4":
            descriptor, flags = os.open(folder, os.O_RDONLY), array("l", [0])
            try:
                fcntl.ioctl(descriptor, FS_IOC_GETFLAGS, flags)
            finally:
                os.close(descriptor)
            assert flags[0] & FS_TOPDIR_FL


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """A folder that somebody replaced by a link is not touched."""
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
        spread_below(tmp_path / "link")
