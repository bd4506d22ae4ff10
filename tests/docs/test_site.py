"""The documentation as a site: it is built without a warning, every page is in it, and links lead somewhere."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pages import CHECKOUT

PAGE = CHECKOUT / "docs" / "events.md"
_SPEC = importlib.util.spec_from_file_location("events_page", CHECKOUT / "docs" / "events.py")
assert _SPEC is not None and _SPEC.loader is not None
events = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(events)


def built(checkout: Path, into: Path) -> subprocess.CompletedProcess[str]:
    """Build the site of a checkout; a warning is an error."""
    words = [
        "build",
        "--strict",
        "--config-file",
        str(checkout / "mkdocs.yml"),
        "--site-dir",
        str(into),
    ]
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", *words], capture_output=True, text=True, check=False, cwd=checkout
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a copy of what the site is made of."""
    shutil.copytree(
        CHECKOUT / "docs", tmp_path / "copy" / "docs", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(CHECKOUT / "mkdocs.yml", tmp_path / "copy")
    return tmp_path / "copy"


def test_the_site_is_built(checkout: Path, tmp_path: Path) -> None:
    """Every page becomes one, pages that others name are links, and nothing is loaded from elsewhere."""
    done = built(checkout, tmp_path / "site")
    assert done.returncode == 0, done.stderr
    made = {path.stem for path in (tmp_path / "site").glob("*.html")} - {"404"}
    assert made == {path.stem for path in (CHECKOUT / "docs").glob("*.md")}
    operator = (tmp_path / "site" / "operator.html").read_text("utf-8")
    assert '<a href="plan-file.html">' in operator
    for page in (tmp_path / "site").glob("*.html"):
        text = page.read_text("utf-8")
        assert 'src="http' not in text
        assert "fonts.g" not in text


def test_what_is_wrong_is_found(checkout: Path, tmp_path: Path) -> None:
    """A link that leads nowhere, and a page that nobody can reach, end the build, each by its name."""
    with (checkout / "docs" / "trust.md").open("a", encoding="utf-8") as file:
        file.write("\n[a way](nowhere.md)\n")
    (checkout / "docs" / "unreachable.md").write_text("# Not in the navigation\n", "utf-8")
    done = built(checkout, tmp_path / "site")
    assert done.returncode == 1
    assert "nowhere.md" in done.stderr
    assert "unreachable.md" in done.stderr


def test_the_page_of_events_is_up_to_date() -> None:
    """A page that differs from what the code says now is found."""
    assert PAGE.read_text(encoding="utf-8") == events.markdown(), "python docs/events.py > docs/events.md"
