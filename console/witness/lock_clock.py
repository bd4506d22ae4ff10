"""A clock that stands still while a session waits for nobody but the engine's looks.

Pure. Real time passes on it, and statements that overlap (a pipeline's) count once. The pause of a look is taken out
where the backend was seen to wait for its client, else as far as no statement of the session's was under way: what a
backend did in the meantime, it would have done on production.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

Span = tuple[float, float]
"""From and to, in seconds since the epoch."""


class LockClock:
    """Tells times of the epoch as seconds of the clock; `idle` pauses are taken out whole, `others` outside `busy`."""

    def __init__(self, *, idle: Iterable[Span], others: Iterable[Span], busy: Iterable[Span]) -> None:
        taken_out = _union([*idle, *_without(_union(others), _union(busy))])
        self._from = [one[0] for one in taken_out]
        self._spans = taken_out
        self._before_s = [0.0]
        for start, end in taken_out:
            self._before_s.append(self._before_s[-1] + end - start)

    def at(self, moment: float) -> float:
        """Return what the clock shows at a moment."""
        passed = bisect_right(self._from, moment)
        still_s = self._before_s[passed]
        if passed:
            still_s -= max(0.0, self._spans[passed - 1][1] - moment)
        return moment - still_s


def covered_s(spans: Iterable[Span]) -> float:
    """Return the seconds that lie in at least one of the spans."""
    return sum(end - start for start, end in _union(spans))


def _union(spans: Iterable[Span]) -> list[Span]:
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        elif end > start:
            found.append((start, end))
    return found


def _without(spans: Sequence[Span], holes: Sequence[Span]) -> list[Span]:
    """Return what is left of disjoint sorted spans outside disjoint sorted holes."""
    found: list[Span] = []
    nearest = 0
    for start, end in spans:
        while nearest < len(holes) and holes[nearest][1] <= start:
            nearest += 1
        at, hole = start, nearest
        while hole < len(holes) and holes[hole][0] < end:
            found.append((at, max(at, holes[hole][0])))
            at = max(at, holes[hole][1])
            hole += 1
        found.append((at, max(at, end)))
    return [one for one in found if one[1] > one[0]]
