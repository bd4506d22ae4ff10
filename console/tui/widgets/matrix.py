"""The pane of row counts: tables down, scenarios across; the names stand still."""

from __future__ import annotations

from console.model.run_state import RunState
from console.model.text import visible
from console.tui.keys import bindings
from console.tui.matrix import Matrix, matrix
from console.tui.spans import Spans, cell, cell_right
from console.tui.widgets.lines import Lines

_NAME_COLUMNS, _CELL_COLUMNS = 28, 6
_TOTAL = "all rows after it"


class MatrixPane(Lines):
    """Draws the matrix; one cell is selected."""

    BINDINGS = bindings("matrix")
    headings = 2

    def __init__(self) -> None:
        super().__init__(id="matrix")
        self._state = RunState()
        self.matrix = Matrix()
        self.column = 0
        self._first_column = 0

    def show(self, state: RunState) -> None:
        """Draw another state."""
        was = self._state
        if state.rows is was.rows and state.estimated is was.estimated and state.created is was.created:
            return
        before, self._state = self.matrix, state
        self.matrix = matrix(state)
        if self.matrix != before:
            self.grew()

    def line_count(self) -> int:
        """Return how many tables there are, and the totals."""
        return len(self.matrix.tables) + 1 if self.matrix.tables else 0

    def _shown_columns(self, width: int) -> int:
        return max(1, (width - _NAME_COLUMNS) // _CELL_COLUMNS)

    def heading(self, number: int, width: int) -> Spans:
        """Return the scenarios' names, and the selected cell in words."""
        if number == 1:
            return ((self._selected_words(), "dim"),)
        names = self.matrix.scenarios[self._first_column :][: self._shown_columns(width)]
        more = "◂" if self._first_column else " "
        spans = [(cell("table", _NAME_COLUMNS - 1) + more, "dim")]
        for place, name in enumerate(names, self._first_column):
            role = "name" if place == self.column else "dim"
            spans.append((cell_right(visible(name), _CELL_COLUMNS), role))
        if self._first_column + len(names) < len(self.matrix.scenarios):
            spans.append(("▸", "dim"))
        return tuple(spans)

    def _selected_words(self) -> str:
        if self.cursor >= len(self.matrix.tables) or not self.matrix.scenarios:
            return ""
        return f"{self.matrix.scenarios[self.column]}: {self.matrix.cells[self.cursor][self.column].words()}"

    def line(self, number: int, width: int) -> Spans:
        """Return one table, or the totals."""
        first, last = self._first_column, self._first_column + self._shown_columns(width)
        if number == len(self.matrix.tables):
            totals = self.matrix.totals[first:last]
            shown = [("·" if total is None else f"{total:,}") for total in totals]
            return (
                (cell(_TOTAL, _NAME_COLUMNS), "dim"),
                *((cell_right(text, _CELL_COLUMNS), "dim") for text in shown),
            )
        spans: list[tuple[str, str]] = [(cell(visible(self.matrix.tables[number]), _NAME_COLUMNS), "plain")]
        for found in self.matrix.cells[number][first:last]:
            spans += found.spans(_CELL_COLUMNS)
        return tuple(spans)

    def title(self, width: int) -> str:
        """Return how many cells are not as expected."""
        del width
        wrong = f"{self.matrix.wrong} NOT as expected" if self.matrix.wrong else "as expected so far"
        return f"3 Rows: change per table and scenario, (expected), {wrong}"

    def action_column(self, columns: int) -> None:
        """Select another scenario."""
        count = len(self.matrix.scenarios)
        self.column = min(max(0, self.column + columns), max(0, count - 1))
        shown = self._shown_columns(self.size.width - 2)
        self._first_column = min(max(self._first_column, self.column - shown + 1), self.column)
        self.refresh()
        self.post_message(self.Moved(self))

    def on_resize(self) -> None:
        """Show as many scenarios as fit."""
        super().on_resize()
        shown = self._shown_columns(self.size.width - 2)
        self._first_column = max(0, min(self._first_column, len(self.matrix.scenarios) - shown))
        self.action_column(0)

    def action_move(self, lines: int) -> None:
        """Select another table; the line that tells the cell changes too."""
        super().action_move(lines)
        self.refresh()
