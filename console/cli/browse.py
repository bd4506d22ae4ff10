"""`drydock browse`: the evidence of all runs, or of one; nothing can be answered or changed there."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from console.cli.attach import EXIT_SCREEN_FAILED, let_the_terminal_go, prepare_screen, theme_name
from console.cli.options import add_runs_dir, add_screen_options, runs_folder
from console.errors import JournalBroken, UsageError
from console.runs import find_run, run_names

if TYPE_CHECKING:
    from console.evidence.verification import Outside


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's words."""
    what = "the run's id or its beginning (none: the list of all runs)"
    parser.add_argument("run", metavar="RUN", nargs="?", help=what)
    add_screen_options(parser)
    add_runs_dir(parser)


def main(options: argparse.Namespace) -> int:
    """Show evidence until the operator leaves; 0 then, whatever any run's verdict.

    Raises UsageError without a terminal, for a folder without runs, and for a named run that goes on.
    """
    runs = runs_folder(options)
    run = ""
    if options.run is not None:
        try:
            found = find_run(runs, options.run)
        except JournalBroken:  # its verified beginning is shown, and where it breaks off
            found = find_run(runs, options.run, tolerant=True)
        run = found.run
        if found.state.ended is None and found.alive:
            raise UsageError(
                f"the run {run} goes on", remedy=f"look at it with drydock attach {run} --observe"
            )
    elif not run_names(runs):
        raise UsageError(
            f"there is no run in {runs}", remedy="start one with drydock run, or name --runs-dir"
        )
    prepared = prepare_screen()
    from console.evidence.shelf import Shelf
    from console.tui.browse import BrowseApp

    theme = theme_name(options.theme, prepared)
    app = BrowseApp(Shelf(runs, _outside), run, theme=theme, keymap=prepared.keymap)
    app.run(mouse=not options.no_mouse)
    let_the_terminal_go()
    if app.return_code:
        sys.stderr.write("drydock: the screen failed; drydock verify and drydock report read the same\n")
        return EXIT_SCREEN_FAILED
    return 0


def _outside() -> Outside:
    """Return what a verification needs of this user; its imports wait until a run is verified."""
    from console.cli.verify import outside_here

    return outside_here()
