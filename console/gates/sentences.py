"""Words that the checks share: the first few differences of two values.

Never judges and never cuts what a value says; control characters are the screen's business.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

SHOWN = 5
"""How many differences a sentence names before it counts the rest."""


def first_few(items: Iterable[str]) -> str:
    """Return the first five items with semicolons between them, and how many more there are."""
    found = list(items)
    more = [f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return "; ".join(found[:SHOWN] + more)


def said(items: Iterable[str]) -> str | None:
    """Return the first few differences as one sentence, None when there are none."""
    return first_few(items) or None


def unequal(expected: Mapping[str, object], found: Mapping[str, object]) -> list[str]:
    """Return one phrase for every key whose values differ, sorted by key; a key that is absent differs."""
    phrases: list[str] = []
    for key in sorted(expected.keys() | found.keys()):
        if key not in found:
            phrases.append(f"{key} is missing")
        elif key not in expected:
            phrases.append(f"{key} is not expected")
        elif expected[key] != found[key]:
            phrases.append(f"{key} is {_shown(found[key])}, expected {_shown(expected[key])}")
    return phrases


def unlisted(what: str, expected: Iterable[str], found: Iterable[str]) -> list[str]:
    """Return one phrase for every item that only one of two collections has, sorted."""
    wanted, seen = set(expected), set(found)
    phrases = [f"{what} {item} is missing" for item in sorted(wanted - seen)]
    return phrases + [f"{what} {item} is not expected" for item in sorted(seen - wanted)]


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(str(item) for item in value) or "nothing"
    return str(value) if value != "" else "nothing"
