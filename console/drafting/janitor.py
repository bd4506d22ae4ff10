"""What `drydock init` made for a moment is gone when it ends, also when it is killed: a second process sees to that.

Owns the folder and the processes below it. Nothing else of this machine is looked at.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from console.engine.folder_removal import remove_folder
from console.environments.cluster import folder_identity
from console.environments.process import end_process
from console.errors import StepFailed
from console.model.protocols import NoReceipts

_PATIENCE_S = 5.0


class _Told(NoReceipts):
    """Tells the janitor of each process before it does anything."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def identified(self, kind: str, name: str, identity: str) -> None:
        """Tell of one process."""
        if kind == "process":
            os.write(self._pipe, f"{identity}\n".encode())


@contextmanager
def tidied(folder: Path) -> Iterator[NoReceipts]:
    """Yield receipts for what is made in the new `folder`; at the end, whatever the end is, folder and processes go."""
    identity = folder_identity(folder)
    heard, tell = os.pipe()
    janitor = os.fork()
    if janitor == 0:
        os.close(tell)
        _wait_and_tidy(heard, folder, identity)
    os.close(heard)
    try:
        yield _Told(tell)
    finally:
        os.close(tell)
        _pid, status = os.waitpid(janitor, 0)
    if os.waitstatus_to_exitcode(status):
        reason = (
            f"what was made for a moment in {folder} is not all gone: look what is left there, and end it"
        )
        raise StepFailed(reason, cause="environment")


def _ended(process: str) -> bool:
    """End one process; one that cannot be ended does not keep the others."""
    try:
        return end_process(process, ask=signal.SIGQUIT, patience_s=_PATIENCE_S)
    except OSError:
        return False


def _wait_and_tidy(heard: int, folder: Path, identity: str) -> None:
    """Wait until nobody holds the other end any more, then end and remove what is left; never returns."""
    code = 1
    try:
        os.setsid()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for one in (0, 1, 2):
            os.dup2(nowhere, one)
        with os.fdopen(heard, "rb") as told:
            lines = told.read().decode().split("\n")
        # The last line is whole or empty: a pipe takes so few bytes at once (pipe(7), PIPE_BUF).
        ended = [_ended(process) for process in filter(None, lines)]
        remove_folder(folder, identity=identity)
        code = 0 if all(ended) else 1
    finally:
        os._exit(code)
