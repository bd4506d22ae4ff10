"""The user's own line: the file, number and text of the line in which what failed a scenario left.

Reads the engine's own copies of pack and subject, which the digest covers; of the harness it takes the place only,
and a place outside those folders is none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from console.model.text import one_line

_PLACE = re.compile(r"\((?:at [^()]*\()?([\w./-]+\.py):(\d{1,7})\)")
_LONGEST_FILE_BYTES = 4 << 20
_LINE_CHARS = 160


def own_line(told: Sequence[str], folders: Sequence[Path]) -> str:
    """Return "app/agent.py:22: agent.mark(unit)" for the first place named in `told` that is in a folder.

    `told` are frames or sentences, the nearest first; the last place of each counts. Empty when none is named.
    """
    for sentence in told:
        for name, number in reversed(_PLACE.findall(sentence)):
            text = _line(name, int(number), folders)
            if text:
                return f"{name}:{number}: {one_line(text, limit_chars=_LINE_CHARS)}"
    return ""


def _line(name: str, number: int, folders: Sequence[Path]) -> str:
    for folder in folders:
        path = folder / name
        inside = path.resolve().is_relative_to(folder.resolve())
        if not inside or not path.is_file() or path.stat().st_size > _LONGEST_FILE_BYTES:
            continue
        lines = path.read_text("utf-8", "replace").splitlines()
        if 1 <= number <= len(lines):
            return lines[number - 1].strip()
    return ""
