"""`drydock runs`: every run of the folder, the newest first, with the ones that wait for recover marked.

Names what the ledger knows and the folder has not. With --prune-older-than it removes packs, named first and
asked about; never a run that lives, is not CLEAN, or cannot be read.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from console.cli.listing import print_json, print_table
from console.cli.options import add_json, add_runs_dir, runs_folder
from console.cli.pruning import prune, size_words
from console.cli.reading import all_runs, condition_of, duration, elapsed_s, recover_line, the_recover_line
from console.errors import JournalBroken
from console.evidence.ledger import LEDGER_FILE, read_ledger, vanished
from console.evidence.recorded import place_of_end
from console.evidence.storage import size_bytes_of
from console.model.sample_words import sample_kind, sample_words
from console.model.text import visible
from console.runs import RunFolder
from console.settings import default_state_folder

_HEADER = ("run", "started", "state", "closure", "cause", "where", "took", "size", "subject")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's words."""
    add_runs_dir(parser)
    add_json(parser)
    what = "remove CLEAN runs that ended before that many days; names them and asks"
    parser.add_argument("--prune-older-than", metavar="DAYS", type=float, help=what)
    parser.add_argument("--yes", action="store_true", help="with --prune-older-than: do not ask")


def main(options: argparse.Namespace) -> int:
    """List the runs; 0 also when there is none."""
    if options.prune_older_than is not None:
        return prune(options)
    found = all_runs(options)
    if options.json:
        print_json([_as_json(run, options) for run in found])
        return 0
    _tell_vanished(runs_folder(options), found)
    if not found:
        sys.stderr.write(f"drydock: there is no run in {visible(str(runs_folder(options)))}\n")
        return 0
    print_table(_HEADER, [_row(run) for run in found])
    for run in found:
        for sentence in _troubles(run, options):
            sys.stderr.write(f"drydock: {visible(sentence)}\n")
    return 0


def _tell_vanished(runs: Path, found: list[RunFolder]) -> None:
    """Say on stderr which runs the ledger knows and the folder has not; drydock verify has the verdict."""
    try:
        lines = read_ledger(default_state_folder() / LEDGER_FILE)
    except (OSError, JournalBroken) as wrong:
        sys.stderr.write(f"drydock: the ledger cannot be used: {visible(str(wrong))}\n")
        return
    for line in vanished(lines, runs, {one.run for one in found}):
        words = f"{line.run} is in the ledger ({line.what}, {line.at}) and its folder is gone"
        sys.stderr.write(f"drydock: {visible(words)}\n")


def _state(found: RunFolder) -> str:
    ended = found.state.ended
    if ended is not None:
        kind = sample_kind(found.state)
        return f"{ended.verdict} of a {kind}" if kind else ended.verdict
    condition = condition_of(found)
    armed = found.state.armed
    return f"waiting at {armed.boundary}" if condition == "waiting" and armed else condition


def _where(found: RunFolder) -> str:
    if found.state.ended is None:
        return found.state.current_step
    return place_of_end(found.state)


def _subject(found: RunFolder) -> str:
    created = found.state.created
    return str(created.config.get("subject_folder", "")) if created else ""


def _row(found: RunFolder) -> tuple[str, ...]:
    state = found.state
    return (
        found.run,
        state.created_at.partition(".")[0].replace("T", " ") or "unknown",
        _state(found),
        state.ended.closure if state.ended else "",
        (state.ended.cause or "") if state.ended else "",
        _where(found),
        duration(elapsed_s(found)),
        size_words(size_bytes_of(found.path)),
        _subject(found),
    )


def _troubles(found: RunFolder, options: argparse.Namespace) -> list[str]:
    if found.broken:
        told = [f"the journal of {found.run} does not verify: {found.broken}"]
        line = the_recover_line(found, options)
        return told if found.alive else [*told, f"what its verified beginning names is removed by: {line}"]
    recover = recover_line(found, options)
    return [f"{found.run} waits for: {recover}"] if recover else []


def _as_json(found: RunFolder, options: argparse.Namespace) -> dict[str, object]:
    state = found.state
    return {
        "run": found.run,
        "started_at": state.created_at or None,
        "condition": condition_of(found),
        "verdict": state.ended.verdict if state.ended else None,
        "copy": sample_words(state) or "whole",
        "closure": state.ended.closure if state.ended else None,
        "cause": state.ended.cause if state.ended else None,
        "where": _where(found) or None,
        "subject": _subject(found) or None,
        "duration_s": elapsed_s(found),
        "size_bytes": size_bytes_of(found.path),
        "alive": found.alive,
        "broken": found.broken or None,
        "recover": recover_line(found, options),
        "evidence": str(found.path),
    }
