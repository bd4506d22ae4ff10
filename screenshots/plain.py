"""Draws screenshots/*.svg: what `drydock run --plain` says, from real runs on real PostgreSQL.

`python screenshots/plain.py` writes two pictures beside itself: the demo, and the defect that unit tests did
not see. The text is what the command wrote, with the run id and the times of that day. Uses no font and no
address from elsewhere.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

HERE = Path(__file__).resolve().parent
DEFECT = HERE.parent / "scenarios" / "cutter_dry_run" / "known_bad" / "find_leaves_transaction_open"
WIDTH_COLUMNS = 120
LONGEST_LINE_CHARS = 800
_STYLES = {"✓": "green", "✗": "bold red", "?": "yellow", "■": "yellow", "●": "cyan"}

SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" xml:space="preserve">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
  font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-size: 18px; font-family: sans-serif; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" /></clipPath>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">{backgrounds}
<g class="{unique_id}-matrix">{matrix}</g></g>
</svg>
"""
"""rich's own format without the fonts that it would fetch from elsewhere."""


def said_by(words: Sequence[str]) -> list[str]:
    """Run the real command and return the lines that it wrote."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as runs:
        command = [sys.executable, "-m", "console", *words, "--runs-dir", runs]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return [line for line in done.stderr.splitlines() if not line.startswith("evidence:")]


def drawn(title: str, typed: str, lines: Sequence[str]) -> str:
    """Return the picture of what was typed and what was said."""
    with Path("/dev/null").open("w", encoding="utf-8") as nowhere:
        console = Console(
            width=WIDTH_COLUMNS, record=True, file=nowhere, force_terminal=True, color_system="truecolor"
        )
        console.print(Text(f"$ {typed}", style="bold"))
        for line in lines:
            shown = line if len(line) <= LONGEST_LINE_CHARS else line[: LONGEST_LINE_CHARS - 1] + "…"
            style = _STYLES.get(shown.strip()[:1], "")
            console.print(Text(shown, style=style))
        return re.sub(
            r"[ \t]+$", "", console.export_svg(title=title, code_format=SVG, unique_id="drydock"), flags=re.M
        )


def main() -> None:
    """Write both pictures."""
    words = ["run", "--plain", "--approve", "all"]
    (HERE / "plain-pass.svg").write_text(
        drawn("drydock: the demo", "drydock run --plain --approve all", said_by(words)), encoding="utf-8"
    )
    typed = f"drydock run --plain --approve all --subject {DEFECT.relative_to(HERE.parent)}"
    (HERE / "plain-fail.svg").write_text(
        drawn(
            "drydock: a defect that unit tests did not see",
            typed,
            said_by([*words, "--subject", str(DEFECT)]),
        ),
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
