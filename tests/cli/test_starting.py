"""What a command loads before it says its first word: each package is time that somebody waits."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from fix_journals import RUN, passed


@pytest.mark.parametrize(
    ("columns", "least", "most"),
    [("60", 40, 58), ("200", 85, 198), ("0", 60, 78), ("wide", 60, 78), ("-7", 60, 78), ("9" * 5000, 60, 78)],
)
def test_help_is_as_wide_as_it_is_told(columns: str, least: int, most: int) -> None:
    """COLUMNS counts, and 80 where it says nothing and there is no terminal."""
    done = subprocess.run(
        [sys.executable, "-m", "console", "--help"], env={**os.environ, "COLUMNS": columns},
        capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert least <= max(map(len, done.stdout.splitlines())) <= most


@pytest.mark.parametrize(("columns", "least", "most"), [(50, 35, 48), (120, 80, 118)])
def test_help_is_as_wide_as_the_terminal(columns: int, least: int, most: int) -> None:
    """Nobody sets COLUMNS on a terminal; it is asked itself."""
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (40, columns))
    known = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    program = subprocess.Popen(
        [sys.executable, "-m", "console", "--help"], env=known, stdout=theirs, stdin=subprocess.DEVNULL
    )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # how a pseudo-terminal says that nobody is there any more
        while more := os.read(ours, 4096):
            shown += more
    os.close(ours)
    assert program.wait(30) == 0
    assert least <= max(map(len, shown.decode().splitlines())) <= most


def test_help_before_a_command_names_all_commands() -> None:
    """`drydock --help status` asks for drydock's help; that of status is `drydock status --help`."""
    shown = [
        subprocess.run(
            [sys.executable, "-m", "console", *words], capture_output=True, text=True, check=True
        ).stdout
        for words in (["--help"], ["--help", "status"], ["-h", "runs"])
    ]
    assert "list the runs" in shown[0]
    assert shown == [shown[0]] * 3


def loaded(commands: list[list[str]], among: set[str], after: str = "") -> tuple[str, str]:
    """Return which modules some commands load in a process of its own, and what they print."""
    code = (
        "import sys\n"
        "from console.cli.main import main\n"
        f"for words in {commands!r}:\n"
        "    try:\n"
        "        main(words)\n"
        "    except SystemExit:\n"
        "        pass\n"
        f"print(*sorted({among} & set(sys.modules)), file=sys.stderr)\n{after}"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stderr.splitlines()[-1], done.stdout


def test_help_loads_nothing_but_what_reads_words() -> None:
    """`drydock --help` needs neither msgspec nor dataclasses nor the compressors that shutil brings."""
    found, said = loaded([["--help"]], {"msgspec", "dataclasses", "inspect", "shutil", "lzma"})
    assert (found, said[:14]) == ("", "usage: drydock")


def test_help_loads_no_screen_and_no_driver() -> None:
    """`drydock --help`, `runs` and `status` start without rich, textual and psycopg."""
    commands = [["--help"], ["runs", "--runs-dir", "/none"], ["status", "--runs-dir", "/none"]]
    assert loaded(commands, {"rich", "textual", "psycopg"})[0] == ""


def test_status_loads_what_it_reads_with_only(tmp_path: Path) -> None:
    """The status of a run needs no cryptography, no sockets, no programs; each would take half as long as itself."""
    passed().write(tmp_path).close()
    late = {"cryptography", "ctypes", "secrets", "socket", "subprocess", "tempfile", "zstandard", "shutil"}
    late |= {"dataclasses", "inspect", "typing_extensions"}
    found, said = loaded(
        [["status", RUN, "--runs-dir", str(tmp_path)]], late, after="import typing_extensions"
    )
    assert found == ""
    assert "29 PASS" in said
