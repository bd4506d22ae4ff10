"""The facts of a proof in which everything holds, as they stand in a journal."""

from __future__ import annotations

import json

import msgspec

from console.model import proof_facts as shapes

TABLES = ("information_unit", "unit_version")
COUNTED = "public.information_unit"
SHA = "a" * 64
METHODS = ("mark", "find")


def passing_proof() -> dict[str, object]:
    """Return name to JSON value of every fact of a proof that passes all rows."""
    counts = shapes.Counts(
        rows=dict.fromkeys(TABLES, 50), snapshot="739:739:", deleted=dict.fromkeys(TABLES, 0)
    )
    others = shapes.Others(new_rows={}, of_others={})
    found = {
        "proof.switch": shapes.Switch(assigned=("False",), claimed="False"),
        "proof.refusals": shapes.Refusals(
            methods=METHODS, guard="guard", refusal="KillSwitchOff", first_calls=dict.fromkeys(METHODS, "guard"),
            claimed=dict.fromkeys(METHODS, "KillSwitchOff"), provider_calls=0, sessions=0, password_given=False,
        ),
        "proof.acceptance": shapes.Acceptance(
            same=True, look_alikes=("nothing", "a fake"), refusal="NotLive",
            claimed={"nothing": "NotLive", "a fake": "NotLive"},
        ),
        "proof.seam": shapes.Seam(
            principals=("writer", "reader"), database="directus",
            sessions={
                name: shapes.SeamSession(user=name, database="directus", attributes=())
                for name in ("writer", "reader")
            },
        ),
        "proof.baseline": counts,
        "proof.hazards": shapes.FoundHazards(statements=3, functions=7, unaccepted=()),
        "proof.before": counts,
        "proof.write": rolled_back("writer", (COUNTED,)),
        "proof.read": rolled_back("reader", ()),
        "proof.locks": shapes.Locks(
            limit_ms=100, wait_limit_ms=50, looks=3, open_ms={"P-5": 40, "P-6": 10}, held_ms=30, held_at_most_ms=60,
            waited_ms=0,
        ),
        "proof.certificate": shapes.Certificate(
            statuses={"739": "aborted"}, reached=(COUNTED, "public.unit_version"),
            rows={COUNTED: 0, "public.unit_version": 0}, sequences_before={"public.s": "1,false"},
            sequences_after={"public.s": "1,false"}, locked=("public.t",), backends=(), advisory=(),
            settings_before="d4", settings_after="d4", settings_changed=(), looked_inside=True,
        ),
        "proof.after": counts,
        "proof.others": others,
        "proof.others_since_baseline": others,
        "proof.switch_after": shapes.Switch(assigned=("False",), claimed="False"),
        "proof.contents": shapes.Contents(before=SHA, after=SHA),
    }  # fmt: skip
    decoded: dict[str, object] = json.loads(msgspec.json.encode(found))
    return decoded


def rolled_back(principal: str, writes: tuple[str, ...]) -> shapes.RolledBack:
    """Return one transaction as it should be."""
    return shapes.RolledBack(
        principal=principal, expected=("BEGIN", "SELECT 1", "ROLLBACK"), sent=("BEGIN", "SELECT 1", "ROLLBACK"),
        sessions=(principal,), strangers=(), user=principal, writes=writes, expected_writes=writes,
        change=len(writes), expected_change=len(writes), outcome="returned", too_long=False,
        looked_inside=True,
    )  # fmt: skip
