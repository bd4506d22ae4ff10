"""Tests of the escaping: what a Markdown renderer shows is what was recorded, and nothing more."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from console.evidence.page import bullets, code, shown, table
from console.model.text import one_line

RENDERER = MarkdownIt("gfm-like")
"""Tables, strike-through and bare links on, so that whatever could come alive does."""

HOSTILE = (
    "a|b",
    "a\\|b",
    "a\\\\|b",
    "`a`",
    "``|``",
    "a`",
    "\\",
    "<script>alert(1)</script>",
    "<!-- --><b>x",
    "[x](javascript:alert(1))",
    "![x](http://evil.example/p.png)",
    "see https://evil.example or www.evil.example or a@evil.example",
    "evil.example/path",
    "&lt;b&gt; &#124;",
    "**PASS** ~~FAIL~~ _x_",
    "\x1b[31mred\x1b[0m\x9b2J",
    "\u202etxt.exe\u2066\u200b",
    "# heading",
    "- item",
    "1. item",
    "1) item",
    "line\n| new | row |\r\n\n# heading",
    "=====",
)


class _Cells(HTMLParser):
    """Collects the texts of table cells, and every tag."""

    def __init__(self) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        if self.cells:
            self.cells[-1] += data


def rendered(markdown: str) -> _Cells:
    """Return cells and tags of Markdown as a reader's program shows it."""
    found = _Cells()
    found.feed(RENDERER.render(markdown))
    return found


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_cell_reads_as_it_was_and_makes_no_element(text: str) -> None:
    """A recorded text in a cell renders to exactly itself, in one cell of one row, without a link."""
    page = rendered(table(("h", "k"), [(shown(text), "next")]))

    assert [cell.strip() for cell in page.cells] == ["h", "k", one_line(text, limit_chars=0), "next"]
    assert page.tags <= {"table", "thead", "tbody", "tr", "th", "td", "code"}


@given(st.text())
def test_any_text_survives_a_table(text: str) -> None:
    """Whatever the text, the row has as many cells as it should and the text is in its own."""
    page = rendered(table(("h", "k"), [(shown(text), "next")]))

    expected = one_line(text, limit_chars=4000) or "(empty)"
    assert [re.sub(r"\s+", " ", cell).strip() for cell in page.cells] == ["h", "k", expected, "next"]
    assert page.tags <= {"table", "thead", "tbody", "tr", "th", "td", "code"}


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_item_stays_one_item(text: str) -> None:
    """A recorded text in a list makes no second item, no heading, no link and no HTML."""
    page = rendered(bullets([shown(text)], empty=""))

    assert page.tags <= {"ul", "li", "code"}


def test_plain_words_are_not_dressed_up() -> None:
    """A sentence of plain words stays as it is, a path becomes code."""
    assert shown("the source's system_identifier: recorded") == "the source's system_identifier: recorded"
    assert shown("/var/tmp") == "`/var/tmp`"
    assert shown("") == "(empty)"
    assert code("a`b") == "`` a`b ``"
