"""`drydock attach`: the live screen of a run that goes on; closing it changes nothing about the run."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from console.cli.approve import ssh, tty
from console.cli.options import add_runs_dir, add_screen_options, runs_folder
from console.engine.control import Request, ask
from console.errors import ControlRefused, JournalBroken, UsageError
from console.runs import JOURNAL_FILE, find_run, journal_is_held, read_run
from console.settings import default_config_folder
from console.tui import collecting
from console.tui.terminal import prepare

if TYPE_CHECKING:
    from console.tui.decision import Decide

EXIT_NOT_TORN_DOWN = 4
EXIT_SCREEN_FAILED = 70


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's words."""
    parser.add_argument(
        "run", metavar="RUN", nargs="?", help="the run's id or its beginning (none: the newest)"
    )
    parser.add_argument("--observe", action="store_true", help="only look: no answer can be given")
    add_screen_options(parser)
    add_runs_dir(parser)


def main(options: argparse.Namespace) -> int:
    """Open the screen of a living run; 0 when it was left alive, else the run's own code.

    Raises UsageError for a run that has ended, and without a terminal.
    """
    found = find_run(runs_folder(options), options.run)
    if found.state.ended is not None:
        raise UsageError(
            f"the run {found.run} has ended", remedy=f"look at it with drydock browse {found.run}"
        )
    if not found.alive:
        raise UsageError(
            f"no engine holds the run {found.run}", remedy=f"finish it with drydock recover {found.run}"
        )
    return open_screen(found.path, observe=options.observe, theme=options.theme, mouse=not options.no_mouse)


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What a screen needs before it opens: the theme that fits the terminal, and the operator's own keys."""

    theme: str
    keymap: dict[str, str]


def prepare_screen() -> Prepared:
    """Look at terminal and keymap file, once and before Textual is imported. Raises UsageError for either."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("the screen needs a terminal", remedy="use drydock status, or run --plain")
    if os.environ.get("TERM") == "dumb":
        raise UsageError(
            "TERM is dumb: such a terminal cannot draw a screen",
            remedy="use drydock run --plain, drydock status or drydock report, or set TERM to what the terminal is",
        )
    collecting.hold()
    fitting = prepare()
    from console.tui.keymap import read_keymap

    return Prepared(theme=fitting, keymap=read_keymap(default_config_folder()))


def open_screen(
    folder: Path,
    *,
    observe: bool,
    theme: str | None = None,
    mouse: bool = True,
    prepared: Prepared | None = None,
) -> int:
    """Show the run in `folder` until the operator leaves or the terminal goes.

    Returns the run's own exit code when it has ended, 0 when it lives on, 4 when no engine is left to tear it
    down, 70 when the screen itself failed. Raises UsageError without a terminal on both ends.
    """
    prepared = prepared or prepare_screen()
    from console.tui.app import LiveApp

    shown_in = theme_name(theme, prepared)
    app = LiveApp(folder, decider(folder), observe=observe, theme=shown_in, keymap=prepared.keymap)
    app.run(mouse=mouse)
    let_the_terminal_go()
    if app.return_code:
        sys.stderr.write(f"drydock: the screen failed, the run did not; next: drydock attach {folder.name}\n")
        return EXIT_SCREEN_FAILED
    return code_of(folder)


def theme_name(theme: str | None, prepared: Prepared) -> str:
    """Return the name of the theme that was asked for, or of the one that fits the terminal."""
    names = {"dark": "drydock-dark", "light": "drydock-light", "ansi": "ansi-dark"}
    return names.get(theme or "", prepared.theme)


def let_the_terminal_go() -> None:
    """Forget what could not be written to a terminal that is gone, so that the exit code is ours."""
    try:
        sys.stderr.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def decider(folder: Path) -> Decide:
    """Return what asks the engine of the run in `folder`, from this terminal."""
    from console.tui.decision import Answer, Said

    terminal, link = tty(), ssh()

    def decide(answer: Answer) -> Said:
        request = Request(
            verb=answer.verb,
            boundary=answer.boundary,
            digest=answer.digest,
            minutes=answer.minutes,
            typed=answer.typed,
            tty=terminal,
            ssh=link,
            shown_at=answer.shown_at,
            early_keys=answer.early_keys,
        )
        try:
            reply = ask(folder, request)
        except ControlRefused as refused:
            return Said(accepted=False, says=str(refused))
        return Said(accepted=reply.accepted, says=reply.says)

    return decide


def code_of(folder: Path) -> int:
    """Return the run's own exit code: 0 while it is alive."""
    try:
        ended = read_run(folder.parent, folder.name).state.ended
    except JournalBroken:
        return os.EX_DATAERR
    held = journal_is_held(folder / JOURNAL_FILE)
    if ended is not None:
        from console.evidence.sealed import code_once_sealed

        return ended.exit_code if held else code_once_sealed(folder, ended)
    return 0 if held else EXIT_NOT_TORN_DOWN
