"""`drydock kept`: the copies of production that are kept for later runs, and removing one by its exact name."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from console.cli.expiring import kept_folders, tell_expired
from console.cli.listing import print_json, print_pairs, print_text
from console.cli.options import add_json, add_runs_dir, runs_folder
from console.cli.pruning import size_words
from console.engine.kept_removal import remove_kept
from console.errors import UsageError
from console.kept import Kept, KeptInUse, is_held, is_kept_name, kept_copies, now, shown
from console.model.text import visible

EXIT_UNCLEAN = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's words."""
    _add_folder(parser, default=None)
    add_runs_dir(parser)
    add_json(parser)
    acts = parser.add_subparsers(dest="act", metavar="ACT")
    for act, does in (
        ("list", "what is kept (as without an act)"),
        ("remove", "end what is kept under exact names"),
    ):
        below = acts.add_parser(act, help=does, description=does)
        _add_folder(below, default=argparse.SUPPRESS)
        if act == "remove":
            below.add_argument(
                "names", metavar="NAME", nargs="+", help="the exact name, as drydock kept shows it"
            )


def _add_folder(parser: argparse.ArgumentParser, *, default: object) -> None:
    folder = "the folder of kept copies (default: DRYDOCK_KEPT_DIR, else one in /dev/shm, and those that runs named)"
    parser.add_argument("--folder", metavar="DIR", type=Path, default=default, help=folder)


def main(options: argparse.Namespace) -> int:
    """List what is kept, once what is over has been removed, or remove what is named; 4 where something stays."""
    folders = [options.folder.absolute()] if options.folder else kept_folders(runs_folder(options))
    if options.act == "remove":
        return _remove(folders, options.names)
    failed = sum(tell_expired(folder) for folder in folders)
    found, at = _kept_in(folders), now()
    if options.json:
        print_json([_as_json(one, at) for one in found])
    for number, one in enumerate([] if options.json else found):
        if number:
            print_text("")
        print_pairs(_pairs(one, at))
    if not found:
        sys.stderr.write(f"drydock: no copy is kept in {visible(_words(folders))}\n")
    return EXIT_UNCLEAN if failed else 0


def _kept_in(folders: Sequence[Path]) -> list[Kept]:
    return [one for folder in folders for one in kept_copies(folder)]


def _words(folders: Sequence[Path]) -> str:
    return " or ".join(str(folder) for folder in folders)


def _remove(folders: Sequence[Path], names: list[str]) -> int:
    there = {one.path.name: one for one in _kept_in(folders)}
    for name in names:
        if not is_kept_name(name) or name not in there:
            raise UsageError(
                f"no copy is kept in {_words(folders)} under the name {name}",
                remedy="drydock kept lists them",
            )
    code = 0
    for name in names:
        try:
            remove_kept(there[name])
        except KeptInUse:
            code = EXIT_UNCLEAN
            words = f"{name} stays: a run reads from it; try again when that has laid it out"
        except OSError as wrong:
            code = EXIT_UNCLEAN
            words = f"{name} stays: {wrong}"
        else:
            words = f"removed {name}"
        sys.stderr.write(f"drydock: {visible(words)}\n")
    return code


def _state(kept: Kept, at: datetime) -> str:
    if kept.listed is None:
        return "a run makes it at this moment" if is_held(kept.path) else kept.broken
    return "over: kept" if kept.is_over(at) else "kept"


def _pairs(kept: Kept, at: datetime) -> list[tuple[str, str]]:
    """Return what the list says, the exact name first: a copy is removed by it."""
    name, told = ("name", kept.path.name), kept.listed
    place = ("folder", str(kept.path.parent))
    if told is None:
        return [name, place, ("state", _state(kept, at))]
    until = f"{_state(kept, at)} until {shown(told.until)}"
    state = f"{until}, {size_words(told.size_bytes)}, {told.protection}"
    return [name, place, ("source", f"{told.source}, read at {told.read_at}"), ("state", state)]


def _as_json(kept: Kept, at: datetime) -> dict[str, object]:
    told = kept.listed
    found: dict[str, object] = {"name": kept.path.name, "path": str(kept.path), "state": _state(kept, at)}
    if told is not None:
        found |= {
            "run": told.run, "source": told.source, "read_at": told.read_at, "kept_at": told.kept_at.isoformat(),
            "until": told.until.isoformat(), "size_bytes": told.size_bytes, "protection": told.protection,
            "sha256": told.sha256,
        }  # fmt: skip
    return found
