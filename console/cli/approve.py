"""`drydock approve`: let a run go on past one boundary, over the digest that status showed."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from functools import partial

from console.cli.options import add_runs_dir, runs_folder
from console.engine.control import Reply, Request, ask, ask_as_approver
from console.errors import ControlRefused, DrydockError, RunNotFound, RunsFolderError, UsageError
from console.runs import find_run, is_run_id


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's words."""
    parser.add_argument("run", metavar="RUN", help="the run's id or its beginning")
    parser.add_argument("boundary", metavar="B-n", help="the boundary at which it waits")
    parser.add_argument("--digest", required=True, help="the digest that status shows, 8 characters or more")
    parser.add_argument(
        "--hold", metavar="MINUTES", type=float, help="B-5 only: keep the copy for some minutes"
    )
    parser.add_argument("--typed", metavar="NAME", default="", help="the name that the boundary asks for")
    add_runs_dir(parser)


def main(options: argparse.Namespace) -> int:
    """Send the decision and say what the engine answered: 0 taken, 2 refused."""
    send = sender(options)
    request = Request(
        verb="approve" if options.hold is None else "hold", boundary=options.boundary, digest=options.digest,
        minutes=options.hold or 0.0, typed=options.typed, tty=tty(), ssh=ssh(),
    )  # fmt: skip
    reply = send(request)
    sys.stderr.write(f"drydock: {reply.says}\n")
    return 0 if reply.accepted else 2


def sender(options: argparse.Namespace) -> Callable[[Request], Reply]:
    """Return what asks the engine of the named run: through its folder, or as another user's approver.

    Raises UsageError for a run that has ended, and for one that is not there under no whole id.
    """
    run: str = options.run
    try:
        found = find_run(runs_folder(options), run)
    except (RunsFolderError, RunNotFound) as missing:
        if not is_run_id(run):
            raise
        return partial(_ask_elsewhere, run, missing)
    if found.state.ended is not None:
        raise UsageError(f"the run {found.run} has ended", remedy="nothing waits for an answer")
    return partial(ask, found.path)


def _ask_elsewhere(run: str, missing: DrydockError, request: Request) -> Reply:
    """Ask another user's run as its approver; where no engine answers, the run is simply not there."""
    try:
        return ask_as_approver(run, request)
    except ControlRefused:
        raise missing from None


def tty() -> str:
    """Return this shell's terminal, "" when there is none."""
    return os.ttyname(sys.stdin.fileno()) if sys.stdin is not None and sys.stdin.isatty() else ""


def ssh() -> str:
    """Return this shell's SSH link as sshd says it, "" when there is none."""
    return os.environ.get("SSH_CONNECTION", "")
