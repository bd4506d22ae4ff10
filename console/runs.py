"""The runs folder: where runs are, what they are called, and reading one back.

Creates a run's own folder (0700) and nothing else; never removes anything.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from console.errors import JournalBroken, RunNotFound, RunsFolderError
from console.journal import read_journal
from console.model.run_state import RunState, fold

JOURNAL_FILE = "journal.jsonl"
ORDER_FILE = "order.json"
LOG_FILE = "engine.log"
_RUN_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}")


class RunFolder(msgspec.Struct, frozen=True, kw_only=True):
    """One run on disk. `alive` tells whether an engine holds its journal now."""

    run: str
    path: Path
    state: RunState
    alive: bool
    broken: str = ""


def is_run_id(text: str) -> bool:
    """Tell whether a text is a whole id, which can be a folder's name below the runs folder."""
    return _RUN_ID.fullmatch(text) is not None


def new_run_id() -> str:
    """Return an id such as 20261121-034512-7f3a (UTC and two random bytes)."""
    import secrets

    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def create_run_folder(runs: Path, run: str) -> Path:
    """Create the run's folder, 0700. Raises RunsFolderError in one sentence."""
    try:
        runs.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = runs / run
        path.mkdir(mode=0o700)
    except OSError as wrong:
        raise RunsFolderError(
            f"the runs folder {runs} cannot be written: {wrong.strerror}",
            remedy="name another with --runs-dir",
        ) from wrong
    return path


def list_runs(runs: Path) -> list[RunFolder]:
    """Return every run of the folder, the newest first; empty when the folder does not exist."""
    names = run_names(runs) or []
    return [read_run(runs, name, tolerant=True) for name in reversed(names)]


def run_names(runs: Path) -> list[str] | None:
    """Return the ids of all runs, the oldest first; None when the folder does not exist."""
    try:
        return sorted(entry.name for entry in runs.iterdir() if _RUN_ID.fullmatch(entry.name))
    except FileNotFoundError:
        return None
    except OSError as wrong:
        raise RunsFolderError(
            f"{runs} cannot be read: {wrong.strerror}", remedy="name another --runs-dir"
        ) from wrong


def find_run(runs: Path, named: str | None, *, tolerant: bool = False) -> RunFolder:
    """Return a run by its id or its unique beginning; the newest when none is named.

    Raises RunNotFound naming what there is, and what `read_run` raises.
    """
    names = run_names(runs)
    if names is None:
        raise RunNotFound(f"there is no runs folder {runs}", remedy="name it with --runs-dir")
    if named is None:
        if not names:
            raise RunNotFound(f"there is no run in {runs}", remedy="start one with drydock run")
        return read_run(runs, names[-1], tolerant=tolerant)
    found = [name for name in names if name.startswith(named)]
    if len(found) != 1:
        what = f"{len(found)} runs begin with" if found else f"there is no run in {runs} called"
        raise RunNotFound(f"{what} {named!r}", remedy="drydock runs lists them")
    return read_run(runs, found[0], tolerant=tolerant)


def read_run(runs: Path, run: str, *, tolerant: bool = False) -> RunFolder:
    """Return one run's folded state; `tolerant` turns a broken or unreadable journal into `broken`.

    Raises RunsFolderError when the journal cannot be read, JournalBroken when it does not verify.
    """
    path = runs / run
    journal = path / JOURNAL_FILE
    try:
        if path.is_symlink() or journal.is_symlink():
            raise OSError(errno.ELOOP, "it is a link, which no run is")
        state, broken = fold(read_journal(journal)), ""
    except FileNotFoundError:
        state, broken = RunState(), ""
    except OSError as wrong:
        what = f"{journal} cannot be read: {wrong.strerror}"
        if not tolerant:
            raise RunsFolderError(what, remedy="ask the user whose run it is") from wrong
        return RunFolder(run=run, path=path, state=RunState(), alive=False, broken=what)
    except JournalBroken as wrong:
        if not tolerant:
            raise
        state, broken = RunState(), str(wrong)
    return RunFolder(run=run, path=path, state=state, alive=journal_is_held(journal), broken=broken)


def journal_is_held(journal: Path) -> bool:
    """Tell whether an engine (or a watchdog) holds the journal for writing."""
    try:
        descriptor = os.open(journal, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
