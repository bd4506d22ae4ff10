"""Writes the page docs/events.md from console/model/event.py, so that no event is missing or wrong.

`python docs/events.py > docs/events.md` writes it anew; a test holds page and code together.
"""

from __future__ import annotations

import sys
from typing import Any, get_args, get_type_hints

import msgspec

from console.model.event import Entry, Event

HEAD = """# Events of the journal

Written from `console/model/event.py` by `python docs/events.py > docs/events.md`; do not edit.

`journal.jsonl` holds one JSON object a line, chained by their hashes: what a run's screens, reports, recovery and
verification read, and the only thing they read. Events carry their own words, so that an old journal stays readable.
"""


def described(annotation: Any) -> str:
    """Return a type in a reader's words."""
    if annotation == Event:
        return "one of those below, named by its `kind`"
    text = (
        annotation.__name__ if isinstance(annotation, type) and not get_args(annotation) else str(annotation)
    )
    for module in ("console.model.event.", "console.model.", "typing."):
        text = text.replace(module, "")
    return text.replace("|", "or").replace("NoneType", "None")


def section(title: str, struct: Any) -> str:
    """Return one event: what it says, and its fields."""
    hints = get_type_hints(struct)
    rows = [
        f"| {one.encode_name} | {described(hints[one.name])} | {'yes' if one.required else 'no'} |"
        for one in msgspec.structs.fields(struct)
    ]
    words = " ".join((struct.__doc__ or "").split())
    return "\n".join(
        [f"## {title}", "", words, "", "| field | type | always there |", "|---|---|---|", *rows, ""]
    )


def markdown() -> str:
    """Return the whole page."""
    parts = [section("Every line", Entry)]
    parts += [section(struct.__name__, struct) for struct in get_args(Event)]
    return "\n".join([HEAD, *parts])


if __name__ == "__main__":
    sys.stdout.write(markdown())
