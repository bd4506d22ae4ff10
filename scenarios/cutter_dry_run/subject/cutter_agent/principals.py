"""Who may do what: principals, phases, isolation levels and the tables each principal inserts into.

Owns the constant tables only; the server's own grants stand behind them.
"""

from __future__ import annotations

from enum import StrEnum


class Principal(StrEnum):
    """A writing role of the database."""

    EXEC = "cutter_exec"
    VERIFY = "cutter_verify"


class Phase(StrEnum):
    """A stage in the life of a backlog entry."""

    MARK = "MARK"
    SWEEP = "SWEEP"
    REVIEW = "REVIEW"
    CUT = "CUT"
    VERIFY = "VERIFY"


class Isolation(StrEnum):
    """A transaction isolation level, as PostgreSQL spells it."""

    READ_COMMITTED = "READ COMMITTED"
    SERIALIZABLE = "SERIALIZABLE"


PHASE_PRINCIPAL = {
    Phase.MARK: Principal.EXEC,
    Phase.SWEEP: Principal.EXEC,
    Phase.REVIEW: Principal.EXEC,
    Phase.CUT: Principal.EXEC,
    Phase.VERIFY: Principal.VERIFY,
}

PHASE_ISOLATION = {
    Phase.MARK: Isolation.READ_COMMITTED,
    Phase.SWEEP: Isolation.READ_COMMITTED,
    Phase.REVIEW: Isolation.READ_COMMITTED,
    Phase.CUT: Isolation.SERIALIZABLE,
    Phase.VERIFY: Isolation.SERIALIZABLE,
}

INSERTS = {
    Principal.EXEC: frozenset(
        {
            "decision_backlog_entry",
            "decision_backlog_history",
            "decision_backlog_dependency",
            "sweep_log",
            "manifest_envelope",
            "manifest_unit_block",
            "review_decision",
            "dot_pair_signature",
            "cut_change_set",
            "cut_change_set_affected_row",
        }
    ),
    Principal.VERIFY: frozenset({"decision_backlog_history", "dot_pair_signature", "verify_result"}),
}

UPDATES = {
    Principal.EXEC: frozenset({("decision_backlog_entry", "status")}),
    Principal.VERIFY: frozenset(
        {("decision_backlog_entry", "status"), ("cut_change_set", "verifier_signature_id")}
    ),
}
