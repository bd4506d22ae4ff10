"""What the reading commands write on stdout: tables sized to the terminal, and JSON.

Every cell goes through the sanitiser, every JSON text is ASCII, so that nothing recorded reaches a terminal
raw. No colour: the words carry everything.
"""

from __future__ import annotations

import io
import os
import sys
import textwrap
import unicodedata
from collections.abc import Sequence

from console.cli.columns import terminal_columns
from console.model.text import one_line

_GAP = "  "
_NARROWEST_COLUMNS = 10
_CELL_CHARS = 2000


def print_json(value: object) -> None:
    """Write one JSON document; what a terminal could act on is escaped."""
    import json

    text = json.dumps(value, ensure_ascii=True, indent=1)
    print_text(text.replace("\x7f", "\\u007f"))


def print_text(text: str) -> None:
    """Write lines as they are; a character that the terminal's encoding lacks is written as its escape."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.stdout.write(text + "\n")


def print_pairs(pairs: Sequence[tuple[str, str]]) -> None:
    """Write names and values, the values wrapped beside their names; a command stays on one line."""
    widest = max(len(name) for name, _value in pairs)
    columns = _columns()
    for name, value in pairs:
        text = one_line(value, limit_chars=_CELL_CHARS)
        unwrapped = not columns or text.startswith("drydock ")
        room = 0 if unwrapped else max(_NARROWEST_COLUMNS, columns - widest - len(_GAP))
        first, *more = wrapped(text, room)
        print_text(f"{name:<{widest}}{_GAP}{first}".rstrip())
        for line in more:
            print_text(" " * widest + _GAP + line)


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write a table whose cells wrap until it fits the terminal; into a pipe, one line a row."""
    cells = [[one_line(cell, limit_chars=_CELL_CHARS) for cell in row] for row in (header, *rows)]
    widths = column_widths(cells, _columns())
    for row in cells:
        columns = [wrapped(cell, width) for cell, width in zip(row, widths, strict=True)]
        for number in range(max(map(len, columns))):
            parts = [lines[number] if number < len(lines) else "" for lines in columns]
            padded = [
                part + " " * (width - width_of(part)) for part, width in zip(parts, widths, strict=True)
            ]
            print_text(_GAP.join(padded).rstrip())


def _columns() -> int:
    """Return how many columns there are, 0 (as many as needed) when stdout is no terminal."""
    return terminal_columns() if sys.stdout.isatty() or "COLUMNS" in os.environ else 0


def column_widths(cells: Sequence[Sequence[str]], columns: int) -> list[int]:
    """Return a width for each column: what it needs, the widest ones narrowed until all fit `columns`."""
    widths = [max(1, *(width_of(cell) for cell in column)) for column in zip(*cells, strict=True)]
    room = columns - len(_GAP) * (len(widths) - 1)
    while columns and sum(widths) > room and max(widths) > _NARROWEST_COLUMNS:
        widths[widths.index(max(widths))] -= 1
    return widths


def wrapped(text: str, width: int) -> list[str]:
    """Return the lines of a text in `width` columns, 0 for one line; never empty."""
    if not width or width_of(text) <= width:
        return [text]
    narrow = width if width_of(text) == len(text) else max(1, width // 2)
    return textwrap.wrap(text, max(narrow, 1), break_on_hyphens=False) or [""]


def width_of(text: str) -> int:
    """Return how many columns a text takes; wide East Asian characters take two, marks none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )
