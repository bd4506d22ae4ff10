"""How a file or a socket reaches another user of this machine: under another name, by a link, or read-only.

Changes owner and mode of what it is given; never follows a link.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from console.environments.owner import lend, make_folder
from console.sources.archive import dump_files


def lead_to(socket: Path, place: Path) -> None:
    """Put a socket under another name: itself where both lie on one file system, elsewhere a link that leads there."""
    try:
        os.link(socket, place)
    except OSError as wrong:
        if wrong.errno != errno.EXDEV:
            raise
        place.symlink_to(socket)


def give(source: Path, target: Path, uid: int | None) -> None:
    """Let `uid` read a file under another name by a hard link, owned by `uid`; of a folder each of its files."""
    if source.is_dir():
        make_folder(target, uid=uid)
        for file in dump_files(source):
            give(file, target / file.name, uid)
        return
    if uid is not None:
        os.chown(source, uid, uid, follow_symlinks=False)
    os.link(source, target, follow_symlinks=False)


def read_only(path: Path, uid: int | None) -> None:
    """Make a file or a tree readable by `uid`, and root's; without a uid, read-only to its own user."""
    if uid is not None:
        lend(path, uid)
        return
    for one in [*path.rglob("*"), path]:
        one.chmod(0o500 if one.is_dir() else 0o400)
