"""Text with roles: what pure functions return and widgets colour. Words and glyphs carry the meaning alone.

Every text that comes from outside goes through `visible` before it becomes a span.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from rich.cells import cell_len, chop_cells, set_cell_size

from console.model.text import visible

ROLES = ("plain", "dim", "pass", "fail", "wait", "name", "title")

Span = tuple[str, str]
Spans = tuple[Span, ...]

GLYPHS = {
    "PASS": "✓",
    "FAIL": "✗",
    "UNKNOWN": "?",
    "ABORTED": "■",
    "waiting": "●",
    "running": "▶",
    "pending": "·",
}
VERDICT_ROLES = {"PASS": "pass", "FAIL": "fail", "UNKNOWN": "wait", "ABORTED": "wait"}


def cell(text: str, width: int) -> str:
    """Return `text` in exactly `width` columns, shortened with an ellipsis where it is longer."""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(text, max(0, width - 1)) + "…" if width else ""


def cell_right(text: str, width: int) -> str:
    """Return `text` at the right of `width` columns."""
    length = cell_len(text)
    return " " * (width - length) + text if length <= width else cell(text, width)


def width_of(spans: Iterable[Span]) -> int:
    """Return how many columns spans take."""
    return sum(cell_len(text) for text, _role in spans)


def wrapped(text: str, width: int) -> list[str]:
    """Return hostile text as visible lines of at most `width` columns; its own line breaks are kept."""
    lines: list[str] = []
    for line in text.replace("\r\n", "\n").split("\n"):
        shown = visible(line.replace("\t", "    "))
        if cell_len(shown) <= width:
            lines.append(shown)
        elif all(cell_len(character) == 1 for character in set(shown)):
            lines += textwrap.wrap(
                shown, max(1, width), break_on_hyphens=False, drop_whitespace=True, replace_whitespace=False
            )
        else:
            lines += chop_cells(shown, max(2, width))
    return lines or [""]


def duration(seconds: float) -> str:
    """Return a time span in the shortest words that are exact enough: 3 h 02 min, 1:05, 4.2 s."""
    if seconds >= 3600:
        return f"{seconds // 3600:.0f} h {seconds % 3600 // 60:02.0f} min"
    if seconds >= 60:
        return f"{seconds // 60:.0f} min {seconds % 60:02.0f} s"
    return f"{seconds:.1f} s"


def milliseconds(microseconds: int) -> str:
    """Return a statement's duration, "" when none was recorded."""
    if microseconds <= 0:
        return ""
    return f"{microseconds / 1000:.1f} ms" if microseconds < 10_000_000 else f"{microseconds / 1e6:.0f} s"
