"""The screen as an SVG picture that fetches nothing: no font, no script, no link to anywhere."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path

_FONTS = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)
_COMMENTS = re.compile(r"\s*<!--.*?-->", re.DOTALL)


def without_links(svg: str) -> str:
    """Return the picture without its fonts from outside and its maker's comment."""
    return _COMMENTS.sub("", _FONTS.sub("", svg))


def keep(text: str, folder: Path, name: str) -> Path:
    """Write what the operator asked to keep to a file of its own, 0600, and return its path. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / name
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    with open(os.open(path, flags, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    return path


def picture_name(run: str) -> str:
    """Return a file name for a picture of a run, by run and second."""
    return f"{run}-{datetime.now(UTC):%H%M%S}.svg"
