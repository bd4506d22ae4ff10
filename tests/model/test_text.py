"""Tests of the sanitiser: nothing that a terminal would act on, or that a reader cannot see, gets through."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.model.text import one_line, visible

ZERO_WIDTH = "\u200b\u200c\u200d\u2060\ufeff\u034f\u180e\ufe0f\U000e0100\u3164\u115f\u2800"
BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u061c\u200e\u200f"
HIDDEN = [
    *ZERO_WIDTH,
    *BIDI,
    "\x00",
    "\x1b",
    "\x7f",
    "\x85",
    "\x9b",
    "\u2028",
    "\u2029",
    "\ud800",
    "\ue000",
    "\xa0",
    "\u3000",
]


@given(st.text(st.characters()))
def test_everything_shown_is_printable(text: str) -> None:
    """The result holds only characters that Unicode calls printable."""
    assert visible(text).isprintable()


@given(
    st.text(
        st.characters(categories=("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs")) | st.sampled_from(HIDDEN)
    )
)
def test_no_hidden_character_gets_through(text: str) -> None:
    """Control, bidirectional, zero-width, private and surrogate characters and strange blanks never appear."""
    shown = visible(text)
    assert not set(shown) & set(HIDDEN)
    assert {unicodedata.category(one) for one in shown if one != " "} <= {"So", "Sm", "Lu", "Nd", "Pd", "Lo"}


@given(st.text())
def test_making_visible_twice_changes_nothing(text: str) -> None:
    """What is visible already stays as it is."""
    assert visible(visible(text)) == visible(text)


@given(st.text(), st.integers(1, 40))
def test_a_limit_is_kept(text: str, limit_chars: int) -> None:
    """No result is longer than its limit, and a shortened one ends with an ellipsis."""
    shown = visible(text, limit_chars=limit_chars)
    assert len(shown) <= limit_chars
    assert shown == visible(text) or shown.endswith("…")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT 1", "SELECT 1"),
        ("naïve ✓ 表", "naïve ✓ 表"),
        ("\x1b[31mred\x1b[0m", "␛[31mred␛[0m"),
        ("a\tb\r\nc", "a␉b␍␊c"),
        ("\x7f", "␡"),
        ("\x9b2J", "<U+009B>2J"),
        ("ad\u202enim", "ad<U+202E>nim"),
        ("a\u200bb", "a<U+200B>b"),
        ("\ud800", "<U+D800>"),
        ("a\u2028b", "a<U+2028>b"),
        ("a\xa0b", "a<U+00A0>b"),
        ("a\ufe0fb", "a<U+FE0F>b"),
        ("a\u3164b", "a<U+3164>b"),
    ],
)
def test_hostile_text_becomes_glyphs(text: str, expected: str) -> None:
    """Escapes, line breaks, direction changes and joiners are shown as what they are."""
    assert visible(text) == expected


@given(st.text(), st.integers(2, 60))
def test_one_line_is_one_printable_line(text: str, limit_chars: int) -> None:
    """White space of every kind folds to single blanks and the limit holds."""
    shown = one_line(text, limit_chars=limit_chars)
    assert shown.isprintable()
    assert "  " not in shown
    assert len(shown) <= limit_chars


def test_one_line_folds_white_space() -> None:
    """Line breaks and indentation become one blank each."""
    assert one_line("SELECT 1,\n\t  2\r\n") == "SELECT 1, 2"
