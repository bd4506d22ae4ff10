"""Every page: what it names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pages import CHECKOUT, PAGES, command_lines, options_of, parsers

from console.cli.main import parser_of

_NAMES = [str(path.relative_to(CHECKOUT)) for path in PAGES]
_FILE = re.compile(r"`((?:console|docs|sql|scenarios|tests|screenshots|\.ci)/[\w./-]*)`")
_WORKPLACE = re.compile(r"/work/|\bhelper agents?\b|https?://(?!127\.0\.0\.1)", re.IGNORECASE)


@pytest.mark.parametrize("page", PAGES, ids=_NAMES)
def test_commands_and_options_exist(page: Path) -> None:
    """A page that names a command or an option which the program does not have is found."""
    known = parsers()
    for line in command_lines(page):
        words = line.split()[1:]
        if words[0].startswith("--"):
            assert words[0] in options_of(parser_of([])), line
            continue
        assert words[0] in known, f"{page.name}: {line}"
        for word in re.findall(r"(?<![\w-])--[a-z][a-z-]*", line):
            assert word in options_of(known[words[0]]) | {"--help"}, f"{page.name}: {line}"


@pytest.mark.parametrize("page", PAGES, ids=_NAMES)
def test_named_files_exist(page: Path) -> None:
    """A page that names a file of the checkout which is not there is found."""
    for name in _FILE.findall(page.read_text(encoding="utf-8")):
        assert (CHECKOUT / name).exists(), f"{page.name} names {name}"


@pytest.mark.parametrize("page", PAGES, ids=_NAMES)
def test_lines_are_plain(page: Path) -> None:
    """A page holds no tab, no trailing blank and no address of somebody's workplace."""
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        assert line == line.rstrip() and "\t" not in line, f"{page.name}, line {number}"
        assert not _WORKPLACE.search(line), f"{page.name}, line {number}: {line}"


def test_an_unknown_option_would_be_found(tmp_path: Path) -> None:
    """The search reads options in blocks, transcripts and inline code."""
    page = tmp_path / "page.md"
    page.write_text(
        "`drydock runs --a`\n```sh\ndrydock runs --b\n```\n```console\n$ drydock runs --c\nx\n```\n"
    )
    assert command_lines(page) == ["drydock runs --b", "drydock runs --c", "drydock runs --a"]
