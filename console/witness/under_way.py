"""Which statements are under way, by backend, and when the next look at them is due.

Pure: asks neither server nor clock. A backend executes one statement at a time, so that of several of its own that were
sent (a pipeline) the oldest is the one under way.
"""

from __future__ import annotations

from collections.abc import Iterable

from console.model.trace import ClientStatement

OF_ITS_TIME = 0.02
"""So much of a statement's time may pass between two looks at it."""


class UnderWay:
    """The statements that were looked at before they were sent and have no answer; times in seconds of one clock."""

    def __init__(self) -> None:
        self._began: dict[int, float] = {}
        self._looked = 0.0

    def begin(self, n: int, now: float) -> None:
        """Take in a statement that is sent now."""
        self._began[n] = self._looked = now

    def end(self, n: int, now: float) -> None:
        """Leave out a statement that was answered now; everything else was looked at, too."""
        self._began.pop(n, None)
        self._looked = now

    def statements(self, sent: Iterable[ClientStatement]) -> tuple[int, ...]:
        """Return of each backend the statement under way, of those that the client has sent (`sent`)."""
        oldest: dict[int, int] = {}
        for one in sent:
            if one.n in self._began and not one.answered:
                oldest[one.pid] = min(one.n, oldest.get(one.pid, one.n))
        return tuple(sorted(oldest.values()))

    def due(self, statements: Iterable[int], now: float) -> bool:
        """Tell whether one of these has gone unseen for long: the youngest decides."""
        began = [self._began[n] for n in statements]
        return bool(began) and now - self._looked >= OF_ITS_TIME * (now - max(began))

    def looked(self, now: float) -> None:
        """Remember that everything was looked at now."""
        self._looked = now
