"""Runs as the reading commands see them: found, read once more where they look dead, timed."""

from __future__ import annotations

import argparse
import shlex
from datetime import UTC, datetime
from pathlib import Path

from console.cli.options import runs_folder
from console.errors import RunsFolderError
from console.evidence.sealed import is_sealed
from console.model.text import one_line
from console.runs import JOURNAL_FILE, LOG_FILE, RunFolder, find_run, list_runs, read_run
from console.settings import default_runs_folder

EXIT_UNCLEAN = 4

SLOWEST_START_S = 60.0
"""A run without a journal is older than this only when its engine never came to life."""


def the_run(options: argparse.Namespace) -> RunFolder:
    """Return the run that was named (the newest when none was).

    Raises RunNotFound, JournalBroken, and RunsFolderError when it may not be read.
    """
    runs = runs_folder(options)
    try:
        found = find_run(runs, options.run)
        return find_run(runs, found.run) if looks_dead(found) else found
    except OSError as wrong:
        raise _unreadable(str(wrong.filename or runs), wrong) from wrong


def all_runs(options: argparse.Namespace) -> list[RunFolder]:
    """Return every run, the newest first. Raises RunsFolderError when one may not be read."""
    runs = runs_folder(options)
    try:
        return [
            read_run(runs, found.run, tolerant=True) if looks_dead(found) else found
            for found in list_runs(runs)
        ]
    except OSError as wrong:
        raise _unreadable(str(wrong.filename or runs), wrong) from wrong


def _unreadable(what: str, wrong: OSError) -> RunsFolderError:
    return RunsFolderError(
        f"{what} cannot be read: {wrong.strerror}",
        remedy="ask as the user who made it, or name another --runs-dir",
    )


def looks_dead(found: RunFolder) -> bool:
    """Tell whether a begun run has neither an end nor an engine.

    A run that ended between the reading of its journal and the look at its lock looks dead once: the
    journal read again then holds the end.
    """
    return not found.alive and not found.broken and found.state.ended is None and found.state.last_n > 0


def died_unborn(found: RunFolder) -> bool:
    """Tell whether the engine died before its first word: nothing was made, nothing is to be recovered.

    An engine holds its journal from the moment it makes it, and makes it within seconds.
    """
    if found.alive or found.broken or found.state.last_n > 0:
        return False
    if (found.path / JOURNAL_FILE).exists():
        return True
    day, time = found.run[:8], found.run[9:15]
    named_at = moment(f"{day}T{time}Z")
    return named_at is None or (datetime.now(UTC) - named_at).total_seconds() > SLOWEST_START_S


def condition_of(found: RunFolder) -> str:
    """Return broken, dead, starting, running, waiting or ended."""
    if found.broken:
        return "broken"
    if looks_dead(found) or died_unborn(found):
        return "dead"
    return found.state.condition


def recover_line(found: RunFolder, options: argparse.Namespace) -> str | None:
    """Return the exact command that finishes a dead run, None where there is nothing to finish."""
    return the_recover_line(found, options) if looks_dead(found) else None


def the_recover_line(found: RunFolder, options: argparse.Namespace) -> str:
    """Return the exact command that finishes a run or removes what is left of it."""
    words = ["drydock", "recover", found.run]
    runs = runs_folder(options)
    if runs != default_runs_folder().absolute():
        words += ["--runs-dir", str(runs)]
    return shlex.join(words)


def is_unsealed(found: RunFolder) -> bool:
    """Tell whether a run has ended, nobody is at it any more, and its evidence has no seal."""
    return found.state.ended is not None and not found.alive and not is_sealed(found.path)


def unsealed_words(folder: Path) -> str:
    """Return the sentence about a run that was not sealed, with the engine's own reason where it gave one."""
    try:
        told = (folder / LOG_FILE).read_text("utf-8", "replace").splitlines()
    except OSError:
        told = []
    said = [line.removeprefix("drydock: ") for line in told if "could not be sealed: " in line]
    if said:
        return one_line(said[-1], limit_chars=600)
    return f"the evidence of {folder.name} was not sealed and does not verify; next: drydock recover {folder.name}"


def elapsed_s(found: RunFolder) -> float | None:
    """Return how long the run took, or takes while it is alive; None when its times cannot be read."""
    began = moment(found.state.created_at)
    living = found.alive and found.state.ended is None
    last = datetime.now(UTC) if living else moment(found.state.last_at)
    return max(0.0, (last - began).total_seconds()) if began and last else None


def moment(text: str) -> datetime | None:
    """Return a journal's time, None for anything else."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None


def duration(seconds: float | None) -> str:
    """Return seconds in words such as 2 h 03 min or 41.2 s; "unknown" for None."""
    if seconds is None:
        return "unknown"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
