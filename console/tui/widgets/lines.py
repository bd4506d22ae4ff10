"""The base of every pane: lines drawn on demand, a cursor, a top line. Nothing is kept per line.

It scrolls by itself (Textual's own scrolling lays the screen out again each time that a line is added).
Line 0 of the pane is its title; `headings` more stand still below it.
"""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip

from console.tui.keys import bindings
from console.tui.spans import Spans, cell, width_of
from console.tui.widgets.shaded import Shaded

_WHEEL_LINES = 3


class Lines(Shaded, can_focus=True, can_focus_children=False):
    """A list of lines; a subclass says how many there are and what each holds."""

    BINDINGS = bindings("list")
    headings = 0
    has_cursor = True

    class Moved(Message):
        """The cursor of a pane moved."""

        def __init__(self, pane: Lines) -> None:
            super().__init__()
            self.pane = pane

    class Opened(Message):
        """Enter was pressed on a line."""

        def __init__(self, pane: Lines) -> None:
            super().__init__()
            self.pane = pane

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.top_line = 0
        self.cursor = 0
        self.follow = False

    def line_count(self) -> int:
        """Return how many lines there are."""
        raise NotImplementedError

    def line(self, number: int, width: int) -> Spans:
        """Return one line."""
        raise NotImplementedError

    def title(self, width: int) -> str:
        """Return the pane's title line."""
        raise NotImplementedError

    def heading(self, number: int, width: int) -> Spans:
        """Return one line that stands still below the title."""
        raise NotImplementedError

    @property
    def page_lines(self) -> int:
        """Return how many lines fit."""
        return max(1, self.size.height - 1 - self.headings)

    def _last_top(self) -> int:
        return max(0, self.line_count() - self.page_lines)

    def render_line(self, y: int) -> Strip:
        """Return one line of the screen."""
        width = self.size.width
        if y == 0:
            return self._title_strip(width)
        if y <= self.headings:
            return self._strip(self.heading(y - 1, width - 1), width, "")
        number = self.top_line + y - 1 - self.headings
        if number >= self.line_count():
            return Strip.blank(width, self.own_style)
        marked = self.has_cursor and number == self.cursor
        return self._strip(self.line(number, width - 2), width, "cursor" if marked else "", bar=self._bar(y))

    def _title_strip(self, width: int) -> Strip:
        mark = "▌" if self.has_focus else " "
        style = self.style_of("focused" if self.has_focus else "title")
        return Strip([Segment(cell(f"{mark}{self.title(width - 2)}", width), style)], width)

    def _strip(self, spans: Spans, width: int, marked: str, *, bar: str = " ") -> Strip:
        over = self._over(marked) if marked and self.has_focus else None
        lead = "▸" if marked else " "
        segments = [Segment(lead, self.style_of("name") + over if over else self.style_of("name"))]
        for text, role in spans:
            style = self.style_of(role)
            segments.append(Segment(text, style + over if over else style))
        left = width - 2 - width_of(spans)
        if left < 0:
            cropped = Strip(segments).crop(0, width - 2)
            segments = [*cropped.adjust_cell_length(width - 2), Segment("…", self.style_of("dim"))]
        elif left:
            segments.append(Segment(" " * left, self.own_style + over if over else self.own_style))
        segments.append(Segment(bar, self.style_of("bar")))
        return Strip(segments, width)

    def _over(self, role: str) -> Style:
        """Return what marks a line: its background and weight, so that a failure stays in its colour."""
        style = self.style_of(role)
        return Style(bgcolor=style.bgcolor, bold=style.bold)

    def _bar(self, y: int) -> str:
        """The thumb of a scroll bar, drawn as one more character of the line."""
        count, page = self.line_count(), self.page_lines
        if count <= page:
            return " "
        place = (y - 1 - self.headings) * count // page
        return "┃" if self.top_line <= place < self.top_line + page else "│"

    def grew(self) -> None:
        """Lines were added or changed: follow the end where the pane does, and draw."""
        count = self.line_count()
        if self.follow:
            self.cursor = max(0, count - 1)
            self.top_line = self._last_top()
        self.cursor = min(self.cursor, max(0, count - 1))
        self.top_line = min(self.top_line, self._last_top())
        self.refresh()

    def go_to(self, line: int, *, centred: bool = False) -> None:
        """Put the cursor on a line and bring it into view."""
        before, top_before = self.cursor, self.top_line
        self.cursor = min(max(0, line), max(0, self.line_count() - 1))
        page = self.page_lines
        if centred and not self.top_line <= self.cursor < self.top_line + page:
            self.top_line = min(max(0, self.cursor - page // 2), self._last_top())
        self.top_line = min(max(self.top_line, self.cursor - page + 1), self.cursor, self._last_top())
        if self.top_line != top_before:
            self.refresh()
        elif self.cursor != before:
            self.refresh(
                self._region_of(before), self._region_of(self.cursor), Region(0, 0, self.size.width, 1)
            )
        if self.cursor != before:
            self.post_message(self.Moved(self))

    def _region_of(self, number: int) -> Region:
        return Region(0, number - self.top_line + 1 + self.headings, self.size.width, 1)

    def stop_following(self) -> None:
        """Keep the view where it is, whatever comes."""
        self.follow = False

    def can_follow(self) -> bool:
        """Tell whether the end is something to follow."""
        return False

    def action_move(self, lines: int) -> None:
        """Move the cursor, or the view where there is no cursor."""
        self.stop_following()
        if self.has_cursor:
            self.go_to(self.cursor + lines)
            self.follow = lines > 0 and self.can_follow() and self.cursor >= self.line_count() - 1
        else:
            self.scroll_lines(lines)

    def action_page(self, pages: int) -> None:
        """Move by pages."""
        self.action_move(pages * max(1, self.page_lines - 1))

    def action_top(self) -> None:
        """Go to the first line."""
        self.stop_following()
        self.top_line = 0
        self.go_to(0)
        self.refresh()

    def action_end(self) -> None:
        """Go to the last line, and follow where that is possible."""
        self.follow = self.can_follow()
        self.go_to(self.line_count() - 1)
        self.top_line = self._last_top()
        self.refresh()

    def action_open(self) -> None:
        """Ask for all of the line."""
        self.post_message(self.Opened(self))

    def scroll_lines(self, lines: int) -> None:
        """Move the view without the cursor."""
        self.top_line = min(max(0, self.top_line + lines), self._last_top())
        self.refresh()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Scroll with the wheel."""
        event.stop()
        self.action_move(-_WHEEL_LINES)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Scroll with the wheel."""
        event.stop()
        self.action_move(_WHEEL_LINES)

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the line under the mouse."""
        if event.y > self.headings and self.has_cursor:
            self.stop_following()
            self.go_to(self.top_line + event.y - 1 - self.headings)

    def on_focus(self, event: events.Focus) -> None:
        """Show that the keys go here; Textual would draw every line of the pane."""
        event.prevent_default()
        self.draw_focus()
        if self.parent is not None:
            self.parent.post_message(events.DescendantFocus(self))

    def on_blur(self, event: events.Blur) -> None:
        """Show that they do not any more."""
        event.prevent_default()
        self.draw_focus()
        if self.parent is not None:
            self.parent.post_message(events.DescendantBlur(self))

    def draw_focus(self) -> None:
        """Draw what the focus changes, where it has changed: the title, and the line under the cursor.

        Whoever moves the focus calls this too, so that it is on the same frame as the rest: events come later.
        """
        focused = self.screen.focused is self
        if focused == self.has_focus:
            return
        self.has_focus = focused
        self.refresh(self._region_of(self.cursor), Region(0, 0, self.size.width, 1))

    def on_resize(self) -> None:
        """Keep the cursor in view."""
        self.top_line = min(self.top_line, self._last_top())
        if self.follow:
            self.grew()
        elif self.has_cursor:
            self.go_to(self.cursor, centred=True)
