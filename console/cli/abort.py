"""`drydock abort`: end a run; the teardown follows whatever it was doing."""

from __future__ import annotations

import argparse
import sys

from console.cli.approve import ssh, tty
from console.cli.options import add_runs_dir, runs_folder
from console.engine.control import Request, ask
from console.errors import UsageError
from console.runs import find_run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's words."""
    parser.add_argument("run", metavar="RUN", help="the run's id or its beginning")
    add_runs_dir(parser)


def main(options: argparse.Namespace) -> int:
    """Ask for the end: 0 taken, 2 refused."""
    found = find_run(runs_folder(options), options.run, tolerant=True)
    if found.state.ended is not None:
        raise UsageError(f"the run {found.run} has ended already", remedy="there is nothing to end")
    reply = ask(found.path, Request(verb="abort", tty=tty(), ssh=ssh()))
    sys.stderr.write(f"drydock: {reply.says}\n")
    return 0 if reply.accepted else 2
