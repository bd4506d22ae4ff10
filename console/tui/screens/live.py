"""The run on the screen: panes side by side, or one at a time as tabs; keys move between them.

Draws what the feed has folded. Decides nothing: questions stand on screens of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.reactive import Reactive
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input

from console.model.event import Entry, ScenarioFinished
from console.model.text import visible
from console.tui import describe
from console.tui.describe import Told
from console.tui.feed import RunFeed
from console.tui.header import header_lines
from console.tui.keys import bindings, footer_keys
from console.tui.spans import Spans
from console.tui.terminal import PANES_COLUMNS, PANES_ROWS
from console.tui.trace_filter import WORDS, Filter, FilterUnclear, parse_filter
from console.tui.widgets.bars import Bar, keys_line, tabs_line
from console.tui.widgets.checklist import ChecklistPane
from console.tui.widgets.inspector import InspectorPane
from console.tui.widgets.lines import Lines
from console.tui.widgets.matrix import MatrixPane
from console.tui.widgets.trace import TracePane

PANES = (("checklist", "1 gates"), ("trace", "2 trace"), ("matrix", "3 rows"), ("inspector", "4 inspector"))
_ERRORS = Filter(errors=True)
_UPPER, _LOWER = ("checklist", "trace"), ("matrix", "inspector")


class LiveScreen(Screen[None]):
    """One run, running or finished."""

    BINDINGS = bindings("screen")
    AUTO_FOCUS = ""
    focused = Reactive[Widget | None](None, repaint=False)
    """Textual repaints the whole screen whenever the focus moves; both panes draw their own titles here."""

    def __init__(self, feed: RunFeed, *, observe: bool, keymap: Mapping[str, str]) -> None:
        super().__init__()
        self._keymap = keymap
        self._feed = feed
        self._observe = observe
        self.pane = "checklist"
        self._inspected = "checklist"
        self._asking = ""
        self.question_words = ""
        follow = feed.state.ended is None
        self._header = Bar(id="header", height=2)
        self._tabs = Bar(id="tabs", height=1)
        self._keys = Bar(id="keys", height=1)
        self._covered = Bar(id="cover", height=0)
        self.checklist = ChecklistPane()
        self.trace = TracePane(feed.trace, follow=follow)
        self.matrix = MatrixPane()
        self.inspector = InspectorPane()
        self._prompt = Input(id="prompt", select_on_focus=False)

    def compose(self) -> ComposeResult:
        """Lay the panes out."""
        yield self._header
        yield self._tabs
        with Horizontal(id="upper"):
            yield self.checklist
            yield self.trace
        with Horizontal(id="lower"):
            yield self.matrix
            yield self.inspector
        yield self._covered
        yield self._prompt
        yield self._keys

    def on_mount(self) -> None:
        """Begin with the gates."""
        self._prompt.display = False
        self._lay_out()
        self.draw()

    def on_resize(self) -> None:
        """Panes or tabs, as there is room."""
        self._lay_out()
        self.call_after_refresh(self._draw_bars)

    @property
    def has_panes(self) -> bool:
        """Tell whether all panes stand side by side."""
        return self.app.size.width >= PANES_COLUMNS and self.app.size.height >= PANES_ROWS

    def _pane(self, name: str) -> Lines:
        panes: dict[str, Lines] = {
            "checklist": self.checklist,
            "trace": self.trace,
            "matrix": self.matrix,
            "inspector": self.inspector,
        }
        return panes[name]

    def _lay_out(self) -> None:
        self.set_class(self.has_panes, "panes")
        for name, _words in PANES:
            self._pane(name).display = self.has_panes or name == self.pane
        self._tabs.display = not self.has_panes
        self.query_one("#upper").display = self.has_panes or self.pane in _UPPER
        self.query_one("#lower").display = self.has_panes or self.pane in _LOWER
        if not self._prompt.display:
            self.set_focus(self._pane(self.pane))
            for name, _words in PANES:
                self._pane(name).draw_focus()

    def news(self, entries: Sequence[Entry]) -> None:
        """Draw what a poll brought; the first failed scenario's statement is looked for."""
        self.draw()
        for entry in entries:
            event = entry.event
            if isinstance(event, ScenarioFinished) and event.verdict == "FAIL" and self.trace.follow:
                rule = Filter(errors=True, witness="client", scenario=event.scenario.lower())
                what = f"the failing statement of {event.scenario}"
                self.trace.find(rule, step=-1, what=visible(what), beyond=self._feed.trace.count)

    def draw(self) -> None:
        """Show the folded state; every part draws only what changed."""
        if not self.is_mounted:
            return
        self.checklist.show(self._feed.state)
        self.matrix.show(self._feed.state)
        self.trace.show()
        self._inspect()
        self._draw_bars()

    def _draw_bars(self) -> None:
        width = self.app.size.width
        self._header.show(*header_lines(self._feed, width, observe=self._observe))
        self._tabs.show((tabs_line(list(PANES), self.pane, width), ()))
        if self._asking:
            known = (
                f"{WORDS}   Enter: do it   Esc: leave it"
                if self._asking == "filter"
                else "Enter: search   Esc: leave it"
            )
            self._keys.show((((f" {self._asking}: ", "name"), (known, "dim")), ()))
            return
        words: Spans = ((f" {self.question_words} ", "wait"),) if self.question_words else ()
        room = width - len(self.question_words) - 2 if self.question_words else width
        self._keys.show(((*words, *keys_line(footer_keys(self.pane, self._keymap), room)), ()))

    def _inspect(self) -> None:
        self.inspector.show(self._told())

    def copied(self) -> str:
        """Return what the inspector tells as lines; hostile characters stay glyphs in a clipboard too."""
        told = [(one.label, line) for one in self._told() for line in one.text.split("\n")]
        return "".join(f"{label}: {visible(line)}\n" for label, line in told)

    def _told(self) -> list[Told]:
        state = self._feed.state
        if state.created is None:
            return []
        if self._inspected == "trace":
            number = self.trace.number
            return describe.statement(number, self._feed.trace.record(number)) if number >= 0 else []
        if self._inspected == "matrix":
            return describe.matrix_cell(self.matrix.matrix, self.matrix.cursor, self.matrix.column)
        line = self.checklist.selected
        if line is None:
            return []
        tell = {"gate": describe.gate, "scenario": describe.scenario, "boundary": describe.boundary}
        return tell.get(line.kind, describe.step)(state, line.id)

    def on_lines_moved(self, message: Lines.Moved) -> None:
        """The inspector follows the pane that has the focus, and the trace when it found something."""
        if message.pane.id == self.pane or (message.pane is self.trace and self.trace.notice):
            self._inspected = str(message.pane.id)
        self._inspect()

    def on_lines_opened(self, message: Lines.Opened) -> None:
        """Enter shows the whole of a line."""
        self._inspected = str(message.pane.id) if message.pane is not self.inspector else self._inspected
        self._inspect()
        if message.pane is not self.inspector:
            self.action_pane("inspector")

    def on_descendant_focus(self) -> None:
        """Remember the pane that the mouse chose."""
        focused = self.focused
        if isinstance(focused, Lines) and focused.id != self.pane:
            self._choose(str(focused.id))

    def _choose(self, name: str) -> None:
        self.pane = name
        if name != "inspector":
            self._inspected = name
        self._lay_out()
        self._inspect()
        self._draw_bars()

    def action_pane(self, name: str) -> None:
        """Go to a pane."""
        self._choose(name)

    def action_next_pane(self, step: int) -> None:
        """Go to the next pane, or the one before."""
        names = [name for name, _words in PANES]
        self._choose(names[(names.index(self.pane) + step) % len(names)])

    def _to_the_trace(self) -> None:
        if self.has_panes or self.pane not in ("trace", "inspector"):
            self._choose("trace")
        self._inspected = "trace"

    def action_failure(self, step: int) -> None:
        """Go to the next failed statement."""
        self._to_the_trace()
        self.trace.find(_ERRORS, step=step, what="failed statement")

    def action_again(self, step: int) -> None:
        """Go to the next statement that was searched for."""
        if self.trace.searched.is_empty:
            self.notify("search with / first", timeout=3)
            return
        self._to_the_trace()
        self.trace.search(self.trace.searched, self.trace.searched_for, step=step)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave the keys that open the line of input to that line while it is open."""
        if self._asking and action in ("search", "filter"):
            return False
        return super().check_action(action, parameters)

    def action_search(self) -> None:
        """Ask what to search for."""
        self._ask("search", "")

    def action_filter(self) -> None:
        """Ask what to show."""
        self._ask("filter", self.trace.filtered_by)

    def action_unfilter(self) -> None:
        """Show all statements."""
        self._to_the_trace()
        self.trace.use(Filter(), "")

    def action_witness(self) -> None:
        """Show one witness's records only."""
        self._to_the_trace()
        self.trace.next_witness()

    def _ask(self, what: str, text: str) -> None:
        self._to_the_trace()
        self._asking = what
        self._prompt.display = True
        self._prompt.value = text
        self._prompt.cursor_position = len(text)
        self.set_focus(self._prompt)  # at once: keys that were typed with the first one belong to it
        self._draw_bars()

    def close_prompt(self) -> None:
        """Take the line of input away."""
        self._asking = ""
        self._prompt.display = False
        self.set_focus(self._pane(self.pane))
        self._draw_bars()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Search or filter."""
        asking, line = self._asking, event.value.strip()
        try:
            rule = parse_filter(line) if asking == "filter" else Filter(texts=(line.lower(),) if line else ())
        except FilterUnclear as unclear:
            self.notify(visible(str(unclear)), severity="warning", timeout=6, markup=False)
            return
        self.close_prompt()
        if asking == "filter":
            self.trace.use(rule, visible(line, limit_chars=60))
        elif line:
            self.trace.search(rule, visible(line, limit_chars=40), step=1)

    def key_escape(self) -> None:
        """Leave the line of input, or go back from the inspector; nothing that cannot be undone."""
        if self._asking:
            self.close_prompt()
        elif self.pane == "inspector":
            self._choose(self._inspected)

    def cover(self, lines: int) -> None:
        """Leave the lowest lines to a question, so that all of the evidence can be scrolled above it."""
        self._keys.display = not lines
        self._covered.styles.height = lines

    def scroll_evidence(self, key: str) -> None:
        """Scroll behind a boundary's question, or change what is behind it."""
        if key.isdigit():
            self._choose(PANES[int(key) - 1][0])
            return
        pane = self._pane("trace" if self.has_panes and self.pane == "checklist" else self.pane)
        moves = {
            "up": (pane.action_move, -1),
            "down": (pane.action_move, 1),
            "pageup": (pane.action_page, -1),
            "pagedown": (pane.action_page, 1),
        }
        if key in moves:
            move, amount = moves[key]
            move(amount)
        elif key == "home":
            pane.action_top()
        else:
            pane.action_end()
