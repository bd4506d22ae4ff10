"""A pane of rows that were made beforehand, each with what the pane beside it tells of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from console.tui.describe import Told
from console.tui.spans import Spans
from console.tui.widgets.inspector import InspectorPane
from console.tui.widgets.lines import Lines


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row: what is drawn, what is told of it, and by which name it is known."""

    spans: Spans
    told: tuple[Told, ...] = ()
    key: str = ""


class RowsPane(Lines):
    """Draws rows; the cursor stays on the row of the same name when they change."""

    def __init__(self, *, id: str, heading: str) -> None:
        super().__init__(id=id)
        self._heading = heading
        self._rows: Sequence[Row] = ()
        self._words = ""

    @property
    def selected(self) -> Row | None:
        """Return the row under the cursor."""
        return self._rows[self.cursor] if self.cursor < len(self._rows) else None

    def show(self, rows: Sequence[Row], words: str = "") -> None:
        """Draw other rows; `words` stand in the title."""
        chosen = self.selected
        same = [n for n, row in enumerate(rows) if chosen and chosen.key and row.key == chosen.key]
        self._rows, self._words = rows, words
        if same:
            self.cursor = same[0]
        self.grew()

    def choose(self, key: str) -> None:
        """Put the cursor on the row of a name, where there is one."""
        for number, row in enumerate(self._rows):
            if row.key == key:
                self.go_to(number, centred=True)
                return

    def line_count(self) -> int:
        """Return how many rows there are."""
        return len(self._rows)

    def line(self, number: int, width: int) -> Spans:
        """Return one row."""
        del width
        return self._rows[number].spans

    def title(self, width: int) -> str:
        """Return what is shown."""
        del width
        return f"{self._heading} · {self._words}" if self._words else self._heading


class DetailPane(InspectorPane):
    """All of what is selected."""

    def title(self, width: int) -> str:
        """Return what is told of."""
        del width
        return f"Details: {self._told[0].label}" if self._told else "Details: nothing selected"
