"""The client witness's file: whole lines, copied into pages that the kernel shares with whoever reads the file.

A line is in the kernel's hands when `append` returns, without a call into the kernel: ending this process, by whatever
signal, takes nothing back. The file is longer than its lines meanwhile: NULs, which no line has, follow the last one.
Never goes on after a failed append: the first failure is kept and every later append is refused with it.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

FIRST_PRIVATE_DESCRIPTOR = 500
"""Own descriptors lie above this number, out of the way of code that closes the low ones."""

WINDOW_BYTES = 256 << 10
_NOT_HERE = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENODEV, errno.ENOSYS, errno.EBADF)
"""What is said at first of a file system that cannot reserve room or share pages: each line is written by a call there.

EBADF comes from glibc, which stands in for such a file system and cannot do so in a file that is appended to.
"""

_MAP_FIXED = 0x10
_ONE_CALL_IS_ONE_STEP: bool = getattr(sys, "_is_gil_enabled", lambda: True)()


class WitnessFailed(RuntimeError):
    """A statement could not be recorded, so it was not sent: no trace, no execution."""


def is_anothers(error: Exception) -> bool:
    """Tell whether a signal's handler raised this while a line was put, or a file was asked for room.

    A handler's TimeoutError is an OSError without a number; its ValueError is raised further in than a full window's.
    """
    if isinstance(error, OSError):
        return error.errno is None
    return (
        isinstance(error, ValueError)
        and error.__traceback__ is not None
        and bool(error.__traceback__.tb_next)
    )


def private_descriptor(descriptor: int) -> int:
    """Return a duplicate with a high number that no child process inherits."""
    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, FIRST_PRIVATE_DESCRIPTOR)


def displacement(descriptor: int, path: str, identity: tuple[int, int]) -> tuple[str, int]:
    """Return what happened to an open file of this (device, inode), empty: it is in place, and its size in bytes."""
    try:
        mine = os.fstat(descriptor)
    except OSError:
        return "was closed", 0
    if (mine.st_dev, mine.st_ino) != identity:
        return "was exchanged for another under its descriptor", 0
    try:
        there = os.lstat(path)
    except OSError:
        return "was removed", 0
    return "was replaced" if (there.st_dev, there.st_ino) != identity else "", mine.st_size


def mapped(descriptor: int, size_bytes: int, at_bytes: int) -> mmap.mmap:
    """Return a part of a file as memory that the kernel shares.

    Python's own mmap of a file keeps a duplicate of the descriptor with a low number, in the way of the subject:
    the file is laid over memory that never had one.
    """
    window = mmap.mmap(-1, size_bytes)
    address = ctypes.addressof(ctypes.c_char.from_buffer(window))
    lay = ctypes.CDLL(None, use_errno=True).mmap
    lay.restype = ctypes.c_void_p
    lay.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *(ctypes.c_int,) * 3, ctypes.c_long)
    ways = (mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED | _MAP_FIXED)
    if lay(address, size_bytes, *ways, descriptor, at_bytes) != address:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return window


class Appender:
    """The open trace file. `put` takes a line as `append` does, or raises ValueError where the window is full.

    Lines of several threads, of a signal's handler or of a finalizer never meet: one call of mmap copies a line and
    moves on, which the interpreter's lock makes one step, and a window that is left has no room for any line.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.failure = ""
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        opened = os.open(path, flags, 0o600)
        self._descriptor = private_descriptor(opened)
        os.close(opened)
        found = os.fstat(self._descriptor)
        self._identity = (found.st_dev, found.st_ino)
        self._lock = threading.RLock()
        self._window: mmap.mmap | None = None
        self._window_at_bytes = self._reserved_bytes = self._asked_bytes = 0
        self.put: Callable[[bytes], object] = self._write
        self.when_failed: Callable[[], object] = lambda: None
        if _ONE_CALL_IS_ONE_STEP:
            with suppress(WitnessFailed):
                self._turn(found.st_size, WINDOW_BYTES)
        os.register_at_fork(before=self.share)

    @property
    def puts_in_one_step(self) -> bool:
        """Tell whether nobody else can run while `put` takes a line: not while each is a call of the kernel's."""
        return self._window is not None

    def append(self, line: bytes) -> None:
        """Add one whole line; it is in the kernel's hands when this returns.

        Raises WitnessFailed when it could not be added whole.
        """
        try:
            self.put(line)
        except ValueError as full:
            if is_anothers(full):
                raise
            self.append_further_on(line)

    def share(self) -> None:
        """Cut the file to its lines and let each line be one write from now on: for a fork, and in the end."""
        with self._lock:
            if self._window is None:
                return
            end_bytes = self._leave(self._window)
            try:
                os.ftruncate(self._descriptor, end_bytes)
            except OSError as wrong:
                self._failed(wrong.strerror or type(wrong).__name__)
            else:
                self._window, self.put = None, self._write

    def make_room(self, line_bytes: int) -> None:
        """Let `put` have room for a line of so many bytes. Raises WitnessFailed where there is none, or no file."""
        with self._lock:
            if self.failure:
                self._refuse(b"")
            window = self._window
            if window is not None:
                self._turn(self._leave(window), line_bytes + WINDOW_BYTES)

    def append_further_on(self, line: bytes) -> None:
        """Append a line that `put` had no room for."""
        with self._lock:
            while True:
                self.make_room(len(line))
                try:
                    self.put(line)
                except ValueError as full:
                    if is_anothers(full):
                        raise
                    continue
                return

    def _leave(self, window: mmap.mmap) -> int:
        """Take the room from the window; return where its lines end in the file."""
        window.seek(0, os.SEEK_END)
        return self._window_at_bytes + window.rfind(b"\n", 0) + 1

    def _turn(self, end_bytes: int, room_bytes: int) -> None:
        """Go on with a window that begins at the last lines' page."""
        left = self._window
        at_bytes = end_bytes - end_bytes % mmap.ALLOCATIONGRANULARITY
        size_bytes = end_bytes - at_bytes + room_bytes
        size_bytes += -size_bytes % mmap.PAGESIZE
        self._asked_bytes = max(self._asked_bytes, at_bytes + size_bytes)
        try:
            os.posix_fallocate(self._descriptor, at_bytes, size_bytes)
            window = mapped(self._descriptor, size_bytes, at_bytes)
        except OSError as wrong:
            if is_anothers(wrong):
                raise
            if left is None and wrong.errno in _NOT_HERE:
                os.ftruncate(self._descriptor, end_bytes)
                return
            raise self._failed(wrong.strerror or type(wrong).__name__) from wrong
        window.seek(end_bytes - at_bytes)
        put = window.write
        if self._window is left:
            self._window_at_bytes, self._reserved_bytes = at_bytes, at_bytes + size_bytes
            self._window, self.put = window, put

    def _write(self, line: bytes) -> None:
        try:
            if os.write(self._descriptor, line) != len(line):
                raise self._failed("only a part of a line was written")
        except OSError as wrong:
            if is_anothers(wrong):
                raise
            raise self._failed(wrong.strerror or type(wrong).__name__) from wrong

    def _failed(self, reason: str) -> WitnessFailed:
        self.failure = f"the trace file {self.path} cannot be written: {reason}"
        self._window, self.put = None, self._refuse
        self.when_failed()
        return WitnessFailed(self.failure)

    def _refuse(self, _line: bytes) -> NoReturn:
        raise WitnessFailed(self.failure)

    def displacement(self) -> str:
        """Return what happened to the file opened at the start, empty when it is still in place.

        Asked after each scenario, not before each statement: looking costs as much as writing.
        """
        gone, size_bytes = displacement(self._descriptor, self.path, self._identity)
        own = (self._reserved_bytes, self._asked_bytes)  # a signal's handler may raise between the two
        other = self._window is not None and size_bytes not in own
        return gone or ("was cut or written by another" if other else "")
