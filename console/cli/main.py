"""`drydock`: one table of commands; each is loaded only when it is called.

stdout is data, stderr is narration. A bad input is one sentence and exit code 2, never a traceback.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import sys
from collections.abc import Collection
from typing import Any, NamedTuple, NoReturn

from console import __version__
from console.cli.columns import terminal_columns
from console.errors import ControlRefused, JournalBroken, UsageError

YOUNG_OBJECTS = 100_000
"""How many objects are made before Python looks for garbage among them: modules are many, and none is garbage."""

EXIT_USAGE = 2
EXIT_NOT_VERIFIED = 5
EXIT_INTERRUPTED = 130


class Command(NamedTuple):
    """One command: the module that has `add_arguments(parser)` and `main(options) -> int`."""

    name: str
    help: str
    module: str


COMMANDS = (
    Command(name="run", help="rehearse: no file runs the demo on embedded PostgreSQL", module="run"),
    Command(name="init", help="draft a plan and a pack from your own database", module="init"),
    Command(
        name="check", help="everything that is wrong with a plan file, before a run exists", module="check"
    ),
    Command(name="doctor", help="what works here, and what to do about the rest", module="doctor"),
    Command(name="attach", help="the live screen of a run that goes on", module="attach"),
    Command(name="browse", help="the evidence of all runs, or of one, on the screen", module="browse"),
    Command(name="approve", help="let a waiting run go on", module="approve"),
    Command(name="abort", help="end a run; the teardown follows", module="abort"),
    Command(name="status", help="what a run does now, and the digest that it asks about", module="status"),
    Command(name="runs", help="list the runs", module="runs"),
    Command(name="report", help="the report of a run", module="report"),
    Command(name="verify", help="check a pack: chain, manifest, seals, ledger, gates again", module="verify"),
    Command(name="compare", help="what differs between two runs", module="compare"),
    Command(name="scan", help="search files for secrets, in every form", module="scan"),
    Command(name="key", help="the key that seals the evidence", module="key"),
    Command(name="recover", help="finish what a crash left, from receipts", module="recover"),
    Command(name="kept", help="the copies that are kept for later runs, and their end", module="kept"),
    Command(name="gates", help="the table of gates, as the code has it", module="gates"),
    Command(name="packs", help="the scenario packs", module="packs"),
    Command(name="secret", help="keep production's passwords in the keyring, by name", module="secret"),
    Command(name="completion", help="completion for bash, zsh or fish", module="completion"),
    Command(name="surface", help="judge SQL statements by their surface", module="surface"),
)


class _Help(argparse.HelpFormatter):
    """As wide as the terminal, like argparse's own, which loads shutil and its compressors for that."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=terminal_columns() - 2)


class _Parser(argparse.ArgumentParser):
    """Ends bad usage with one sentence and exit code 2."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, formatter_class=_Help)

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, remedy=f"see {self.prog} --help")


def parser_of(wanted: Collection[str], *, alone: bool = False) -> argparse.ArgumentParser:
    """Return the parser; only the commands that are wanted are loaded, and `alone` the others are not even named."""
    parser = _Parser(
        prog="drydock",
        description="Rehearse database code on an isolated copy of production, watched at every step.",
        epilog="Exit codes: 0 PASS and CLEAN, 1 FAIL, 2 usage, 3 ABORTED, 4 UNCLEAN, 5 evidence does not verify.",
    )
    parser.add_argument("--version", action="version", version=f"drydock {__version__}")
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", parser_class=_Parser, prog=parser.prog
    )
    known = [command for command in COMMANDS if alone and command.name in wanted] or COMMANDS
    for command in known:
        below = commands.add_parser(command.name, help=command.help, description=command.help)
        if command.name in wanted:
            _load_msgspec()
            module = importlib.import_module(f"console.cli.{command.module}")
            module.add_arguments(below)
            below.set_defaults(main=module.main)
    return parser


def _load_msgspec() -> None:
    """Load it without typing_extensions, for which it has typing's own: with inspect, that takes half as long again."""
    if "msgspec" not in sys.modules and "typing_extensions" not in sys.modules:
        sys.modules["typing_extensions"] = None  # type: ignore[assignment]
        try:
            importlib.import_module("msgspec")
        finally:
            del sys.modules["typing_extensions"]


def main(arguments: list[str]) -> int:
    """Run one command and return its exit code."""
    wanted = next((word for word in arguments if not word.startswith("-")), None)
    try:
        parser = parser_of([wanted] if wanted else [], alone=arguments[:1] == [wanted])
        options = parser.parse_args(arguments)
        if options.command is None:
            parser.print_help()
            return EXIT_USAGE
        code: int = options.main(options)
    except UsageError as wrong:
        return _say(f"drydock: {wrong.what}\n  remedy: {wrong.remedy}", EXIT_USAGE)
    except ControlRefused as refused:
        return _say(f"drydock: {refused}", EXIT_USAGE)
    except JournalBroken as broken:
        return _say(f"drydock: the journal does not verify: {broken}", EXIT_NOT_VERIFIED)
    except KeyboardInterrupt:
        return _say("drydock: interrupted", EXIT_INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_USAGE
    return code


def _say(sentence: str, code: int) -> int:
    from console.model.text import visible

    sys.stderr.write("\n".join(visible(line) for line in sentence.split("\n")) + "\n")
    return code


def entry() -> NoReturn:
    """End the process with the command's exit code."""
    gc.set_threshold(YOUNG_OBJECTS)
    code = main(sys.argv[1:])
    gc.freeze()  # modules are no garbage at the end either, and looking for it takes as long as python -c pass
    sys.exit(code)
