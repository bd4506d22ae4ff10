"""Style, types and direction of imports: the tools' own verdicts on the whole checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
TEST_FILES = sorted((CHECKOUT / "tests").rglob("*.py"))
CONFTESTS = [path for path in TEST_FILES if path.name == "conftest.py"]
TEST_FOLDERS = sorted({path.parent for path in TEST_FILES})
LONGEST_FILE_LINES = 400


def complaints(*words: str, **variables: str) -> str:
    """Return what a tool says when it does not agree, "" when it does."""
    done = subprocess.run(
        words, cwd=CHECKOUT, env={**os.environ, **variables}, capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return "" if done.returncode == 0 else done.stdout[-6000:] + done.stderr[-2000:]


def types_of(*files: Path) -> str:
    """Return mypy's complaints about files that import each other by bare name, as pytest lets them."""
    variables = {"MYPYPATH": os.pathsep.join(map(str, TEST_FOLDERS))}
    return complaints(str(BIN / "mypy"), *map(str, files), **variables)


def test_ruff_has_no_complaint() -> None:
    """Ruff finds nothing."""
    assert not complaints(str(BIN / "ruff"), "check")


def test_the_tree_is_formatted() -> None:
    """Ruff would format no file anew."""
    assert not complaints(str(BIN / "ruff"), "format", "--check", "--quiet")


def test_types_of_the_package() -> None:
    """Strict mypy finds nothing in console/."""
    assert not complaints(str(BIN / "mypy"))


def test_types_of_scripts() -> None:
    """Strict mypy finds nothing in the scripts of CI, pages and pictures."""
    scripts = [path for folder in (".ci", "docs", "screenshots") for path in (CHECKOUT / folder).glob("*.py")]
    assert not complaints(str(BIN / "mypy"), *map(str, scripts))


def test_types_of_the_tests() -> None:
    """Strict mypy finds nothing in tests/."""
    assert not types_of(*(path for path in TEST_FILES if path not in CONFTESTS))


@pytest.mark.parametrize("path", CONFTESTS, ids=lambda path: path.parent.name)
def test_types_of_a_conftest(path: Path) -> None:
    """Strict mypy finds nothing in a conftest (they share one module name, so each is asked alone)."""
    assert not types_of(path)


def test_imports_point_one_way() -> None:
    """Import-linter keeps every contract of pyproject.toml."""
    assert not complaints(str(BIN / "lint-imports"), "--no-cache")


def test_names_of_test_modules_are_unique() -> None:
    """Two modules of one name in different folders, of which pytest could import only one, are found."""
    names = [path.name for path in TEST_FILES if path.name not in ("conftest.py", "__init__.py")]
    assert {name for name in names if names.count(name) > 1} == set()


def test_files_are_short() -> None:
    """A module of console/ with more than 400 lines is found."""
    modules = (CHECKOUT / "console").rglob("*.py")
    long = {
        path.name: lines
        for path in modules
        if (lines := path.read_text("utf-8").count("\n")) > LONGEST_FILE_LINES
    }
    assert long == {}
