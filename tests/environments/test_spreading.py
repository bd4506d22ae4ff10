"""Tests of where a file system puts a folder of many files."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from console.environments.owner import make_folder, make_scattered_folder

INODES_PER_GROUP = 8192
"""mke2fs's own choice with its ordinary block and inode sizes."""


def _file_system(folder: Path) -> str:
    """Return the type of the file system that a folder lies on, as the kernel's table of mounts has it."""
    lines = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    device = os.stat(folder).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    return next(words[words.index("-") + 1] for words in lines if words[2] == wanted)


@pytest.mark.parametrize("place", ["/var/tmp", "/dev/shm"])
def test_ext4_scatters_folders_of_one_name(place: str) -> None:
    """Folders of one name, one after the other, lie far apart on ext4 where ordinary ones do not; nothing fails."""
    with tempfile.TemporaryDirectory(prefix="drydock-test-", dir=place) as made:
        groups = set()
        for number in range(20):
            above = Path(made) / f"{number % 2}"
            make_folder(above)
            make_scattered_folder(above / "data")
            found = (above / "data").stat()
            assert (found.st_mode & 0o777, found.st_uid) == (0o700, os.geteuid())
            assert [path.name for path in above.iterdir()] == ["data"]
            groups.add(found.st_ino // INODES_PER_GROUP)
            shutil.rmtree(above)  # as a run's end does: the next one of the name would lie where this one lay
        if _file_system(Path(made)) == "ext4":
            assert len(groups) > 10


def test_what_is_there_is_not_replaced(tmp_path: Path) -> None:
    """An empty folder that is there already is none of ours, and stays; no other one is left beside it."""
    (tmp_path / "data").mkdir()
    there = (tmp_path / "data").stat().st_ino
    with pytest.raises(FileExistsError):
        make_scattered_folder(tmp_path / "data")
    assert [(path.name, path.stat().st_ino) for path in tmp_path.iterdir()] == [("data", there)]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """Below a folder that somebody replaced by a link, nothing is made."""
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
        make_scattered_folder(tmp_path / "link" / "data")
    assert not (tmp_path / "data").exists()
