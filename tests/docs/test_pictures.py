"""The pictures of the documentation are whole and fetch nothing."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from pages import CHECKOUT

PICTURES = sorted((CHECKOUT / "screenshots").glob("*.svg"))


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.name)
def test_a_picture_fetches_nothing(path: Path) -> None:
    """A picture that loads a font, a script or another picture from somewhere is found."""
    text = re.sub(r"<!--.*?-->", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert ET.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
    assert set(re.findall(r"https?://[^\"'\s]+", text)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"@import|@font-face|<script|href=", text)


def test_the_pictures_show_both_endings() -> None:
    """One picture ends with PASS and one with the server's refusal at S4."""
    words = {path.name: path.read_text(encoding="utf-8").replace("&#160;", " ") for path in PICTURES}
    assert "PASS, CLEAN" in words["plain-pass.svg"]
    assert "FAIL at S4, CLEAN, cause subject" in words["plain-fail.svg"]
    assert "culprit: find (cutter_agent/db_adapter.py" in words["plain-fail.svg"]


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.name)
def test_a_picture_is_there_as_png_too(path: Path) -> None:
    """An SVG without its PNG, or one that is no PNG, is found."""
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_every_screen_has_its_picture() -> None:
    """Verdicts, each boundary, browsing, both sizes and both themes are there."""
    names = {path.stem for path in PICTURES}
    wanted = {f"boundary-B-{number}-80x24" for number in range(1, 6)}
    wanted |= {f"{name}-160x48{light}" for name in ("pass", "fail") for light in ("", "-light")}
    wanted |= {f"{name}-80x24" for name in ("gates", "rows", "inspector", "help", "leave", "fail")}
    modes = ("runs", "compare", "search", "gates", "files", "decisions", "verify")
    wanted |= {f"browse-{name}-80x24" for name in modes}
    assert wanted - names == set()
