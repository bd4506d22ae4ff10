"""Tests of what imports what: the layers hold and are complete, and a headless command loads no screen."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import console

ROOT = Path(console.__file__).resolve().parent.parent
HEAVY = {"psycopg", "rich", "textual", "pg_query", "keyring"}
LOADED = "import sys; {work}; print(*sorted({heavy} & set(sys.modules)))"


def loaded(work: str) -> set[str]:
    """Return which of the heavy packages some code loads in a process of its own."""
    code = LOADED.format(work=work, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    return set(done.stdout.splitlines()[-1].split())


def test_imports_point_one_way() -> None:
    """Every import-linter contract of pyproject.toml is kept, and no module is without a layer."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "0 broken" in done.stdout


def test_the_layers_are_exhaustive() -> None:
    """Each module and package directly below console stands in exactly one layer of the contract."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    [layers] = [one for one in contracts if one["type"] == "layers"]
    placed = [name.strip() for layer in layers["layers"] for name in layer.split(":")]
    there = {path.stem for path in (ROOT / "console").glob("*.py")} - {"__init__"}
    there |= {path.parent.name for path in (ROOT / "console").glob("*/__init__.py")}
    assert layers["exhaustive"] is True
    assert sorted(placed) == sorted(there - set(layers["exhaustive_ignores"]))


@pytest.mark.parametrize(
    "work",
    [
        "import console.cli.main",
        "import console.journal, console.runs, console.model.run_state",
        "import console.engine.decide, console.engine.conclude",
        "import console.engine.control, console.cli.approve, console.cli.abort",
        "from console.cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass",
        "from console.cli.main import main\ntry: main(['approve', '--help'])\nexcept SystemExit: pass",
    ],
)
def test_what_needs_no_database_and_no_screen_loads_none(work: str) -> None:
    """Neither --help nor reading, deciding or approving loads psycopg, rich, textual, pg_query or keyring."""
    assert loaded(f"exec({work!r})") == set()


def test_the_command_itself_says_its_help_without_a_database_or_a_screen() -> None:
    """`drydock --help` as installed answers, and its import log names no heavy package."""
    command = [sys.executable, "-X", "importtime", str(Path(sys.executable).with_name("drydock")), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/")
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert done.stdout.startswith("usage: drydock")
    assert "console" in imported
    assert imported & HEAVY == set()


def test_packs_import_the_harness_and_nothing_else_of_ours() -> None:
    """No pack and no subject names another module of console."""
    wrong = []
    for path in (ROOT / "scenarios").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            wrong += [f"{path}: {name}" for name in names
                      if name.partition(".")[0] == "console" and not name.startswith("console.harness")]  # fmt: skip
    assert wrong == []


def test_the_console_does_not_know_the_cutter() -> None:
    """No module of console names a table, role or exception of the first pack, but for the default pack's name."""
    words = (
        "cutter_exec",
        "cutter_verify",
        "cutter_agent",
        "decision_backlog",
        "RealPostgresAdapter",
        "DOT_CUTTER",
    )
    wrong = [
        f"{path}: {word}" for path in (ROOT / "console").rglob("*.py") for word in words
        if word in path.read_text("utf-8")
    ]  # fmt: skip
    assert wrong == []
