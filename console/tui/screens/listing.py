"""The shape of every evidence screen: a header, a list, all of what is selected beside or below it, the keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from textual.app import ComposeResult
from textual.containers import Container
from textual.reactive import Reactive
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input

from console.model.browsing import Hit
from console.model.text import visible
from console.tui.browse_keys import browse_footer
from console.tui.checking import Checking
from console.tui.describe import Told
from console.tui.opened import OpenRun
from console.tui.spans import Spans
from console.tui.widgets.bars import Bar, keys_line
from console.tui.widgets.lines import Lines
from console.tui.widgets.rows import DetailPane

if TYPE_CHECKING:
    from console.tui.seeking import Seeking

BESIDE_COLUMNS = 130


class Desk(Protocol):
    """What the application does for its screens."""

    def open_run(self, run: str, place: Hit | None = None) -> None:
        """Show one run's evidence, at a place that a search found."""

    def search_runs(self, text: str) -> None:
        """Show where a text stands in any run."""

    def compare_runs(self, first: str, second: str) -> None:
        """Show what two runs do not have alike."""

    def check_run(self, run: str) -> Checking:
        """Begin to verify a run, and return what becomes known of it."""

    def show_statements(self, run: OpenRun, pane: str, seek: Seeking | None) -> None:
        """Show a run's trace or matrix, and look for a statement."""


class ListScreen(Screen[None]):
    """Owns focus and layout; a subclass says what the list is and what is told of its line."""

    AUTO_FOCUS = ""
    focused = Reactive[Widget | None](None, repaint=False)
    """Textual repaints the whole screen whenever the focus moves; both panes draw their own titles here."""
    name_of_keys = ""
    has_tabs = False

    def __init__(self, keymap: Mapping[str, str]) -> None:
        super().__init__()
        self._keymap = keymap
        self._header = Bar(id="header", height=2)
        self._tabs = Bar(id="tabs", height=1)
        self._keys = Bar(id="keys", height=1)
        self._prompt = Input(id="prompt", select_on_focus=False)
        self._asking = ""
        self.details = DetailPane()

    def panes(self) -> Sequence[Lines]:
        """Return the lists, of which one is shown."""
        raise NotImplementedError

    @property
    def pane(self) -> Lines:
        """Return the list that is shown."""
        return self.panes()[0]

    def told(self) -> Sequence[Told]:
        """Return what is told of the selected line."""
        raise NotImplementedError

    def header(self) -> list[tuple[Spans, Spans]]:
        """Return the two lines above the list."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        """Lay list and details out."""
        yield self._header
        yield self._tabs
        with Container(id="evidence"):
            yield from self.panes()
            yield self.details
        yield self._prompt
        yield self._keys

    def on_mount(self) -> None:
        """Begin in the list."""
        self._prompt.display = False
        self._tabs.display = self.has_tabs
        self.lay_out()
        self.set_focus(self.pane)
        self.draw()

    def on_resize(self) -> None:
        """Beside each other, or one above the other, as there is room."""
        self.lay_out()
        self.call_after_refresh(self.draw)

    def lay_out(self) -> None:
        """Show the one list."""
        self.set_class(self.app.size.width >= BESIDE_COLUMNS, "beside")
        for pane in self.panes():
            pane.display = pane is self.pane

    def draw(self) -> None:
        """Draw bars and details; lists are drawn when they change."""
        if not self.is_mounted:
            return
        self.details.show(self.told())
        self._header.show(*self.header())
        if self._asking:
            words = "Enter: do it   Esc: leave it"
            self._keys.show((((f" {self._asking}: ", "name"), (words, "dim")), ()))
        else:
            keys = browse_footer(self.name_of_keys, self._keymap)
            self._keys.show((keys_line(keys, self.app.size.width), ()))

    def news(self) -> None:
        """Show what became known of a verification, where the screen tells of one."""

    def copied(self) -> str:
        """Return the details as lines; hostile characters stay glyphs in a clipboard too."""
        told = [(one.label, line) for one in self.told() for line in one.text.split("\n")]
        return "".join(f"{label}: {visible(line)}\n" for label, line in told)

    def on_lines_moved(self, message: Lines.Moved) -> None:
        """Tell of the line under the cursor."""
        del message
        self.draw()

    def on_lines_opened(self, message: Lines.Opened) -> None:
        """Enter opens what the line stands for, or goes to the details."""
        if message.pane is not self.details:
            self.open_line()

    def open_line(self) -> None:
        """Go to the details; a list whose lines lead elsewhere says so."""
        self.set_focus(self.details)

    def action_other_pane(self) -> None:
        """Go to the details, or back to the list."""
        if not self._asking:
            self.set_focus(self.pane if self.focused is self.details else self.details)

    def ask(self, what: str, text: str = "") -> None:
        """Open the line of input."""
        self._asking = what
        self._prompt.display = True
        self._prompt.value = text
        self._prompt.cursor_position = len(text)
        self.set_focus(self._prompt)  # at once: keys that were typed with the first one belong to it
        self.draw()

    def close_prompt(self) -> None:
        """Take the line of input away."""
        self._asking = ""
        self._prompt.display = False
        self.set_focus(self.pane)
        self.draw()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Do what was asked for."""
        asking = self._asking
        self.close_prompt()
        self.answered(asking, event.value.strip())

    def answered(self, asking: str, line: str) -> None:
        """Do something with a line that was typed."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave the keys that open the line of input to that line while it is open."""
        if self._asking and action in ("search", "filter"):
            return False
        return super().check_action(action, parameters)

    def key_escape(self) -> None:
        """Leave the line of input, go back to the list, then to where one came from; never out of the program."""
        if self._asking:
            self.close_prompt()
        elif self.focused is self.details:
            self.set_focus(self.pane)
        elif len(self.app.screen_stack) > 1:
            self.app.pop_screen()
