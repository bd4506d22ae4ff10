"""The gates of a run that keeps its copy, or takes one that was kept, and where they stand among the others.

Owns these rows, and G-10 of a copy that was laid out from a kept one. Any other plan has none of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from console.gates import checks_kept as kept
from console.model.gate import Gate
from console.model.plan import CopyKind

KEEPING_GATES: tuple[Gate, ...] = (
    Gate(
        id="G-29",
        title="the copy that is kept is its owner's alone, in memory or encrypted, whole, and has its end",
        step="C-06",
        cause="environment",
        rests_on=("kept.place", "kept.made"),
        check=kept.kept_copy_is_protected,
        remedy="name a folder of yours in memory or on an encrypted disk in [reuse] folder, or leave --reuse-copy away",
    ),
    Gate(
        id="N-8",
        title="nothing of the run is left but the kept copy, which has its end",
        step="C-13",
        cause="drydock",
        rests_on=("left.kept",),
        check=kept.only_the_kept_copy_is_left,
        remedy="`drydock kept` lists what is kept, `drydock kept remove NAME` removes one",
        closing=True,
    ),
)
TAKING_GATES: tuple[Gate, ...] = (
    Gate(
        id="G-30",
        title="the copy is the kept one that was approved: of this source, not expired, the same byte for byte",
        step="C-05",
        cause="environment",
        rests_on=("kept.taken", "kept.laid_out", "copy.created"),
        check=kept.kept_copy_is_the_approved_one,
        remedy="`drydock kept remove NAME` removes it; the next run with --reuse-copy takes a new one from the source",
    ),
)

AFTER = {"G-29": "G-08", "G-30": "G-07", "N-8": "N-7"}
"""Behind which gate each stands."""

_OF_TAKEN = {
    "G-10": (
        "the copy's system_identifier differs from the source's and the kept copy's",
        kept.copy_is_another_server_than_the_kept_one,
        ("copy.created", "copy.asked", "kept.taken"),
    ),
}


def with_kept_rows(gates: Sequence[Gate]) -> tuple[Gate, ...]:
    """Return the rows of a plan and these, for a reader."""
    return _placed(gates, (*KEEPING_GATES, *TAKING_GATES))


def with_kept_gates(gates: Sequence[Gate], kind: CopyKind) -> tuple[Gate, ...]:
    """Return the gates of a plan whose copy is kept, or was; those of any other as they are."""
    if kind == "kept":
        return _placed(gates, KEEPING_GATES)
    return tuple(map(_of_taken, _placed(gates, TAKING_GATES))) if kind == "reused" else tuple(gates)


def _placed(gates: Sequence[Gate], own: Sequence[Gate]) -> tuple[Gate, ...]:
    found: list[Gate] = []
    for gate in gates:
        found += [gate, *(one for one in own if AFTER[one.id] == gate.id)]
    return tuple(found)


def _of_taken(gate: Gate) -> Gate:
    if gate.id not in _OF_TAKEN:
        return gate
    title, check, rests_on = _OF_TAKEN[gate.id]
    return replace(gate, title=title, check=check, rests_on=rests_on)
