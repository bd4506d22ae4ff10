"""`drydock recover`: finish what a dead engine, an UNCLEAN end or a failed seal left, from receipts and exact names."""

from __future__ import annotations

import argparse
import os
import stat
import sys
from pathlib import Path

from console.cli.asking import asked, registry_of
from console.cli.expiring import kept_folders, tell_expired
from console.cli.options import add_runs_dir, runs_folder
from console.cli.reading import EXIT_UNCLEAN
from console.errors import RunsFolderError, UsageError
from console.evidence.sealed import is_sealed
from console.model.event import RunEnded
from console.model.run_state import RunState
from console.model.text import visible
from console.runs import JOURNAL_FILE, ORDER_FILE, RunFolder, find_run, list_runs
from console.secret_store import PROMPT_PREFIX
from console.secrets import SecretRegistry


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's words."""
    parser.add_argument(
        "run", metavar="RUN", nargs="?", help="the run's id (default: every dead or UNCLEAN run)"
    )
    add_runs_dir(parser)


def main(options: argparse.Namespace) -> int:
    """Take over each dead or UNCLEAN run, seal each unsealed one; return the worst exit code, 0 for none."""
    from console.environments.process import take_no_signals_over

    take_no_signals_over()
    runs = runs_folder(options)
    named = [find_run(runs, options.run, tolerant=True)] if options.run else list_runs(runs)
    codes = [0]
    for found in named:
        stranger = _why_not_ours(found)
        if stranger and options.run:
            raise RunsFolderError(stranger, remedy="ask as the user whose run it is")
        if stranger:
            sys.stderr.write(f"drydock: {visible(stranger)}\n")
            continue
        if not found.broken and (found.state.created is None or (_is_clean(found) and is_sealed(found.path))):
            continue
        if found.alive:
            if options.run:
                raise UsageError(f"the run {found.run} is alive", remedy="end it with drydock abort")
            continue
        try:
            codes.append(_finish(found))
        except BlockingIOError:
            sys.stderr.write(f"drydock: {found.run} is being finished by another process\n")
            codes.append(EXIT_UNCLEAN)
            continue
        except OSError as wrong:
            what = f"{wrong.filename or found.path} cannot be used: {wrong.strerror}"
            if options.run:
                raise RunsFolderError(what, remedy="ask as the user whose run it is") from wrong
            sys.stderr.write(f"drydock: {visible(what)}\n")
            codes.append(EXIT_UNCLEAN)
            continue
        told = f"{found.run} was finished with exit code {codes[-1]}{_change_of_end(found, runs)}"
        sys.stderr.write(f"drydock: {visible(told)}\n")
    for folder in kept_folders(runs):
        tell_expired(folder)
    if codes == [0]:
        what = (
            f"{options.run} left nothing" if options.run else f"no run of yours in {runs} has left anything"
        )
        sys.stderr.write(f"drydock: {visible(what)}: there is nothing to recover\n")
    return max(codes)


def _change_of_end(found: RunFolder, runs: Path) -> str:
    again = find_run(runs, found.run, tolerant=True)
    return "" if found.broken or again.broken else change_of_end(found.state.ended, again.state.ended)


def change_of_end(before: RunEnded | None, after: RunEnded | None) -> str:
    """Return in a clause what became of an earlier end; "" for a run that had none."""
    if before is None or after is None:
        return ""
    if (before.verdict, before.closure) == (after.verdict, after.closure):
        return f": {after.verdict}, {after.closure} as before"
    why = ""
    if before.verdict != after.verdict:
        why = f"; the earlier verdict was for: {before.reason or ', '.join(before.residue)}"
    return (
        f": it had ended {before.verdict}, {before.closure} and is {after.verdict}, {after.closure} now{why}"
    )


def _is_clean(found: RunFolder) -> bool:
    return found.state.ended is not None and found.state.ended.closure == "CLEAN"


def _finish(found: RunFolder) -> int:
    """Seal a run that ended CLEAN and was not, take any other over; return its exit code."""
    from console.engine.rehearse import seal_unsealed, take_over

    ended = found.state.ended
    if ended is not None and not found.broken and _is_clean(found):
        return seal_unsealed(found.path, ended.exit_code)
    return take_over(found.path, by="drydock recover", registry=_typed_again(found.state))


def _typed_again(state: RunState) -> SecretRegistry:
    """Ask anew for what was typed when the run began, where somebody can be asked: the closing gates need it."""
    source = state.created.config.get("source", {}) if state.created is not None else {}
    name = str(source.get("secret", ""))
    if not name.startswith(PROMPT_PREFIX) or not sys.stdin.isatty():
        return registry_of({})
    return registry_of(asked([name], may_ask=True))


def _why_not_ours(found: RunFolder) -> str:
    """Say why a run is not to be touched: its journal would name what this user removes."""
    for path in (found.path, found.path / JOURNAL_FILE, found.path / ORDER_FILE):
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue
        except OSError as wrong:
            return f"{path} cannot be read: {wrong.strerror}"
        if stat.S_ISLNK(status.st_mode):
            return f"{path} is a link, which no run has"
        if status.st_uid != os.geteuid():
            return f"{path} belongs to another user of this machine"
    return ""
