"""How wide the terminal is; loads nothing, where shutil brings its compressors."""

from __future__ import annotations

import os

_COLUMNS_OF_NO_TERMINAL = 80


def terminal_columns() -> int:
    """Return the columns that COLUMNS names, else stdout's terminal, else 80."""
    named = os.environ.get("COLUMNS", "")
    if named.isascii() and named.isdecimal() and 0 < len(named) < 5 and int(named):
        return int(named)
    try:
        return os.get_terminal_size().columns or _COLUMNS_OF_NO_TERMINAL
    except OSError:
        return _COLUMNS_OF_NO_TERMINAL
