"""Which statements are under way, by backend, and when the next look at them is due.

Pure: asks neither server nor clock. A backend executes one statement at a time, so that of several of its own that were
sent (a pipeline) the oldest is the one under way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

OF_ITS_TIME = 0.02
"""So much of a statement's time may pass between two looks at it."""


class UnderWay:
    """The statements that were looked at before they were sent and have no answer; times in seconds of one clock."""

    def __init__(self) -> None:
        self._began: dict[int, dict[int, float]] = {}
        self._backends: dict[int, int] = {}
        self._looked = 0.0

    def begin(self, n: int, backend: int, now: float) -> None:
        """Take in a statement that is sent now."""
        self._began.setdefault(backend, {})[n] = self._looked = now
        self._backends[n] = backend

    def end(self, n: int, now: float) -> None:
        """Leave out a statement that was answered now; everything else was looked at, too."""
        self._leave_out(n)
        self._looked = now

    def _leave_out(self, n: int) -> None:
        backend = self._backends.pop(n, None)
        if backend is not None:
            self._began[backend].pop(n)
            if not self._began[backend]:
                del self._began[backend]

    def statements(self, is_out: Callable[[int], bool], *, but: int | None = None) -> tuple[int, ...]:
        """Return of each backend, `but` one, the statement under way; those that are not out any more are forgotten."""
        found: list[int] = []
        for backend in list(self._began):
            while (n := next(iter(self._began.get(backend, ())), None)) is not None and not is_out(n):
                self._leave_out(n)
            if n is not None and backend != but:
                found.append(n)
        return tuple(sorted(found))

    def due(self, statements: Iterable[int], now: float) -> bool:
        """Tell whether one of these has gone unseen for long: the youngest decides."""
        began = [self._began[self._backends[n]][n] for n in statements]
        return bool(began) and now - self._looked >= OF_ITS_TIME * (now - max(began))

    def looked(self, now: float) -> None:
        """Remember that everything was looked at now."""
        self._looked = now
