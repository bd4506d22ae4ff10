"""The process that ends a kept copy when its time is over: it waits, and then removes it by exact name.

In a session of its own and beside the engine, not below it. Goes away by itself where nothing was kept, or where what
was kept is gone. Who ends this process ends the copy at once; who kills it leaves that to the next drydock command.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from console.engine.alone import LOST_AFTER_S, Alone
from console.engine.kept_removal import remove_kept
from console.environments.process import CLEAN_ENVIRONMENT, take_no_signals_over
from console.errors import JournalBroken
from console.journal import JournalTail
from console.kept import LIST_FILE, Kept, kept_path, now, read_kept
from console.model.config import RunOrder
from console.model.run_state import RunState, fold
from console.runs import JOURNAL_FILE, ORDER_FILE

_LOOK_S = 1.0
_LONGEST_WAIT_S = 60.0
"""The clock may be set while it waits."""

_ENDING = frozenset({signal.SIGTERM, signal.SIGINT})


def start_keeper(folder: Path) -> subprocess.Popen[bytes]:
    """Start the process for the run in `folder`, detached from this terminal."""
    return subprocess.Popen(
        [sys.executable, "-I", "-m", "console.engine.keeper", str(folder)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
        env=dict(CLEAN_ENVIRONMENT), start_new_session=True,
    )  # fmt: skip


class Keeper:
    """Follows one run until it has kept its copy; then the clock."""

    def __init__(self, folder: Path, order: RunOrder, *, lost_after_s: float = LOST_AFTER_S) -> None:
        self._path = kept_path(order.config.reuse.folder, order.run)
        self._tail = JournalTail(folder / JOURNAL_FILE)
        self._state = RunState()
        self._alone = Alone(lost_after_s=lost_after_s)
        self._asked = False

    def kept(self) -> Kept | None:
        """Return what was kept once it has its list, None when none will come.

        Who asks this process to end before that, ends what the run keeps then: nobody else waits for its time.
        """
        while not os.path.lexists(self._path / LIST_FILE):
            if self._is_over():
                return read_kept(self._path) if os.path.lexists(self._path / LIST_FILE) else None
            if _asked_to_end(_LOOK_S):
                self._asked = True
        return read_kept(self._path)

    def end(self, kept: Kept) -> None:
        """Return when the copy is gone: when its time was over, when this process was asked to end, or before.

        Its time does not become longer when somebody sets the clock back, nor while the machine sleeps.
        """
        latest = time.clock_gettime(time.CLOCK_BOOTTIME) + _seconds_left(kept)
        while kept.is_there():
            left_s = min(_seconds_left(kept), latest - time.clock_gettime(time.CLOCK_BOOTTIME))
            if left_s <= 0 or self._asked or _asked_to_end(min(left_s, _LONGEST_WAIT_S)):
                remove_kept(kept, wait=True)

    def _is_over(self) -> bool:
        for entry in self._tail.new_entries():
            self._state = fold([entry], self._state)
        if self._state.ended is not None:
            return True
        return self._alone.is_lost(self._state)


def _seconds_left(kept: Kept) -> float:
    if kept.listed is None:
        return 0.0
    return (kept.listed.until - now()).total_seconds()


def _asked_to_end(within_s: float) -> bool:
    return signal.sigtimedwait(_ENDING, within_s) is not None


def main(arguments: list[str]) -> int:
    """End what the run in the named folder keeps, when its time is over."""
    folder = Path(arguments[0])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(0o077)
    take_no_signals_over()
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    keeper = Keeper(folder, msgspec.json.decode((folder / ORDER_FILE).read_bytes(), type=RunOrder))
    try:
        if (kept := keeper.kept()) is not None:
            keeper.end(kept)
    except (JournalBroken, FileNotFoundError):
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
