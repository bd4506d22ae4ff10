"""Removing old packs: which ones may go, the question, the removal by exact name, the ledger's word on each.

Never touches a run that lives, has not ended CLEAN, or whose journal cannot be read.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from datetime import UTC, datetime, timedelta

from console.cli.listing import print_json, print_text
from console.cli.options import runs_folder
from console.cli.reading import all_runs, moment
from console.errors import RunsFolderError, UsageError
from console.evidence.ledger import LEDGER_FILE, LedgerLine, append
from console.evidence.storage import size_bytes_of
from console.model.text import visible
from console.runs import RunFolder, read_run
from console.settings import default_state_folder


def prune(options: argparse.Namespace) -> int:
    """Name the runs that would go, ask, remove them; 0 also when there is none or the answer is no."""
    if not options.prune_older_than >= 0:
        raise UsageError("--prune-older-than needs a number of days", remedy="write 90, or 0.5")
    before = datetime.now(UTC) - timedelta(days=options.prune_older_than)
    going = [found for found in all_runs(options) if may_go(found, before)]
    if options.json and not options.yes:
        raise UsageError("--json cannot ask", remedy="add --yes")
    for found in going if not options.json else []:
        print_text(visible(f"{found.run}  {size_words(size_bytes_of(found.path))}  {found.path}"))
    removed = [_remove(options, found) for found in going] if going and _agreed(options, len(going)) else []
    if options.json:
        print_json({"removed": removed})
    else:
        sys.stderr.write(f"{len(removed)} runs were removed\n")
    return 0


def may_go(found: RunFolder, before: datetime) -> bool:
    """Tell whether a run ended CLEAN before a time and nobody holds it."""
    ended = found.state.ended
    last = moment(found.state.last_at)
    return (
        ended is not None and ended.closure == "CLEAN" and not found.alive and not found.broken
        and last is not None and last < before
    )  # fmt: skip


def _agreed(options: argparse.Namespace, count: int) -> bool:
    if options.yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError("nobody can be asked here", remedy="look at the list above, then add --yes")
    sys.stderr.write(f"remove these {count} runs for good? Type {count} to do it: ")
    sys.stderr.flush()
    return sys.stdin.readline().strip() == str(count)


def _remove(options: argparse.Namespace, found: RunFolder) -> str:
    """Remove one run's folder; it is looked at once more, because the answer may have taken a while."""
    again = read_run(runs_folder(options), found.run, tolerant=True)
    if again.alive or again.state.ended != found.state.ended:
        raise RunsFolderError(f"{found.run} has changed meanwhile", remedy="look at it with drydock status")
    line = LedgerLine(run=found.run, what="removed", folder=str(found.path.parent))
    append(default_state_folder() / LEDGER_FILE, line)
    try:
        shutil.rmtree(found.path)
    except OSError as wrong:
        raise RunsFolderError(
            f"{wrong.filename} cannot be removed: {wrong.strerror}", remedy="ask as its owner"
        ) from wrong
    return found.run


def size_words(size_bytes: int) -> str:
    """Return a size such as 1.4 MB (powers of ten)."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return ""
