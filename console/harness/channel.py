"""The two ends to the engine, taken off descriptors 0 and 1 before the subject's code is there.

The subject reads an empty stdin and prints into stderr; a forked child has neither end.
"""

from __future__ import annotations

import json
import os
from typing import Any

from console.harness.appender import private_descriptor


class Channel:
    """Commands in, replies out, one JSON value a line; the process that made it alone may use it."""

    def __init__(self) -> None:
        self._commands = open(private_descriptor(0), "rb")  # noqa: SIM115 - open as long as the process
        self._replies = private_descriptor(1)
        self._owner = os.getpid()
        empty = os.open(os.devnull, os.O_RDONLY)
        os.dup2(empty, 0)
        os.close(empty)
        os.dup2(2, 1)
        os.register_at_fork(after_in_child=self._let_go)

    def _let_go(self) -> None:
        for descriptor in (self._commands.fileno(), self._replies):
            empty = os.open(os.devnull, os.O_RDWR)
            os.dup2(empty, descriptor, inheritable=False)
            os.close(empty)

    @property
    def is_ours(self) -> bool:
        """Tell whether this process is the harness itself, not a child that the subject forked."""
        return os.getpid() == self._owner

    def read(self) -> Any:
        """Return the next command, None at the end of the input. Raises ValueError for no JSON value."""
        line = self._commands.readline()
        return json.loads(line) if line else None

    def reply(self, value: dict[str, Any]) -> None:
        """Write one reply whole."""
        rest = memoryview(json.dumps(value).encode() + b"\n")
        while rest:
            rest = rest[os.write(self._replies, rest) :]
