"""docs/testing.md: its examples are run, and every name in them is there."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

from pages import CHECKOUT, blocks

from console.testing import FakeServer

PAGE = CHECKOUT / "docs" / "testing.md"
FIXTURE = """
import pathlib
import sys

import pytest


@pytest.fixture
def pack(tmp_path: pathlib.Path) -> pathlib.Path:
    sys.path.insert(0, {folder!r})
    from small_pack import write_pack
    return write_pack(tmp_path / "pack")
"""


def test_the_examples_hold(tmp_path: Path) -> None:
    """Both examples are test files, and pass as they stand."""
    for number, text in enumerate(blocks(PAGE, "python")):
        (tmp_path / f"test_page_{number}.py").write_text(text, encoding="utf-8")
    folder = str(CHECKOUT / "tests")
    (tmp_path / "conftest.py").write_text(FIXTURE.format(folder=folder), encoding="utf-8")
    command = [
        sys.executable,
        "-B",
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "4 passed" in done.stdout, done.stdout[-3000:]


def test_every_word_of_on_is_told() -> None:
    """A parameter of `on` that the page does not name is found."""
    words = [name for name in inspect.signature(FakeServer.on).parameters if name not in ("self", "match")]
    assert f"`on(match, {'=, '.join(words)}=)`" in PAGE.read_text(encoding="utf-8")
