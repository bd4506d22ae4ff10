"""The pane that shows all of one thing: labelled texts, wrapped, never shortened."""

from __future__ import annotations

from collections.abc import Sequence

from console.tui.describe import Told
from console.tui.spans import Spans, cell, wrapped
from console.tui.widgets.lines import Lines

_LABEL_COLUMNS = 13
_NARROW_COLUMNS = 40


class InspectorPane(Lines):
    """Draws what is selected in another pane."""

    has_cursor = False

    def __init__(self) -> None:
        super().__init__(id="inspector")
        self._told: Sequence[Told] = ()
        self._lines: list[Spans] = []

    def show(self, told: Sequence[Told]) -> None:
        """Draw another thing, from its beginning."""
        if list(told) != list(self._told):
            self._told = told
            self.top_line = 0
            self._wrap()
            self.refresh()

    def _wrap(self) -> None:
        width = max(10, self.size.width - 2)
        label_columns = _LABEL_COLUMNS if width >= _NARROW_COLUMNS else 0
        self._lines = []
        for label, text, role in self._told:
            if not label_columns:
                self._lines.append(((label, "dim"),))
            for place, line in enumerate(wrapped(text, width - label_columns)):
                beside = cell(label if place == 0 else "", label_columns)
                self._lines.append(((beside, "dim"), (line, role)))

    def on_resize(self) -> None:
        """Wrap again."""
        self._wrap()
        super().on_resize()
        self.refresh()

    def line_count(self) -> int:
        """Return how many lines there are."""
        return len(self._lines)

    def line(self, number: int, width: int) -> Spans:
        """Return one line."""
        del width
        return self._lines[number]

    def title(self, width: int) -> str:
        """Return what is shown."""
        del width
        return f"4 Inspector: {self._told[0].label}" if self._told else "4 Inspector: nothing selected"
