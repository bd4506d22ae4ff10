"""What a plan says of a copy that is rewound between scenarios: steps, words, claims.

Pure: looks at the scenarios' names only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from console.gates.rewind_table import REWIND_GATES
from console.model.plan import Step
from console.model.rewinds import named


def rewinding_words(rewound: Sequence[str]) -> str:
    """Return what a title adds for a copy that is rewound, "" for one that is not."""
    return f", REWOUND before {named(rewound)}" if rewound else ""


def with_rewinds(steps: Sequence[Step], rewound: Sequence[str]) -> tuple[Step, ...]:
    """Return the steps of a plan that rewinds the copy; those of any other as they are."""
    return tuple(_with_rewind(step, rewound) for step in steps) if rewound else tuple(steps)


def _with_rewind(step: Step, rewound: Sequence[str]) -> Step:
    if step.id == "C-08":
        return replace(step, does=f"a template of the prepared copy; {step.does}")
    if step.id == "C-10":
        return replace(step, does=f"{step.does}, with a fresh copy before {named(rewound)}")
    if step.id == "C-11":
        place = step.gates.index("G-15")
        own = tuple(gate.id for gate in REWIND_GATES)
        return replace(step, gates=(*step.gates[:place], *own, *step.gates[place:]))
    return step


def rewinding_claims(rewound: Sequence[str]) -> tuple[str, ...]:
    """Return what the evidence of a run that rewinds its copy does not show."""
    if not rewound:
        return ()
    return (
        f"before {named(rewound)} the copy was made anew as it was prepared: nothing is said about what such a "
        "scenario would have met in what those before it left; G-14, G-16 and G-18 look at the last copy",
        "before and after each use the template is compared by names, sizes and times of its files and by its row in "
        "the catalogue, and by content with itself only, as it was read when it was made and at the end; memory and "
        "files of the subject's process are not rewound",
        "fsync and full_page_writes are off, too, while the copy is made anew, and on again before anybody can connect",
    )
