"""The documentation as data: its blocks, transcripts and mentions of commands and options."""

from __future__ import annotations

import argparse
import importlib
import re
from dataclasses import dataclass
from pathlib import Path

from console.cli.main import COMMANDS

CHECKOUT = Path(__file__).resolve().parents[2]
PAGES = (
    CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *sorted((CHECKOUT / "docs").glob("*.md")),
    *sorted((CHECKOUT / "scenarios").glob("*/README.md")),
)  # fmt: skip

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`(drydock [^`]+)`")
_VARYING = (
    (re.compile(r"^  C-\d\d \d+(?: of \d+)? (?:bytes|rows)\n", re.MULTILINE), ""),
    (re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}"), "RUN"),
    (re.compile(r"(digest )[0-9a-f]{12,64}"), r"\1DIGEST"),
    (re.compile(r"\d+\.\d s\b"), "N s"),
    (re.compile(r"(backend )\d+"), r"\1N"),
    (re.compile(r"evidence: \S+/RUN"), "evidence: DIR/RUN"),
    (re.compile(r"( --runs-dir )\S+"), r"\1DIR"),
    (re.compile(r"\((socket|in advance) by [^)]+\)"), r"(\1 by WHO)"),
)
ANY_LINES = "…"


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One command of a transcript and the lines that the page shows below it."""

    command: str
    lines: tuple[str, ...]


def blocks(path: Path, kind: str) -> list[str]:
    """Return the texts of the page's blocks of one kind, in order."""
    return [text for found, text in _BLOCK.findall(path.read_text(encoding="utf-8")) if found == kind]


def transcripts(path: Path) -> list[list[Shown]]:
    """Return the page's console blocks: each the commands after `$ ` with their lines."""
    return [
        [
            Shown(command=command, lines=tuple(lines))
            for command, *lines in (
                part.splitlines() for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
            )
        ]
        for block in blocks(path, "console")
    ]


def command_lines(path: Path) -> list[str]:
    """Return every `drydock …` that the page names, in blocks of commands, transcripts and inline code."""
    text = path.read_text(encoding="utf-8")
    in_blocks = [
        line.removeprefix("$ ").partition("  #")[0].strip()
        for kind, block in _BLOCK.findall(text)
        if kind in ("sh", "console")
        for line in block.splitlines()
        if line.startswith(("drydock ", "$ drydock "))
    ]
    return in_blocks + _INLINE.findall(_BLOCK.sub("", text))


def normal(text: str) -> list[str]:
    """Return the lines with everything that differs from run to run replaced by its name.

    Progress, which only a slow machine has the time to tell, is left out.
    """
    for pattern, name in _VARYING:
        text = pattern.sub(name, text)
    return [line.rstrip() for line in text.splitlines()]


def first_difference(shown: list[str], found: list[str]) -> str:
    """Return the first shown line that does not follow in what was found, "" when all do.

    A line that is only an ellipsis stands for any number of lines, none included.
    """
    position, free = 0, False
    for line in shown:
        if line == ANY_LINES:
            free = True
            continue
        places = range(position, len(found)) if free else range(position, min(position + 1, len(found)))
        place = next((number for number in places if found[number] == line), None)
        if place is None:
            return line
        position, free = place + 1, False
    return "" if free or position == len(found) else f"nothing more than {found[position]!r}"


def parsers() -> dict[str, argparse.ArgumentParser]:
    """Return the parser of each command."""
    made = {}
    for command in COMMANDS:
        made[command.name] = argparse.ArgumentParser(prog=command.name, exit_on_error=False)
        importlib.import_module(f"console.cli.{command.module}").add_arguments(made[command.name])
    return made


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    """Return the long options of a parser."""
    return {word for action in parser._actions for word in action.option_strings if word.startswith("--")}
