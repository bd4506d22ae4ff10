"""Literal addresses, connection strings and passwords in code that ought to have none.

Finds, names file and line, never repeats what looks like a password. Tells; no gate rests on it,
because an example in a comment is no defect.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

LARGEST_FILE_BYTES = 4 << 20
MOST_FINDINGS = 200

_PATTERNS = (
    ("an IPv4 address", re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])")),
    ("a connection string", re.compile(r"\bpostgres(?:ql)?://\S+|\bhost\s*=\s*\S+\s+.*\bpassword\s*=", re.I)),
    (
        "a literal password",
        re.compile(r"""(?i)\b(?:password|passwd|pwd|secret)\b["']?\s*[:=]\s*["'][^"'\s{}]{4,}["']"""),
    ),
)


def hardcoded(files: Iterable[Path], *, root: Path) -> list[str]:
    """Return "file:line kind" for every literal found, at most 200 and then a last line that says so."""
    found: list[str] = []
    for path in files:
        if path.stat().st_size > LARGEST_FILE_BYTES:
            found.append(f"{path.relative_to(root)}: larger than {LARGEST_FILE_BYTES} bytes, not searched")
            continue
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
            found += [
                f"{path.relative_to(root)}:{number} {kind}"
                for kind, pattern in _PATTERNS
                if pattern.search(line)
            ]
    if len(found) > MOST_FINDINGS:
        return [*found[:MOST_FINDINGS], f"and {len(found) - MOST_FINDINGS} more"]
    return found
