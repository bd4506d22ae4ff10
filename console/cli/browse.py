"""`drydock browse`: a finished run in the same screen; nothing can be answered or changed there."""

from __future__ import annotations

import argparse

from console.cli.attach import open_screen
from console.cli.options import add_runs_dir, add_screen_options, runs_folder
from console.errors import UsageError
from console.evidence.unpacking import unpacked
from console.runs import find_run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's words."""
    parser.add_argument(
        "run", metavar="RUN", nargs="?", help="the run's id or its beginning (none: the newest)"
    )
    add_screen_options(parser)
    add_runs_dir(parser)


def main(options: argparse.Namespace) -> int:
    """Open a run's evidence; 0 when the screen was left, whatever the run's verdict.

    Raises UsageError for a run that goes on: attach is for those.
    """
    found = find_run(runs_folder(options), options.run)
    if found.state.ended is None and found.alive:
        raise UsageError(
            f"the run {found.run} goes on", remedy=f"look at it with drydock attach {found.run} --observe"
        )
    with unpacked(found.path) as folder:
        code = open_screen(folder, observe=True, theme=options.theme, mouse=not options.no_mouse)
    return code if code >= 64 else 0
