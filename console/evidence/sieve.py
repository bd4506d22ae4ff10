"""Which windows of a large file hold nothing that is sought: two threads look ahead of the one that judges.

Reading and Hyperscan let the interpreter's lock go. A window is clear only when it was read whole and no candidate
ends in it; every other one is for `scan` to read, search and tell as if nobody had looked before.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from queue import SimpleQueue

from console.evidence.needles import Needles

_THREADS = 2
_AHEAD = 2 * _THREADS
_WINDOWS_AT_ONCE = 4
"""So that handing work to a thread, some 50 µs, is small beside it."""
_FEWEST_WINDOWS = 2 * _THREADS * _WINDOWS_AT_ONCE
_REST = 8
"""In portions of windows: so that looking for nothing, and then reading again, costs little."""
_LONGEST_OVERLAP = 8
"""In a window's parts: where neighbours share more (a secret as long as a key file), most would be read twice."""


class _Lookout:
    """What a thread needs to look at windows: a buffer and Hyperscan's scratch."""

    def __init__(self, needles: Needles, window_bytes: int) -> None:
        self._needles, self._window_bytes = needles, window_bytes
        self._scratch = needles.scratch()
        self._buffer = memoryview(bytearray(needles.longest_bytes - 1 + window_bytes))

    def clear(self, descriptor: int, numbers: range) -> list[bool]:
        """Return of each window whether it was read whole and holds no candidate."""
        return [self._is_clear(descriptor, number * self._window_bytes) for number in numbers]

    def _is_clear(self, descriptor: int, at: int) -> bool:
        shared = min(at, self._needles.longest_bytes - 1)
        window = self._buffer[: shared + self._window_bytes]
        try:
            read_bytes = os.preadv(descriptor, [window], at - shared)
        except OSError:  # whoever judges reads it again, and tells the trouble where it comes
            return False
        return read_bytes == len(window) and not self._needles.may_be_in(window, self._scratch)


def clear_windows(
    descriptor: int, needles: Needles, window_bytes: int, *, wanted: Callable[[], bool]
) -> Generator[bool]:
    """Yield of each whole window, from the first on, whether it is clear; nothing where looking ahead gains nothing.

    A window begins at a multiple of `window_bytes`, and shares `needles.longest_bytes` - 1 bytes before that with its
    neighbour. While `wanted` says no, windows are not looked at, and not called clear.
    """
    windows = os.fstat(descriptor).st_size // window_bytes
    too_long = needles.longest_bytes * _LONGEST_OVERLAP > window_bytes
    if windows < _FEWEST_WINDOWS or too_long or len(os.sched_getaffinity(0)) < _THREADS:
        return
    free: SimpleQueue[_Lookout] = SimpleQueue()
    for _number in range(_THREADS):
        free.put(_Lookout(needles, window_bytes))

    def look(numbers: range) -> list[bool]:
        lookout = free.get()
        try:
            return lookout.clear(descriptor, numbers)
        finally:
            free.put(lookout)

    ahead: deque[Future[list[bool]] | list[bool]] = deque()
    pace = _Pace()
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="drydock-scan") as pool:
        for numbers in _batches(windows):
            if pace.rests() or not wanted():
                ahead.append([False] * len(numbers))
            else:
                try:
                    ahead.append(pool.submit(look, numbers))
                except RuntimeError:  # no thread can be begun here: whoever judges reads the rest alone
                    break
            while len(ahead) > pace.ahead:
                yield from pace.seen(ahead.popleft())
        while ahead:
            yield from pace.seen(ahead.popleft())


class _Pace:
    """How far to look ahead: not at all until it is seen to gain, and after a rest where most windows are not clear."""

    def __init__(self) -> None:
        self.ahead = self._rest = 0

    def rests(self) -> bool:
        """Say whether the next windows are left to whoever judges."""
        self._rest -= 1
        return self._rest >= 0

    def seen(self, looked: Future[list[bool]] | list[bool]) -> list[bool]:
        """Return what was clear, and go by it."""
        if isinstance(looked, list):
            return looked
        clear = looked.result()
        if 2 * sum(clear) >= len(clear):
            self.ahead = _AHEAD
        else:
            self.ahead, self._rest = 0, _REST
        return clear


def _batches(windows: int) -> list[range]:
    """Return the windows in the portions that a thread is handed; the first alone, since others wait for it."""
    begins = [0, *range(1, windows, _WINDOWS_AT_ONCE), windows]
    return [range(begin, end) for begin, end in pairwise(begins)]
