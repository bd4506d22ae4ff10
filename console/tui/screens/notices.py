"""Two screens that only tell: the keys, and that the terminal is too small."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from console.tui.keys import help_lines
from console.tui.terminal import SMALLEST_COLUMNS, SMALLEST_ROWS

_KEY_COLUMNS = 16


class HelpScreen(ModalScreen[None]):
    """Every key and what it does, from the one table."""

    BINDINGS = [("escape,question_mark,q,enter,f1", "dismiss", "back")]

    def __init__(self, keymap: Mapping[str, str], lines: Iterable[tuple[str, str]] | None = None) -> None:
        super().__init__()
        self._lines = lines if lines is not None else help_lines(keymap)

    def compose(self) -> ComposeResult:
        """One scrolling text for each place; what does not fit on a line goes on below its own column."""
        with VerticalScroll(id="help"):
            yield Static(Text("Keys (Esc goes back)", style="bold"))
            for key, does in self._lines:
                if not key:
                    table = Table.grid(padding=(0, 0, 0, 2))
                    table.add_column(min_width=_KEY_COLUMNS)
                    table.add_column()
                    yield Static(Text(f"\n{does}", style="bold"))
                    yield Static(table)
                else:
                    table.add_row(Text(key, style="bold"), Text(does))


class TooSmallScreen(ModalScreen[None]):
    """One message while the terminal is below 80x24; every key waits but those that leave."""

    BINDINGS = [("q,ctrl+c", "leave", "leave")]

    def __init__(self, waits: Callable[[], str] = str) -> None:
        """`waits` says which question stands meanwhile, "" for none."""
        super().__init__()
        self._waits = waits

    def action_leave(self) -> None:
        """Close the screen; whatever goes on goes on."""
        self.app.exit()

    def compose(self) -> ComposeResult:
        """One message."""
        yield Static("", id="too-small", markup=False)

    def on_mount(self) -> None:
        """Say how small it is."""
        self.tell()

    def on_resize(self) -> None:
        """Say how small it is now."""
        self.tell()

    def tell(self) -> None:
        """Write the message with the terminal's size."""
        width, height = self.app.size
        needed = f"Drydock needs {SMALLEST_COLUMNS}x{SMALLEST_ROWS}."
        waits = self._waits()
        told = Text(f"This terminal is {width}x{height}.\n{needed}\n{waits or 'The run goes on.'}\nq leaves.")
        self.query_one("#too-small", Static).update(told)
