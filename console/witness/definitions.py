"""PostgreSQL's printed definitions in the one form that survives dump and restore.

Owns the single rewriting that a faithful restore makes. `status IN ('a', 'b')` on a varchar column prints
as `(ARRAY['a'::character varying, ...])::text[]`, and when that text is read back (which is what a dump
does) it prints as `ARRAY[('a'::character varying)::text, ...]`. Nothing else is touched, so that two
definitions which differ in anything but that stay different.
"""

from __future__ import annotations

import re

_OPENING = "(ARRAY["
_CAST = re.compile(r'\)::("[^"]+"|[a-z_][a-z0-9_]*(?: [a-z]+)*(?:\(\d+(?:,\d+)?\))?)\[\]')


def settled(definition: str) -> str:
    """Return the definition as PostgreSQL prints it after a dump and a restore."""
    place = definition.find(_OPENING)
    while place >= 0:
        elements, end = _elements(definition, place + len(_OPENING))
        cast = _CAST.match(definition, end)
        if cast is not None and elements:
            each = ", ".join(f"({element})::{cast[1]}" for element in elements)
            definition = f"{definition[:place]}ARRAY[{each}]{definition[cast.end() :]}"
        place = definition.find(_OPENING, place + 1)
    return definition


def _elements(text: str, begin: int) -> tuple[list[str], int]:
    """Return the elements of the array constructor that begins at `begin`, and where its "]" ends.

    No elements: the constructor does not end in this text. Quotes are doubled inside quotes, as
    PostgreSQL's deparser writes them.
    """
    elements: list[str] = []
    depth, quote, start = 0, "", begin
    for place in range(begin, len(text)):
        character = text[place]
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "([":
            depth += 1
        elif character == "]" and depth == 0:
            return [*elements, text[start:place]], place + 1
        elif character in ")]":
            depth -= 1
        elif character == "," and depth == 0:
            elements.append(text[start:place])
            start = place + 2
    return [], len(text)
