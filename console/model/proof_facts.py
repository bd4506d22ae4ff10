"""Every fact of the rollback-only proof that a gate rests on (design section 6).

Owns the shapes only. What the harness says is marked as claimed; everything else the engine saw by itself: in the
subject's files, in the client witness's trace, or in the database over a session and a role of its own.
"""

from __future__ import annotations

import msgspec

from console.model.fact import Count, Fact, Sha256, Some, Text


class Switch(Fact, frozen=True, kw_only=True):
    """C-02 and C-06, P-1 and P-9: what the module assigns to the kill-switch, in order; `claimed` is its value."""

    assigned: tuple[str, ...]
    claimed: str


class Refusals(Fact, frozen=True, kw_only=True):
    """C-02, P-2: by method, the first call in its body and the exception that the harness claims.

    `provider_calls` is claimed, `sessions` counts the client witness's, `password_given` tells whether anybody
    could have connected at all.
    """

    methods: tuple[Text, ...]
    guard: Text
    refusal: Text
    first_calls: dict[str, str]
    claimed: dict[str, str]
    provider_calls: int
    sessions: Count
    password_given: bool


class Acceptance(Fact, frozen=True, kw_only=True):
    """C-02, P-3: what the harness claims of the real adapter and of each look-alike ("" for accepted)."""

    same: bool
    look_alikes: tuple[Text, ...]
    refusal: Text
    claimed: dict[str, str]


class SeamSession(Fact, frozen=True, kw_only=True):
    """One session as the server has it; `attributes` are those of its role that no such role may have."""

    user: str
    database: str
    attributes: tuple[str, ...]


class Seam(Fact, frozen=True, kw_only=True):
    """C-03, P-4: by principal, the session that the adapter's seam opened for it."""

    principals: tuple[Text, ...]
    database: Text
    sessions: dict[str, SeamSession]


class FoundHazards(Fact, frozen=True, kw_only=True):
    """C-04, H-1: how many statements were analysed and functions reached; hazards that the plan does not accept."""

    statements: Some
    functions: Count
    unaccepted: tuple[str, ...]


class RolledBack(Fact, frozen=True, kw_only=True):
    """C-05, P-5 and P-6: one transaction of the harness's.

    `expected` and `sent` are the texts; `sessions` the users of the sessions that the client witness saw opened,
    `strangers` sessions of the two roles that it did not see. `user` and `writes` (relations locked for writing)
    are the server's, seen from outside while the transaction was open. `change` is claimed: rows inside, after
    less before. `outcome` is the attempt's, claimed. `looked_inside`: the engine looked when everything but the
    ROLLBACK had been sent, so that no lock was overlooked.
    """

    principal: Text
    expected: tuple[str, ...]
    sent: tuple[str, ...]
    sessions: tuple[str, ...]
    strangers: tuple[str, ...]
    user: str
    writes: tuple[str, ...]
    expected_writes: tuple[str, ...]
    change: int
    expected_change: int
    outcome: str
    too_long: bool
    looked_inside: bool


class Locks(Fact, frozen=True, kw_only=True):
    """C-05, L-1: for how long, in ms, the two transactions were open and held locks on users' tables.

    `open_ms` by proof, from BEGIN to ROLLBACK by the client witness's clock. `looks` of an independent session saw
    locks; `held_ms` lies between the first and the last of them, `held_at_most_ms` between the looks around those;
    the longer transaction counts. `waited_ms` is the longest wait for a lock that a look saw, by the server's clock.
    """

    limit_ms: Some
    wait_limit_ms: Some
    looks: Some
    open_ms: dict[str, Count]
    held_ms: Count
    held_at_most_ms: Count
    waited_ms: Count


class Counts(Fact, frozen=True, kw_only=True):
    """C-03 to C-06, P-7, P-8 and A-1: the tables as an independent session counted them, all in one snapshot.

    `deleted` are the server's own counters of deleted rows. "" as `snapshot`: counted by somebody else.
    """

    rows: dict[str, Count]
    snapshot: str
    deleted: dict[str, int]


class Others(Fact, frozen=True, kw_only=True):
    """C-06, P-7 and P-8: by table whose count moved, new rows, and how many another transaction committed."""

    new_rows: dict[str, Count]
    of_others: dict[str, Count]


class Certificate(Fact, frozen=True, kw_only=True):
    """C-06, A-1: what the server says, over a session of the engine's own, after the transactions' end.

    `statuses` by transaction id, those of subtransactions that were open included; `rows` by table that one of
    them is still seen to have written; `reached` the tables that had to be looked at. Sequences are
    "last_value,is_called"; `locked` those that a transaction of ours had locked, as each move of one does.
    `backends` are sessions of ours that still live, `advisory` their locks; `settings` the digest of those kept
    for roles and databases. Without `looked_inside` nothing says that `locked` is complete. `unmade` says why the
    server could not be asked, "" where it was.
    """

    statuses: dict[str, str]
    reached: tuple[Text, ...]
    rows: dict[str, Count]
    sequences_before: dict[str, str]
    sequences_after: dict[str, str]
    locked: tuple[str, ...]
    backends: tuple[int, ...]
    advisory: tuple[str, ...]
    settings_before: Text
    settings_after: Text
    settings_changed: tuple[str, ...]
    looked_inside: bool
    unmade: str = ""


class Contents(Fact, frozen=True, kw_only=True):
    """C-06, P-9: the sha256 of the subject in place, as it was before it ran and as it is after."""

    before: Sha256
    after: Sha256


PROOF_FACTS: dict[str, type[msgspec.Struct]] = {
    "proof.switch": Switch,
    "proof.refusals": Refusals,
    "proof.acceptance": Acceptance,
    "proof.seam": Seam,
    "proof.baseline": Counts,
    "proof.hazards": FoundHazards,
    "proof.before": Counts,
    "proof.write": RolledBack,
    "proof.read": RolledBack,
    "proof.locks": Locks,
    "proof.certificate": Certificate,
    "proof.after": Counts,
    "proof.others": Others,
    "proof.others_since_baseline": Others,
    "proof.switch_after": Switch,
    "proof.contents": Contents,
}
"""Fact name to its shape, in the order in which a run records them; the others are in `console.model.facts`."""
