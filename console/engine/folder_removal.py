"""Removing one folder with all that is in it, however deep it is and whatever its names are.

Works from descriptors: follows no link, leaves no file system, and touches nothing that was moved out
meanwhile. Holds three descriptors at a time at most; never calls itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(kw_only=True)
class _Level:
    """A folder on the way down: which one it is, its name in the one above, its folders still to do."""

    name: str
    identity: tuple[int, int]
    folders: list[str] = field(default_factory=list)


def remove_folder(path: Path, *, identity: str | None) -> None:
    """Remove the folder `path`; `identity` ("device:inode") says which one it must be, None any.

    What cannot be removed is passed over; then OSError is raised with the first reason and their count.
    """
    _Removal().remove(path, identity)


class _Removal:
    def __init__(self) -> None:
        self._troubles = 0
        self._first: OSError | None = None

    def remove(self, path: Path, identity: str | None) -> None:
        above = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            here, top = _enter(above, path.name)
            if identity is not None and f"{top.identity[0]}:{top.identity[1]}" != identity:
                os.close(here)
                raise OSError(f"{path} has become another folder")
            self._empty(here, top)
            self._try(os.rmdir, path.name, above)
        finally:
            os.close(above)
        if self._first is not None and os.path.lexists(path):
            more = f" (and {self._troubles - 1} more)" if self._troubles > 1 else ""
            raise OSError(
                f"{self._first.strerror}: {self._first.filename!r} in {path}{more}"
            ) from self._first

    def _empty(self, here: int, top: _Level) -> None:
        """Empty the folder open as `here`, which is closed afterwards."""
        levels = [top]
        try:
            top.folders = self._clear(here, top)
            while True:
                level = levels[-1]
                if level.folders:
                    here, below = self._descend(here, level.folders.pop())
                    if below is not None:
                        levels.append(below)
                elif len(levels) == 1:
                    return
                else:
                    here = _ascend(here, levels[-2])
                    self._try(os.rmdir, levels.pop().name, here)
        finally:
            os.close(here)

    def _descend(self, here: int, name: str) -> tuple[int, _Level | None]:
        """Go into a folder and clear it of all but folders; stay where we are when that cannot be done."""
        try:
            inner, below = _enter(here, name)
        except OSError as wrong:
            self._note(wrong, name)
            return here, None
        os.close(here)
        try:
            below.folders = self._clear(inner, below)
        except OSError as wrong:
            self._note(wrong, name)
        return inner, below

    def _clear(self, here: int, level: _Level) -> list[str]:
        """Unlink everything that is no folder; return the folders of the same file system."""
        folders = []
        with os.scandir(here) as inside:
            entries = list(inside)
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                self._try(os.unlink, entry.name, here)
            elif entry.stat(follow_symlinks=False).st_dev != level.identity[0]:
                self._note(OSError(0, "another file system"), entry.name)
            else:
                folders.append(entry.name)
        return folders

    def _try(self, act: Callable[..., None], name: str, here: int) -> None:
        try:
            act(name, dir_fd=here)
        except FileNotFoundError:
            return
        except OSError as wrong:
            self._note(wrong, name)

    def _note(self, wrong: OSError, name: str) -> None:
        self._troubles += 1
        if self._first is None:
            self._first = OSError(wrong.errno, wrong.strerror, name)


def _enter(above: int, name: str) -> tuple[int, _Level]:
    """Open a folder by its name; an ordinary user first lets himself in (root needs no mode)."""
    flags = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    place = os.open(name, os.O_PATH | flags, dir_fd=above)
    try:
        found = os.fstat(place)
        if os.geteuid() != 0:
            os.chmod(f"/proc/self/fd/{place}", 0o700)
        here = os.open(f"/proc/self/fd/{place}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    finally:
        os.close(place)
    return here, _Level(name=name, identity=(found.st_dev, found.st_ino))


def _ascend(here: int, expected: _Level) -> int:
    """Return the folder above, which must be the one that we came from; `here` is closed then."""
    above = os.open("..", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=here)
    found = os.fstat(above)
    if (found.st_dev, found.st_ino) != expected.identity:
        os.close(above)
        raise OSError(f"a folder below {expected.name!r} was moved while it was emptied")
    os.close(here)
    return above
