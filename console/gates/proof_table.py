"""The gates of the plan `proof`: P-1 to P-9, the hazards before it and the certificate after it (design section 6).

Owns these rows; what both plans ask (places, identity, secrets, net-zero) is the same row as in `console.gates.table`.
"""

from __future__ import annotations

from dataclasses import replace

from console.gates import checks_proof as proof
from console.gates.table import by_id
from console.model.gate import Gate

PROOFS: tuple[Gate, ...] = (
    Gate(
        id="P-1",
        title="the kill-switch is off",
        step="C-02",
        cause="subject",
        rests_on=("proof.switch",),
        check=proof.kill_switch_is_off,
        remedy="set the kill-switch to False in one place; turning it on is a decision of its own",
    ),
    Gate(
        id="P-2",
        title="every method refuses before anything connects",
        step="C-02",
        cause="subject",
        rests_on=("proof.refusals",),
        check=proof.every_method_is_refused,
        remedy="let each method ask the guard on its first line, and connect nowhere else",
    ),
    Gate(
        id="P-3",
        title="the real adapter is accepted and every look-alike refused",
        step="C-02",
        cause="subject",
        rests_on=("proof.acceptance",),
        check=proof.only_the_real_adapter_is_accepted,
        remedy="compare the type itself, neither its name nor its methods",
    ),
    Gate(
        id="P-4",
        title="the seam reaches the database as each principal, and as nobody who may do more",
        step="C-03",
        cause="subject",
        rests_on=("proof.seam",),
        check=proof.seam_reaches_the_database,
        remedy="look at the provider's configuration, and at the roles in the database",
    ),
    Gate(
        id="H-1",
        title="whatever the statements can reach is undone by a ROLLBACK, or accepted by name",
        step="C-04",
        cause="subject",
        rests_on=("proof.hazards",),
        check=proof.nothing_outlives_a_rollback,
        remedy="take the named thing out of the call's reach; only what cannot be analysed can be in [proof] accept",
    ),
    Gate(
        id="P-5",
        title="the exact statement runs between BEGIN and ROLLBACK, with one row more inside",
        step="C-05",
        cause="subject",
        rests_on=("proof.write",),
        check=proof.exact_statement_is_rolled_back,
        remedy="read the statements in the trace and the server's words on the one that failed",
    ),
    Gate(
        id="P-6",
        title="the verify path's SQL is valid on the real schema and writes nothing",
        step="C-05",
        cause="subject",
        rests_on=("proof.read",),
        check=proof.verify_path_is_valid,
        remedy="read the statements in the trace and the server's words on the one that failed",
    ),
    Gate(
        id="L-1",
        title="no lock was held for longer than allowed, and none waited for longer than the lock timeout",
        step="C-05",
        cause="subject",
        rests_on=("proof.locks",),
        check=proof.locks_were_short,
        remedy="read what the call does while it holds locks; [proof] longest_lock_s and lock_timeout_s are the limits",
    ),
    Gate(
        id="A-1",
        title="abort certificate: the server calls the transaction aborted, and nothing of it is left",
        step="C-06",
        cause="subject",
        rests_on=("proof.certificate", "proof.before"),
        check=proof.server_calls_it_aborted,
        remedy="stop: something of the proof is left in the database; look at what is named before anything else",
    ),
    Gate(
        id="P-7",
        title="the counts are unchanged, or another transaction was shown to have moved them",
        step="C-06",
        cause="subject",
        rests_on=("proof.before", "proof.after", "proof.others", "proof.certificate"),
        check=proof.counts_are_unchanged,
        remedy="run again when fewer rows come and go; A-1 says whether it was us",
    ),
    Gate(
        id="P-8",
        title="the counts equal the earlier baseline, or another transaction was shown to have moved them",
        step="C-06",
        cause="source",
        rests_on=("proof.baseline", "proof.after", "proof.others_since_baseline", "proof.certificate"),
        check=proof.counts_equal_the_baseline,
        remedy="leave [proof] baseline out where the tables live, so that this run's own first counts are it",
    ),
    Gate(
        id="P-9",
        title="the kill-switch is still off after the proof",
        step="C-06",
        cause="subject",
        rests_on=("proof.switch_after", "proof.contents"),
        check=proof.kill_switch_is_still_off,
        remedy="find out what turned it on or changed the subject while it ran",
    ),
)

_SHARED = {
    "C-01": ("G-01", "G-02", "G-03"),
    "C-02": ("G-11", "G-12", "G-13"),
    "C-03": ("G-06",),
    "C-07": ("G-21", "G-22"),
    "C-08": ("G-23",),
    "C-09": ("G-24", "G-25", "N-5", "N-6", "N-7"),
}
"""Rows of the dry run that hold here as well, by the step in which they are asked."""


def _rows_of(step: str) -> list[Gate]:
    shared = [replace(by_id(gate), step=step) for gate in _SHARED.get(step, ())]
    return shared + [gate for gate in PROOFS if gate.step == step]


PROOF_GATES: tuple[Gate, ...] = tuple(gate for number in range(1, 10) for gate in _rows_of(f"C-{number:02}"))
"""Every gate of the plan, in the order in which it is asked."""
