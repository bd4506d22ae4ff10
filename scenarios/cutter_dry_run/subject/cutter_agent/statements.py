"""The SQL that cutter_agent sends: SET, SELECT, INSERT and UPDATE, every column by name.

Owns the columns of the tables. Names come from the constant table below only, values are always
parameters.
"""

from __future__ import annotations

from cutter_agent.principals import Isolation

CURRENT_USER = "SELECT current_user AS principal"

COLUMNS: dict[str, tuple[str, ...]] = {
    "decision_backlog_entry": (
        "entry_id",
        "idempotency_key",
        "unit_ref",
        "priority",
        "status",
        "payload",
        "marked_at",
    ),
    "decision_backlog_history": (
        "history_id",
        "entry_id",
        "from_status",
        "to_status",
        "phase",
        "principal",
        "recorded_at",
    ),
    "decision_backlog_dependency": (
        "dependency_id",
        "entry_id",
        "depends_on_ref",
        "reason",
        "recorded_at",
    ),
    "sweep_log": ("sweep_id", "entry_id", "dependencies_seen", "outcome", "swept_at"),
    "manifest_envelope": ("envelope_id", "entry_id", "digest", "block_count", "sealed_at"),
    "manifest_unit_block": ("block_id", "envelope_id", "ordinal", "unit_ref", "digest"),
    "review_decision": (
        "review_id",
        "entry_id",
        "envelope_id",
        "verdict",
        "reviewer",
        "decided_at",
    ),
    "dot_pair_signature": (
        "signature_id",
        "entry_id",
        "side",
        "principal",
        "digest",
        "signed_at",
    ),
    "cut_change_set": (
        "change_set_id",
        "entry_id",
        "envelope_id",
        "executor_signature_id",
        "verifier_signature_id",
        "applied_at",
    ),
    "cut_change_set_affected_row": (
        "affected_row_id",
        "change_set_id",
        "block_id",
        "before_digest",
        "after_digest",
    ),
    "verify_result": ("result_id", "change_set_id", "signature_id", "outcome", "verified_at"),
    "cut_policy": ("policy_id", "name", "rule", "active", "recorded_at"),
}


def known_columns(table: str, columns: tuple[str, ...]) -> tuple[str, ...]:
    """Return `columns` when the table has them all; raises ValueError naming the first it has not."""
    if table not in COLUMNS:
        raise ValueError(f"{table} is not a table of the ledger")
    for column in columns:
        if column not in COLUMNS[table]:
            raise ValueError(f"{table} has no column {column}")
    return columns


def set_isolation(level: Isolation) -> str:
    """Return the statement that every transaction begins with."""
    return f"SET TRANSACTION ISOLATION LEVEL {level.value}"


def insert_row(table: str, columns: tuple[str, ...]) -> str:
    """Return the INSERT of one row with its columns by name."""
    names = ", ".join(known_columns(table, columns))
    places = ", ".join(["%s"] * len(columns))
    return f"INSERT INTO public.{table} ({names}) VALUES ({places})"


def select_rows(table: str, keys: tuple[str, ...]) -> str:
    """Return the SELECT of all columns where every key equals its parameter."""
    conditions = " AND ".join(f"{key} = %s" for key in known_columns(table, keys))
    return f"SELECT {', '.join(COLUMNS[table])} FROM public.{table} WHERE {conditions}"


def compare_and_set(table: str, key: str, column: str) -> str:
    """Return the UPDATE of one column that happens only while it still holds the expected value."""
    known_columns(table, (key, column))
    return (
        f"UPDATE public.{table} SET {column} = %s"
        f" WHERE {key} = %s AND {column} IS NOT DISTINCT FROM %s RETURNING {key}"
    )
