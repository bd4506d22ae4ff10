"""A real pseudo-terminal with a program in it: what it draws is a grid of characters, what is typed are bytes.

The emulator (pyte) answers status reports as a terminal does, or stays silent where a test wants that.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pyte
import pytest

PATIENCE_S = 90.0
HUNG_UP = 128 + signal.SIGHUP
"""How a screen ends whose terminal is gone, as shells tell of a signal."""
_OPEN = (
    "import sys; from pathlib import Path; from console.cli.attach import open_screen; "
    "sys.exit(open_screen(Path(sys.argv[1]), observe='observe' in sys.argv))"
)
_FENCE = b"\x1b[6n"
_KITTY = re.compile(rb"\x1b\[[<>=][0-9;]*[a-zA-Z]|\x1b\[\?[0-9;]*\$p|\x1b\[[0-9;]*t")
_ARMED = "PgDn scroll the evidence"
_READING_S = 0.3
_KEY_S = 0.03
_CHOICE = re.compile(r"(?:press|type) \[ (\w+) \] +(approve|abort|put|hold|destroy)")


def _begun(part: bytes) -> int:
    """Return how many bytes at the end may be the beginning of a fence that the next read completes."""
    return next((chars for chars in range(len(_FENCE) - 1, 0, -1) if part.endswith(_FENCE[:chars])), 0)


class Terminal:
    """One program on one terminal."""

    def __init__(
        self,
        argv: list[str],
        *,
        size: tuple[int, int] = (80, 24),
        variables: Mapping[str, str] | None = None,
        answers: bool = True,
    ) -> None:
        self.raw = b""
        self.answers = answers
        self.exit_status: int | None = None
        self._screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self._screen)
        self._lock = threading.Lock()
        self._reads = threading.Event()
        self._reads.set()
        environment = {
            "PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "LC_ALL": "C.UTF-8",
            "TERM": "xterm-256color", "PYTHONPATH": os.pathsep.join(sys.path), **(variables or {}),
        }  # fmt: skip
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            os.execve(argv[0], argv, environment)
        self.resize(*size)
        self._pump = threading.Thread(target=self._read, daemon=True)
        self._pump.start()

    @classmethod
    def on_run(cls, folder: Path, *, observe: bool = False, **words: object) -> Terminal:
        """Open the screen of a run."""
        argv = [sys.executable, "-c", _OPEN, str(folder), *(["observe"] if observe else [])]
        return cls(argv, **words)  # type: ignore[arg-type]

    def _read(self) -> None:
        held = b""
        while True:
            try:
                self._reads.wait()
                ready, _out, _err = select.select([self._master], [], [], 0.2)
                part = os.read(self._master, 65536) if ready else b""
            except (OSError, ValueError):
                return
            if not part:
                continue
            part = held + part
            held = part[-_begun(part) :] if _begun(part) else b""
            part = part.removesuffix(held)
            with self._lock:
                self.raw += part
                self._stream.feed(_KITTY.sub(b"", part.replace(_FENCE, b"")))
            if self.answers:
                for _fence in range(part.count(_FENCE)):
                    self.press(b"\x1b[1;1R")

    @property
    def lines(self) -> list[str]:
        """Return what the terminal shows."""
        with self._lock:
            return [line.rstrip() for line in self._screen.display]

    @property
    def text(self) -> str:
        """Return what the terminal shows as one text."""
        return "\n".join(self.lines)

    def press(self, keys: bytes | str) -> None:
        """Type; a key that nobody reads any more is lost."""
        with contextlib.suppress(OSError):
            os.write(self._master, keys.encode() if isinstance(keys, str) else keys)

    def type_out(self, keys: str) -> None:
        """Type as a hand does, one key after the other: all at once is a paste."""
        for key in keys:
            self.press(key)
            time.sleep(_KEY_S)

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal another size."""
        with self._lock:
            self._screen.resize(rows, columns)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def until(self, holds: Callable[[str], object], what: str) -> str:
        """Return the first screen that holds; fails the test with what was shown instead."""
        deadline = time.monotonic() + PATIENCE_S
        while not holds(shown := self.text):
            if time.monotonic() > deadline:
                pytest.fail(f"no {what} after {PATIENCE_S:.0f} s; the screen shows:\n{shown}")
            time.sleep(0.03)
        return shown

    def shows(self, *words: str) -> str:
        """Return the first screen that has all words."""
        return self.until(lambda shown: all(word in shown for word in words), " and ".join(words))

    def choices(self) -> dict[str, str]:
        """Return the letters that answer the question now, by the first word of the answer, as fast as one reads."""
        self.until(lambda shown: _CHOICE.search(shown) and _ARMED in shown, "letters to press")
        time.sleep(_READING_S)
        shown = self.text
        return {word: letter for letter, word in _CHOICE.findall(shown)}

    def stop_reading(self) -> None:
        """Show nothing more, as a terminal behind a stalled link."""
        self._reads.clear()

    def read_on(self) -> None:
        """Show what was written meanwhile."""
        self._reads.set()

    def hang_up(self) -> None:
        """Close the terminal, as a dropped link does: the kernel sends SIGHUP and SIGCONT."""
        os.close(self._master)
        os.kill(self.pid, signal.SIGCONT)
        self._wait()

    def kill(self) -> None:
        """End the screen without a word."""
        os.kill(self.pid, signal.SIGKILL)
        self._wait()

    def ended(self) -> int:
        """Return the program's exit status once it has ended by itself."""
        self._wait()
        assert self.exit_status is not None
        return self.exit_status

    def _wait(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while self.exit_status is None:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                self.exit_status = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > deadline:
                pytest.fail(f"the screen had not ended after {PATIENCE_S:.0f} s; it shows:\n{self.text}")
            else:
                time.sleep(0.02)

    def close(self) -> None:
        """End what still runs."""
        self._reads.set()
        if self.exit_status is None:
            self.kill()
        with contextlib.suppress(OSError):
            os.close(self._master)


def answer(terminal: Terminal, boundary: str, word: str = "approve") -> None:
    """Read the letter beside an answer, press it, and wait until the question is gone."""
    heading = f"● {boundary} waits for "
    terminal.shows(heading, "; no answer")
    terminal.type_out(terminal.choices()[word])
    terminal.until(
        lambda shown: not (heading in shown and "; no answer" in shown), f"end of {boundary}'s question"
    )
