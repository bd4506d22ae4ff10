"""The bars above and below the panes: the run's header, the tabs, the keys that work now."""

from __future__ import annotations

from rich.segment import Segment
from textual.strip import Strip

from console.tui.spans import Spans, cell, width_of
from console.tui.widgets.shaded import Shaded


class Bar(Shaded):
    """Some lines of spans, drawn again only when they change."""

    def __init__(self, *, id: str, height: int) -> None:
        super().__init__(id=id)
        self.styles.height = height
        self._lines: tuple[tuple[Spans, Spans], ...] = ()

    def show(self, *lines: tuple[Spans, Spans]) -> None:
        """Draw lines, each with a left and a right part; the right one gives way last."""
        if lines != self._lines:
            self._lines = lines
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return one line of the screen."""
        width = self.size.width
        if y >= len(self._lines):
            return Strip.blank(width, self.own_style)
        left, right = self._lines[y]
        room = max(0, width - width_of(right))
        segments = [Segment(text, self.style_of(role)) for text, role in left]
        strip = Strip(segments)
        if width_of(left) > room:
            strip = Strip([*strip.crop(0, max(0, room - 1)), Segment("…", self.own_style)])
        ending = [Segment(text, self.style_of(role)) for text, role in right]
        return Strip([*strip.adjust_cell_length(room, self.own_style), *ending]).adjust_cell_length(width)


def keys_line(pairs: list[tuple[str, str]], width: int) -> Spans:
    """Return as many keys with their words as fit, the first ones first."""
    spans: list[tuple[str, str]] = [(" ", "plain")]
    for key, word in pairs:
        more = [("  " if len(spans) > 1 else "", "plain"), (key, "name"), (f" {word}", "dim")]
        if width_of([*spans, *more]) > width:
            break
        spans += more
    return tuple(spans)


def tabs_line(names: list[tuple[str, str]], current: str, width: int) -> Spans:
    """Return the tabs, the current one marked with words as well as colour."""
    spans: list[tuple[str, str]] = []
    for name, words in names:
        shown = f"[{words}]" if name == current else f" {words} "
        spans.append((f" {shown}", "title" if name == current else "dim"))
    return (*spans, (cell("", max(0, width - width_of(spans))), "plain"))
