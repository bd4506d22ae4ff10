"""Markdown that hostile text can neither leave nor decorate: the only place where a report is escaped.

Whatever is not plainly words becomes a code span, in which Markdown, HTML and bare links are dead; what a
terminal would act on becomes a glyph first. Never asks what a text means.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from console.model.text import one_line

SHOWN_CHARS = 4000
"""The longest single text in a report, in characters; the journal has it whole."""

_WORDS = re.compile(
    r"(?!\d+[.)])[A-Za-z0-9](?:[A-Za-z0-9 ,;'/%=()-]|[.:](?= |$)|(?<=[A-Za-z0-9])_(?=[A-Za-z0-9]))*"
)
_BACKTICKS = re.compile("`+")


def shown(value: object) -> str:
    """Return a recorded value as Markdown of one line: words as they are, everything else as code."""
    text = one_line(value if isinstance(value, str) else str(value), limit_chars=SHOWN_CHARS)
    if not text:
        return "(empty)"
    return text if _WORDS.fullmatch(text) else code(text)


def code(text: str) -> str:
    """Return a text as a code span whose fence is longer than any run of backticks in it."""
    safe = one_line(text, limit_chars=SHOWN_CHARS) or " "
    longest = max((len(run) for run in _BACKTICKS.findall(safe)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if longest else ""
    return f"{fence}{pad}{safe}{pad}{fence}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of finished Markdown cells; a pipe in a cell is escaped for the table's sake."""
    lines = [_row(header), "|" + "---|" * len(header), *(_row(row) for row in rows)]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def bullets(items: Iterable[str], *, empty: str) -> str:
    """Return finished Markdown as a list, or the sentence `empty` when there is nothing in it."""
    return "\n".join(f"- {item}" for item in items) or empty
