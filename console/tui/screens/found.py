"""What a search over all runs found, as it comes: a bounded piece of work between two keys."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from console.model.browsing import Evidence, Hit
from console.model.text import one_line, visible
from console.tui.browse_keys import browse_bindings
from console.tui.describe import Told
from console.tui.screens.listing import Desk, ListScreen
from console.tui.spans import Spans, cell
from console.tui.widgets.lines import Lines
from console.tui.widgets.rows import Row, RowsPane

MOST_HITS = 2000
_WORK_EVERY_S, _WORK_FOR_S = 0.03, 0.015
_BEFORE_CHARS = 8


class FoundScreen(ListScreen):
    """The hits of one search; Enter opens the run there."""

    BINDINGS = browse_bindings()
    name_of_keys = "found"

    def __init__(self, evidence: Evidence, text: str, desk: Desk, keymap: Mapping[str, str]) -> None:
        super().__init__(keymap)
        self._text = text
        self._desk = desk
        self._names = evidence.names()
        self._search = evidence.search(text, self._names)
        self.hits: list[Hit] = []
        self.is_over = False
        self.found = RowsPane(id="found", heading=f"Found: “{visible(text, limit_chars=40)}”")

    def panes(self) -> Sequence[Lines]:
        """Return the hits."""
        return (self.found,)

    def on_mount(self) -> None:
        """Search in slices between keys."""
        self._working = self.set_interval(_WORK_EVERY_S, self.work)
        self.work()

    def work(self) -> None:
        """Search on for a bounded time."""
        until, before = time.monotonic() + _WORK_FOR_S, len(self.hits)
        while not self.is_over and time.monotonic() < until:
            try:
                hit = next(self._search)
            except StopIteration:
                self.is_over = True
                break
            if hit is not None:
                self.hits.append(hit)
                self.is_over = len(self.hits) >= MOST_HITS
        if self.is_over:
            self._working.stop()
        if self.is_over or len(self.hits) != before:
            self.found.show(
                [_row(number, hit, self._text) for number, hit in enumerate(self.hits)], self._words()
            )
            self.draw()

    def _words(self) -> str:
        if not self.is_over:
            return f"{len(self.hits):,} so far"
        if len(self.hits) >= MOST_HITS:
            return f"the first {MOST_HITS:,}: search for more words"
        return f"{len(self.hits):,} in {len(self._names):,} runs"

    def header(self) -> list[tuple[Spans, Spans]]:
        """Return how far it is."""
        words = "" if self.is_over else f"▶ searching {len(self._names):,} runs "
        return [
            (((" drydock ", "title"), (" search over all runs ", "name")), ((words, "wait"),)),
            (((" Enter opens the run at the place; Esc goes back", "dim"),), ()),
        ]

    def told(self) -> Sequence[Told]:
        """Return all of a hit."""
        if not self.hits:
            return (Told("found", "nothing" if self.is_over else "nothing yet"),)
        hit = self.hits[min(self.found.cursor, len(self.hits) - 1)]
        place = f"event {hit.number}" if hit.file == "journal" else f"statement {hit.number + 1}"
        return (Told("run", hit.run), Told("in", f"{hit.file}, {place}"), Told("text", hit.text))

    def open_line(self) -> None:
        """Open the run at the place."""
        if self.found.cursor < len(self.hits):
            hit = self.hits[self.found.cursor]
            self._desk.open_run(hit.run, hit)


def _from_the_find(text: str, sought: str) -> str:
    """Return the part of a text that begins a little before what was sought: a narrow row must show it."""
    at = text.lower().find(sought.lower())
    return text if at <= _BEFORE_CHARS else f"…{text[at - _BEFORE_CHARS :]}"


def _row(number: int, hit: Hit, sought: str) -> Row:
    place = f"event {hit.number}" if hit.file == "journal" else f"statement {hit.number + 1}"
    spans: Spans = (
        (cell(hit.run, 21), "name"), (cell(hit.file, 8), "dim"), (cell(place, 18), "dim"),
        (one_line(_from_the_find(hit.text, sought), limit_chars=240), "plain"),
    )  # fmt: skip
    return Row(spans=spans, key=f"hit {number}")
