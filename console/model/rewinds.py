"""Which scenarios begin on the copy as it was prepared, and how a reader is told that one did.

Pure: looks at a pack, and at a note that may be of any shape.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from console.model.pack import Pack

_NAMED = 4

REWIND_NOTE = "rewind."
"""Begins the name of the note that says how the copy was rewound before a scenario, and how long that took."""


def rewound_scenarios(pack: Pack, *, asked: bool) -> tuple[str, ...]:
    """Return the scenarios before which the copy is rewound, in order; `asked` is the run's own word.

    The first one finds the prepared copy anyway. A replay is never among them: it must find what it repeats, or its
    "nothing changed" would be empty.
    """
    every = pack.rewind == "each" or (asked and pack.rewind == "allowed")
    return tuple(one.id for one in pack.scenario[1:] if (every or one.rewind) and one.kind != "replay")


def scenarios_since_rewind(scenarios: Sequence[str], rewound: Sequence[str]) -> list[str]:
    """Return the scenarios that the copy has seen at the end: those from the last rewind on, else all."""
    last = max((place for place, one in enumerate(scenarios) if one in rewound), default=0)
    return list(scenarios[last:])


def named(rewound: Sequence[str]) -> str:
    """Return the scenarios' names; of many the first ones, and how many more there are."""
    if len(rewound) <= _NAMED:
        return ", ".join(rewound)
    return f"{', '.join(rewound[: _NAMED - 1])} and {len(rewound) - _NAMED + 1} more"


def rewound_words(rewound: Sequence[str], facts: Collection[str]) -> str:
    """Return in one sentence what a reader of the final counts must know, "" where the copy was not to be rewound.

    `facts` are the names of those recorded: a run that fails early has not come to every rewind.
    """
    done = [one for one in rewound if f"rewound.{one}" in facts]
    missing = [one for one in rewound if one not in done]
    words = [f"made anew before {named(done)}: the rows at the end are the last copy's"] if done else []
    words += [f"not made anew before {named(missing)}, as was planned"] if missing else []
    return "; ".join(words)


def rewind_words(value: Any) -> str:
    """Return how the copy was rewound, from the note's value; "" for a note of another shape."""
    if not isinstance(value, dict) or not isinstance(value.get("took_ms"), int):
        return ""
    return f"copy made anew from its template in {value['took_ms'] / 1000:.2f} s: {value.get('way')}"
