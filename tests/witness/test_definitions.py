"""The one rewriting that a restore makes of a printed definition, and nothing besides."""

from __future__ import annotations

import pytest

from console.witness.definitions import settled

REWRITTEN = {
    "CHECK ((a = ANY ((ARRAY['x'::character varying, 'y, ]'::character varying])::text[])))": (
        "CHECK ((a = ANY (ARRAY[('x'::character varying)::text, ('y, ]'::character varying)::text])))"
    ),
    "((ARRAY['it''s'::bpchar])::character(10)[])": "(ARRAY[('it''s'::bpchar)::character(10)])",
    "(ARRAY[f(1, 2), b])::numeric(10,2)[] AND (ARRAY[c])::text[]": (
        "ARRAY[(f(1, 2))::numeric(10,2), (b)::numeric(10,2)] AND ARRAY[(c)::text]"
    ),
}


@pytest.mark.parametrize(("printed", "restored"), REWRITTEN.items())
def test_a_cast_array_becomes_an_array_of_casts(printed: str, restored: str) -> None:
    """What a restore reprints is settled beforehand, and a settled text stays as it is."""
    assert settled(printed) == restored
    assert settled(restored) == restored


@pytest.mark.parametrize(
    "text",
    [
        "CHECK ((a = ANY (ARRAY[1, 2])))",
        "(ARRAY[1, 2])",
        "(ARRAY['unended, (",
        "(ARRAY[a])::text",
        "CHECK ((a > 0))",
        "",
    ],
)
def test_everything_else_is_left_alone(text: str) -> None:
    """A definition without a cast array constructor is the same afterwards."""
    assert settled(text) == text
