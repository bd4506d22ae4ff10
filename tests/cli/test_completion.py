"""Completion and man page: made from the parsers as they are, read by the real shell, and asked for real words."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from console.cli.completion import SHELLS
from console.cli.main import COMMANDS, main

DOCS = Path(__file__).resolve().parents[2] / "docs"
ASK = """\
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); COMPREPLY=()
asked=$(complete -p drydock); asked=${asked##*-F }; "${asked%% *}" drydock "${COMP_WORDS[COMP_CWORD]}" ""
printf '%s\\n' "${COMPREPLY[@]}"
"""


def script(name: str) -> ModuleType:
    """Return one of the scripts in docs/ as a module."""
    spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_scripts_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    """A script that differs from what the parsers say now, or from what the command prints, is found."""
    made = script("completion").scripts()
    for shell in SHELLS:
        committed = (DOCS / "completion" / f"drydock.{shell}").read_text("utf-8")
        assert committed == made[shell], "python docs/completion.py"
        assert main(["completion", shell]) == 0
        assert capsys.readouterr().out == committed


def test_the_man_page_is_up_to_date() -> None:
    """A man page that differs from what the parsers say now, or that lacks a command, is found."""
    page = (DOCS / "drydock.1").read_text("utf-8")
    assert page == script("man_page").page(), "python docs/man_page.py > docs/drydock.1"
    assert [one.name for one in COMMANDS if f".SS {one.name}\n" not in page] == []


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["ch"], ["check"]),
        (["run", "--pl"], ["--plan", "--plain"]),
        (["run", "--environment", ""], ["embedded", "docker"]),
        (
            ["run", "--pack", ""],
            ["cutter_dry_run", "migrations_alembic", "migrations_django", "migrations_sql", "rollback_proof"],
        ),
        (["status", ""], ["20260102-000000-abce", "20260101-000000-abcd"]),
        (["status", "20260101"], ["20260101-000000-abcd"]),
        (["approve", "20260101-000000-abcd", ""], ["B-1", "B-2", "B-3", "B-4", "B-5"]),
        (["secret", "s"], ["set"]),
    ],
)
def test_bash_offers_what_there_is(tmp_path: Path, words: list[str], offered: list[str]) -> None:
    """Real bash offers another command, option, run or boundary than there is."""
    for name in ("20260101-000000-abcd", "20260102-000000-abce", "no-run"):
        (tmp_path / name).mkdir()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "--norc", "-c", ASK, "bash", str(DOCS / "completion" / "drydock.bash"), "drydock", *words],
        capture_output=True, text=True, check=True, env={**os.environ, "PATH": path, "DRYDOCK_RUNS_DIR": str(tmp_path)},
    )  # fmt: skip
    assert (done.stdout.split(), done.stderr) == (offered, "")


def test_ids_without_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A runs folder that is not there breaks the line that is being typed."""
    assert main(["completion", "runs", "--runs-dir", str(tmp_path / "no")]) == 0
    assert capsys.readouterr().out == ""
