"""Prints one of README.md's two setup commands, so that CI and page cannot drift apart.

`readme_command.py demo|test README.md`: the command is the one line of the block below the marker
`<!-- command: demo -->` or `<!-- command: test -->`. Never changes it.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path


def command(name: str, page: str) -> str:
    """Return the command. Raises ValueError when the page has it not exactly once, on one line."""
    found = re.findall(rf"<!-- command: {re.escape(name)} -->\n+```sh\n(.+)\n```\n", page)
    if len(found) != 1:
        raise ValueError(f"the page has {len(found)} one-line commands called {name}, not 1")
    return str(found[0])


if __name__ == "__main__":
    sys.stdout.write(command(sys.argv[1], Path(sys.argv[2]).read_text(encoding="utf-8")) + "\n")
