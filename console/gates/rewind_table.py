"""The gates of a run whose copy is rewound between scenarios, and where they stand among the others.

Owns these rows, and the two that ask more than in other runs: G-15 and G-20 look at every copy, also at those that
were dropped. A plan that rewinds nothing has none of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from console.gates import checks_rewind as rewind
from console.gates import checks_scenarios as scenarios
from console.gates import checks_witnesses as witnesses
from console.model.gate import Gate

REWIND_GATES: tuple[Gate, ...] = (
    Gate(
        id="G-27",
        title="each rewound scenario began on a copy that is the prepared one in catalogue, sequences and privileges",
        step="C-11",
        cause="environment",
        rests_on=(
            "prepared",
            "rewound.",
            "template.",
            "scenarios.planned",
            "rows.",
            "effects.before",
            "privileges.frozen",
            "inventory.frozen",
        ),
        check=rewind.fresh_copies_are_the_prepared_one,
        remedy="close every connection at the end of a scenario; the rest that is named here only the engine changes",
        each_scenario=True,
    ),
    Gate(
        id="G-28",
        title="nobody reached or changed the template from which the copy is made anew",
        step="C-11",
        cause="subject",
        rests_on=("prepared", "rewound.", "template.", "scenarios.planned", "rows."),
        check=rewind.template_is_untouched,
        remedy="find out who changed the server's files or has a superuser's power there; run again without --rewind",
        each_scenario=True,
    ),
    Gate(
        id="G-31",
        title="the template's content is at the end what it was when it was made",
        step="C-11",
        cause="environment",
        rests_on=("prepared", "content.before", "content.after"),
        check=rewind.template_has_its_content,
        remedy="find out what changed files past their change times: disk, memory, a mapped file; then run again",
    ),
)

_BEFORE = "G-15"
"""They are asked before it: a copy that is not the prepared one is not the subject's fault."""

_CHECKS = {
    "G-15": (scenarios.row_changes_are_the_expected_ones_on_each_copy, ("prepared", "rewound.")),
    "G-20": (witnesses.witnesses_agree_on_each_copy, ("prepared", "scenarios.planned", "rewound.")),
}


_TITLES = {"G-01": "free disk is the larger of 5 GB and 4 times the source's size, or more"}
"""A template is as large as the copy."""


def with_rewind_rows(gates: Sequence[Gate]) -> tuple[Gate, ...]:
    """Return the rows of a plan and these, for a reader: all others as in a plan that rewinds nothing."""
    place = next(number for number, gate in enumerate(gates) if gate.id == _BEFORE)
    return (*gates[:place], *REWIND_GATES, *gates[place:])


def with_rewind_gates(gates: Sequence[Gate]) -> tuple[Gate, ...]:
    """Return the gates of a plan that rewinds the copy: these rows, and those that look at every copy."""
    return tuple(_of_each_copy(gate) for gate in with_rewind_rows(gates))


def _of_each_copy(gate: Gate) -> Gate:
    gate = replace(gate, title=_TITLES.get(gate.id, gate.title))
    if gate.id not in _CHECKS:
        return gate
    check, more = _CHECKS[gate.id]
    return replace(gate, check=check, rests_on=tuple(dict.fromkeys((*gate.rests_on, *more))))
