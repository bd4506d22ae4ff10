"""Prints docs/drydock.1, the man page, from the command's own parsers.

`python docs/man_page.py > docs/drydock.1`. Wheels bring it to share/man/man1; a test holds page and parsers together.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from console import __version__
from console.cli.main import COMMANDS, parser_of

DESCRIPTION = (
    "Drydock takes a read-only copy of a production PostgreSQL, restores it into a throwaway one that nothing else can"
    " reach, runs the real code through scenarios while every statement is witnessed twice, and proves that nothing was"
    " left behind. At every boundary it waits for its operator."
)
START = "drydock run without a file rehearses the shipped demo; a plan file names your own database and code."
EXIT = (
    ("0", "PASS and CLEAN, or what was asked was done"),
    ("1", "FAIL; of doctor: something that the demo needs is missing"),
    ("2", "usage: the input cannot be used; one sentence and its remedy are on stderr"),
    ("3", "ABORTED by the operator, or by a boundary that nobody answered"),
    ("4", "UNCLEAN: something was left behind, by name"),
    ("5", "the evidence does not verify"),
    ("130", "interrupted"),
)
ENVIRONMENT = (
    ("DRYDOCK_RUNS_DIR", "the folder of the runs, instead of drydock/runs in the state folder"),
    ("DRYDOCK_WORK_DIR", "the folder in which clusters are made, instead of /var/tmp"),
    ("DRYDOCK_CACHE_DIR", "the folder of what can be made again"),
    ("XDG_STATE_HOME, XDG_CACHE_HOME, XDG_CONFIG_HOME", "the user's folders, as everywhere"),
    ("NO_COLOR", "no colours on the screen"),
)


def escaped(text: str) -> str:
    """Return text that troff prints as it is."""
    shown = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{shown}" if shown.startswith((".", "'")) else shown


def bold(text: str) -> str:
    """Return text in bold."""
    return f"\\fB{escaped(text)}\\fR"


def item(head: str, text: str) -> list[str]:
    """Return one item of a list."""
    return [".TP", head, escaped(text)] if text else [".TP", head]


def value_of(action: argparse.Action) -> str:
    """Return what stands for an option's value, "" for one without."""
    if action.nargs == 0:
        return ""
    if action.choices is not None and action.metavar is None:
        return "|".join(map(str, action.choices))
    return str(action.metavar or action.dest.upper().replace("_", "-"))


def words_of(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str, argparse.Action]]:
    """Yield head, help and action of each word that is for people."""
    for action in parser._actions:
        if action.help == argparse.SUPPRESS or isinstance(
            action, argparse._SubParsersAction | argparse._HelpAction
        ):
            continue
        value = value_of(action)
        if action.option_strings:
            head = ", ".join(bold(word) for word in action.option_strings)
            head += f" \\fI{escaped(value)}\\fR" if value else ""
        else:
            head = f"\\fI{escaped(value)}\\fR" if action.choices is None else bold(value)
        yield head, action.help or "", action


def synopsis(name: str, parser: argparse.ArgumentParser) -> str:
    """Return a command's line: its name, whether it has options, and its words."""
    parts = [bold(f"drydock {name}")]
    found = list(words_of(parser))
    parts += ["[\\fIoptions\\fR]"] if any(action.option_strings for _head, _help, action in found) else []
    for head, _help, action in found:
        if not action.option_strings:
            parts.append(
                {"?": f"[{head}]", "*": f"[{head} ...]", "+": f"{head} ..."}.get(str(action.nargs), head)
            )
    return " ".join(parts)


def command(name: str, parser: argparse.ArgumentParser) -> list[str]:
    """Return the part of the page about one command, and about each verb below it."""
    verbs = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    lines = [f".SS {escaped(name)}", escaped(parser.description or "") + ".", ".PP", synopsis(name, parser)]
    for head, text, _action in words_of(parser):
        lines += item(head, text)
    for verb, below in ((verb, below) for action in verbs for verb, below in action.choices.items()):
        lines += [".PP", synopsis(f"{name} {verb}", below), ".RS", escaped(below.description or "") + "."]
        for head, text, _action in words_of(below):
            lines += item(head, text)
        lines.append(".RE")
    return lines


def page() -> str:
    """Return the whole page."""
    parser = parser_of([one.name for one in COMMANDS])
    (below,) = (one for one in parser._actions if isinstance(one, argparse._SubParsersAction))
    lines = [
        '.\\" Written by docs/man_page.py from the command\'s own parsers; do not edit.',
        f'.TH DRYDOCK 1 "" "drydock {__version__}" "User Commands"',
        ".SH NAME", "drydock \\- rehearse database code on an isolated copy of production",
        ".SH SYNOPSIS", f"{bold('drydock')} \\fIcommand\\fR [\\fIoptions\\fR]",
        ".SH DESCRIPTION", escaped(DESCRIPTION),
        ".PP", escaped(START),
        ".SH COMMANDS",
    ]  # fmt: skip
    for name, found in below.choices.items():
        lines += command(name, found)
    for title, rows in (("EXIT STATUS", EXIT), ("ENVIRONMENT", ENVIRONMENT)):
        lines += [f".SH {title}"]
        for head, text in rows:
            lines += item(bold(head), text)
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
