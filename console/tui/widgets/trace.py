"""The pane of the SQL trace: a million records by their offsets, following, filtered, searched."""

from __future__ import annotations

import time

from console.tui.spans import Spans
from console.tui.trace_file import TraceFile
from console.tui.trace_filter import Filter
from console.tui.trace_row import WITNESSES, row_spans
from console.tui.trace_view import Seek, TraceView
from console.tui.widgets.lines import Lines

_WORK_EVERY_S, _WORK_FOR_S = 0.03, 0.015
_FLOOD_EVERY_S = 0.2
"""When more comes between two looks than a page shows, it is drawn this often and no more: nobody reads it faster."""


class TracePane(Lines):
    """Draws the trace. Scrolling up pauses the view, never the run."""

    def __init__(self, trace: TraceFile, *, follow: bool) -> None:
        super().__init__(id="trace")
        self.view = TraceView(trace)
        self.follow = follow
        self.searched = Filter()
        self.searched_for = ""
        self.filtered_by = ""
        self.notice = ""
        self._drawn = -1
        self._drawn_at = 0.0
        self._came_from = 0

    def on_mount(self) -> None:
        """Search and filter in slices between keys."""
        self._working = self.set_interval(_WORK_EVERY_S, self._work, pause=True)

    @property
    def number(self) -> int:
        """Return the number of the record under the cursor, -1 when there is none."""
        return self.view.number(self.cursor) if self.cursor < len(self.view) else -1

    def line_count(self) -> int:
        """Return how many rows there are."""
        return len(self.view)

    def line(self, number: int, width: int) -> Spans:
        """Return one row."""
        return row_spans(self.view.number(number), self.view.record(number), width)

    def title(self, width: int) -> str:
        """Return what is shown of how much, and whether it follows."""
        count = len(self.view)
        place = f"{min(self.cursor + 1, count):,} of {count:,}"
        told = [f"2 Trace: {place}", "following" if self.follow else "paused"]
        if self.view.is_busy:
            told.append(f"looking {self.view.looked_at:.0%}" if self.view.seek is None else "searching")
        elif self.notice:
            told.append(self.notice)
        if self.filtered_by:
            told.append(f"only {self.filtered_by} of {self.view.trace.count:,}, F shows all")
        return " · ".join(told) if width > 0 else ""

    def can_follow(self) -> bool:
        """The end of the trace can be followed."""
        return True

    def show(self) -> None:
        """Draw what is new."""
        came, now = self.view.trace.count - self._drawn, time.monotonic()
        if not came or (came > self.page_lines and now - self._drawn_at < _FLOOD_EVERY_S):
            return
        self._drawn, self._drawn_at = self.view.trace.count, now
        if self.view.is_busy:
            self._working.resume()
        before = self.number
        self.grew()
        if self.number != before:
            self.post_message(self.Moved(self))

    def use(self, rule: Filter, words: str) -> None:
        """Show only what a filter holds for, near the record that was selected."""
        self._came_from = max(0, self.number)
        self.view.use(rule)
        self.filtered_by, self.notice = words, ""
        self._resume()
        if rule.is_empty:
            self._return_to(self._came_from)
        self.grew()

    def _return_to(self, number: int) -> None:
        if not self.follow:
            self.go_to(self.view.row(number), centred=True)

    def next_witness(self) -> None:
        """Show all records, then only the client's, the server's, the engine's."""
        shown = self.view.filter.witness
        follows = (*WITNESSES, "")[(WITNESSES.index(shown) + 1) if shown else 0]
        self.use(Filter(witness=follows), f"from:{follows}" if follows else "")

    def search(self, rule: Filter, words: str, *, step: int, what: str = "") -> None:
        """Go to the nearest record beyond the cursor that a rule holds for."""
        self.searched, self.searched_for = rule, words
        self.find(rule, step=step, what=what or f"“{words}”")

    def find(self, rule: Filter, *, step: int, what: str, beyond: int | None = None) -> None:
        """Look for a record without making it the search that `n` repeats."""
        start = (self.number if step > 0 else max(self.number, 0)) if beyond is None else beyond
        self.notice = ""
        self.view.find(rule, beyond=start, step=step, what=what)
        self._resume()

    def _resume(self) -> None:
        self._working.resume()
        self._work()

    def _work(self) -> None:
        seek = self.view.seek
        rows_before = len(self.view)
        found = self.view.work(_WORK_FOR_S)
        if found is not None:
            self._found(found, seek)
        elif len(self.view) != rows_before:
            self.grew()
        if not self.view.is_busy:
            self._working.pause()
            if found is None and not self.view.filter.is_empty:
                self._return_to(self._came_from)
            self.post_message(self.Moved(self))
            self.refresh()

    def _found(self, number: int, seek: Seek | None) -> None:
        what = seek.what if seek else ""
        if number < 0:
            self.notice = f"no {what.removeprefix('the ')}"
            return
        again = "" if not (seek and seek.wrapped) else ", from the " + ("top" if seek.step > 0 else "end")
        self.notice = f"at {what}{again}"
        self.stop_following()
        self.go_to(self.view.row(number), centred=True)
        self._came_from = number
