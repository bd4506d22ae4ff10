"""The HTML report in a real browser with no network: console silent, keyboard works, it prints."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import CHROMIUM, NO_CHROMIUM, Browser, findings
from fix_packs import Packs

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    """Start a browser with a profile of its own and end it."""
    made = Browser(tmp_path / "profile")
    yield made
    made.end()


@pytest.mark.parametrize("which", ["passed", "failed"])
def test_a_report_works_in_a_browser(packs: Packs, browser: Browser, which: str) -> None:
    """A real run's page asks for something, complains, or cannot be filtered, opened and printed by keyboard alone."""
    assert findings(browser, getattr(packs, which).folder / "report.html") == []


def test_a_page_that_does_not_work_is_found(packs: Packs, browser: Browser, tmp_path: Path) -> None:
    """A page that fetches, complains, keeps its filter from the keyboard or its facts from print is told so."""
    text = (packs.passed.folder / "report.html").read_text("utf-8")
    broken = '<script>console.error("x"); window.addEventListener("keydown", e => e.stopImmediatePropagation(), true)'
    head = f'<img src="https://example.invalid/x.png">{broken}</script>'
    page = tmp_path / "broken.html"
    page.write_text(
        text.replace('http-equiv="Content-Security-Policy"', "x", 1).replace("<body>", f"<body>{head}", 1),
        "utf-8",
    )
    found = " ".join(findings(browser, page))
    assert "/ does not go to the filter" in found
    assert "console: " in found
    assert "it asks for https://example.invalid/x.png" in found
