"""A bare pseudo-terminal for measuring: it reads as fast as it can, keeps when each byte came, and emulates nothing."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import threading
import time
from pathlib import Path

PATIENCE_S = 60.0


class Pty:
    """One program; `wait_for` returns when some bytes came, in monotonic seconds."""

    def __init__(self, argv: list[str], size: tuple[int, int]) -> None:
        self._parts: list[tuple[float, bytes]] = []
        self._forgotten_bytes = 0
        self._grew = threading.Condition()
        self.began = time.monotonic()
        environment = {
            "PATH": os.environ["PATH"], "HOME": "/nonexistent", "TERM": "xterm-256color", "LC_ALL": "C.UTF-8",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }  # fmt: skip
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            os.execve(argv[0], argv, environment)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            try:
                select.select([self._master], [], [])
                part = os.read(self._master, 65536)
            except (OSError, ValueError):
                return
            with self._grew:
                self._parts.append((time.monotonic(), part))
                self._grew.notify_all()
            if b"\x1b[6n" in part:
                self.press(b"\x1b[1;1R")

    def press(self, keys: bytes) -> float:
        """Type and return when."""
        now = time.monotonic()
        os.write(self._master, keys)
        return now

    @property
    def written_bytes(self) -> int:
        """Return how much the program has written so far."""
        with self._grew:
            return self._forgotten_bytes + sum(len(part) for _at, part in self._parts)

    def wait_for(self, wanted: str, since: float = 0.0) -> float:
        """Return when `wanted` first stood in what came after `since`. Raises TimeoutError."""
        needle, deadline = wanted.encode(), time.monotonic() + PATIENCE_S
        with self._grew:
            while True:
                tail = b""
                for at, part in self._parts:
                    if at < since:
                        continue
                    tail = tail[-len(needle) :] + part
                    if needle in tail:
                        return at
                if not self._grew.wait(max(0.0, deadline - time.monotonic())):
                    raise TimeoutError(f"{wanted!r} did not come; the last bytes: {tail[-300:]!r}")

    def said_by(self, until: float) -> str:
        """Return what came up to a moment, since it was last forgotten."""
        with self._grew:
            return b"".join(part for at, part in self._parts if at <= until).decode("utf-8", "replace")

    def forget(self) -> None:
        """Drop what came so far, so that looking stays cheap."""
        with self._grew:
            self._forgotten_bytes += sum(len(part) for _at, part in self._parts)
            self._parts.clear()

    @property
    def peak_mb(self) -> float:
        """Return the most memory that the program has had."""
        status = Path(f"/proc/{self.pid}/status").read_text("ascii")
        return int(status.partition("VmHWM:")[2].split()[0]) / 1000

    def close(self) -> None:
        """End the program."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._master)
