"""The gate of a copy that is not the whole source, and where it stands among the others.

Owns this row. A plan that takes everything and masks nothing does not have it.
"""

from __future__ import annotations

from collections.abc import Sequence

from console.gates import checks_sample as sample
from console.model.gate import Gate

SAMPLE_GATES: tuple[Gate, ...] = (
    Gate(
        id="G-26",
        title="the copy holds the rows that the plan takes, and fakes alone in every masked column",
        step="C-05",
        cause="source",
        rests_on=("sample.planned", "sample.sent", "sample.loaded"),
        check=sample.copy_is_what_the_plan_takes,
        remedy="keep what was found to yourself: it may be production's; look at [sample] and [mask], and run again",
    ),
)


def with_sample_gates(gates: Sequence[Gate]) -> tuple[Gate, ...]:
    """Return the gates of a plan with those of a sample after the restore's."""
    place = next(number for number, gate in enumerate(gates) if gate.id == "G-08") + 1
    return (*gates[:place], *SAMPLE_GATES, *gates[place:])
