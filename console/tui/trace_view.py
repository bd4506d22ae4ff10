"""The rows that the trace shows, and the work of finding them in slices, so that a key is never late.

Unfiltered nothing is kept: row i is record i. Filtered, four bytes a row that is shown.
"""

from __future__ import annotations

import time
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

from console.tui.trace_file import Record, TraceFile, decoded
from console.tui.trace_filter import Filter, Find

_CHUNK_RECORDS = 512


def matching(trace: TraceFile, first: int, amount: int, rules: tuple[Filter, ...]) -> Iterator[int]:
    """Yield the records of one chunk, ascending, that all rules hold for."""
    block, starts = trace.chunk(first, amount)
    finders = [finder for rule in rules if (finder := rule.finder(block)) is not None]
    if not block or any(finder(0) < 0 for finder in finders):
        return
    candidates = _candidates(starts, finders[0]) if finders else range(len(starts))
    for place in candidates:
        end = block.find(b"\n", starts[place])
        record = decoded(block[starts[place] : end if end >= 0 else None])
        if record is not None and all(rule.holds(record) for rule in rules):
            yield first + place


def _candidates(starts: tuple[int, ...], finder: Find) -> Iterator[int]:
    """Yield the places of the lines in which something is found, each once."""
    at = 0
    while (hit := finder(at)) >= 0:
        place = bisect_left(starts, hit + 1) - 1
        yield place
        if place + 1 >= len(starts):
            return
        at = starts[place + 1]


@dataclass(kw_only=True)
class Seek:
    """A search for the nearest record in one direction; `at` is the next record to look at.

    Past the trace's end it goes on at the other one, once, and ends with the record that it began beyond.
    """

    rules: tuple[Filter, ...]
    beyond: int
    at: int
    step: int
    what: str
    wrapped: bool = False


class TraceView:
    """Rows of a trace under a filter; `work` goes on with what is still to be looked at."""

    def __init__(self, trace: TraceFile) -> None:
        self.trace = trace
        self.filter = Filter()
        self._rows: array[int] | None = None
        self._looked_at = 0
        self.seek: Seek | None = None

    def use(self, rule: Filter) -> None:
        """Show only what `rule` holds for; the rows are found by `work`."""
        self.filter = rule
        self._rows = None if rule.is_empty else array("I")
        self._looked_at = 0
        self.seek = None

    def __len__(self) -> int:
        return self.trace.count if self._rows is None else len(self._rows)

    def number(self, row: int) -> int:
        """Return the record's number that a row shows."""
        return row if self._rows is None else self._rows[row]

    def row(self, number: int) -> int:
        """Return the row that shows a record, or the one where it would be."""
        return number if self._rows is None else bisect_left(self._rows, number)

    def record(self, row: int) -> Record | None:
        """Return the record that a row shows."""
        return self.trace.record(self.number(row)) if 0 <= row < len(self) else None

    @property
    def looked_at(self) -> float:
        """Return how much of the trace the filter has seen, 0 to 1."""
        if self._rows is None or not self.trace.count:
            return 1.0
        return self._looked_at / self.trace.count

    @property
    def is_busy(self) -> bool:
        """Tell whether `work` has something to do."""
        return self.seek is not None or (self._rows is not None and self._looked_at < self.trace.count)

    def find(self, rule: Filter, *, beyond: int, step: int, what: str) -> None:
        """Look for the nearest row beyond record `beyond` that `rule` holds for too; `work` tells.

        A search that reaches the trace's end goes on at the other one and looks at `beyond` itself last.
        """
        self.seek = Seek(rules=(rule, self.filter), beyond=beyond, at=beyond + step, step=step, what=what)

    def work(self, budget_s: float) -> int | None:
        """Go on for about `budget_s`; return the record that was sought, -1 when there is none, else None."""
        until = time.monotonic() + budget_s
        while self.is_busy and time.monotonic() < until:
            if self._rows is not None and self._looked_at < self.trace.count:
                self._rows.extend(matching(self.trace, self._looked_at, _CHUNK_RECORDS, (self.filter,)))
                self._looked_at = min(self._looked_at + _CHUNK_RECORDS, self.trace.count)
                continue
            found = self._look()
            if found is not None:
                self.seek = None
                return found
        return None

    def _look(self) -> int | None:
        """Look at one chunk: the record found, -1 when there is none, None to go on."""
        seek = self.seek
        if seek is None:
            return -1
        low, high = self._bounds(seek)
        if not low <= seek.at <= high:
            if seek.wrapped:
                return -1
            seek.wrapped = True
            seek.at = 0 if seek.step > 0 else self.trace.count - 1
            return None if self.trace.count else -1
        first = seek.at if seek.step > 0 else max(low, seek.at - _CHUNK_RECORDS + 1)
        last = min(first + _CHUNK_RECORDS, high + 1) if seek.step > 0 else seek.at + 1
        found = matching(self.trace, first, last - first, seek.rules)
        hit = next(found, None) if seek.step > 0 else max(found, default=None)
        seek.at = last if seek.step > 0 else first - 1
        return hit

    def _bounds(self, seek: Seek) -> tuple[int, int]:
        """Return the first and the last record that a search may still look at."""
        end = self.trace.count - 1
        if not seek.wrapped:
            return 0, end
        return (0, min(seek.beyond, end)) if seek.step > 0 else (max(seek.beyond, 0), end)
