"""One change of one recorded fact, and every change that a leaf can suffer."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

GONE = object()
"""In place of a value: take the key away."""

HUGE = 10**15

Path = tuple[str | int, ...]


def altered(facts: dict[str, object], name: str, path: Path, value: object) -> dict[str, object]:
    """Return the facts with one value replaced; an empty path replaces the fact itself."""
    if not path:
        changed = {**facts, name: value}
        if value is GONE:
            del changed[name]
        return changed
    fact: Any = copy.deepcopy(facts[name])
    place = fact
    for key in path[:-1]:
        place = place[key]
    if value is GONE:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return {**facts, name: fact}


def leaves(value: object, path: Path = ()) -> Iterator[tuple[Path, object]]:
    """Return every leaf with its path; an empty list or object is a leaf of its own."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            yield from leaves(inner, (*path, index))
    else:
        yield path, value


def alternatives(leaf: object) -> list[object]:
    """Return the values of which at least one must flip a gate; for all but numbers there is only one."""
    match leaf:
        case bool():
            return [not leaf]
        case int():
            return [other for other in (0, -1, leaf + 1, leaf - 1, HUGE) if other != leaf]
        case str():
            return [leaf + "x"]
        case None:
            return [["x"]]
        case list():
            return [["x"]]
        case dict():
            return [{"x": 1}]
    raise AssertionError(f"no alternative for {leaf!r}")
