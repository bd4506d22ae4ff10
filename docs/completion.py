"""Writes docs/completion/drydock.bash, .zsh and .fish from the command's own parsers, with shtab.

`python docs/completion.py` writes all three; `drydock completion SHELL` prints them, so that nobody needs shtab to
use them. A test holds scripts and parsers together.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import shtab

from console.cli.completion import SHELLS
from console.cli.main import COMMANDS, parser_of
from console.packs import pack_folders

FOLDER = Path(__file__).parent / "completion"


def words(command: str, name: str) -> dict[str, object]:
    """Return a completer whose words a command prints; zsh asks it at the key, and not when the script is read."""
    found: dict[str, object] = dict(shtab.cmd(command))
    lines = f'${{(f)"$({command})"}}'
    preamble = f"_drydock_{name}() {{\n  local -a found\n  found=({lines})\n  compadd -a found\n}}"
    return found | {"zsh": f"_drydock_{name}", "preamble": {**found["preamble"], "zsh": preamble}}  # type: ignore[dict-item]


def fixed(name: str, *given: str) -> dict[str, object]:
    """Return a completer of words that are known."""
    return words(f"printf '%s\\n' {' '.join(given)}", name)


RUNS = words("drydock completion runs 2>/dev/null", "runs")
COMPLETERS = {
    "RUN": RUNS,
    "RUN|DIR": RUNS,
    "B-n": fixed("boundaries", "B-1", "B-2", "B-3", "B-4", "B-5"),
    "B-1,..|all": fixed("approvals", "all", "B-1", "B-2", "B-3", "B-4", "B-5"),
    "NAME|DIR": fixed("packs", *(folder.name for folder in pack_folders())),
    "md|html|json|junit": fixed("formats", "md", "html", "json", "junit"),
    "DIR": shtab.DIRECTORY,
    "FILE": shtab.FILE,
    "PATH": shtab.FILE,
    "PLAN.toml": shtab.FILE,
}
"""What completes a word, by the name that the help gives it."""


def actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield every word of a parser and of the parsers below it."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from actions(below)


def scripts() -> dict[str, str]:
    """Return each shell's script."""
    parser = parser_of([command.name for command in COMMANDS])
    for action in actions(parser):
        if isinstance(action.metavar, str) and action.metavar in COMPLETERS:
            action.complete = COMPLETERS[action.metavar]  # type: ignore[attr-defined]
    return {shell: shtab.complete(parser, shell) for shell in SHELLS}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for shell, script in scripts().items():
        (FOLDER / f"drydock.{shell}").write_text(script, "utf-8")
