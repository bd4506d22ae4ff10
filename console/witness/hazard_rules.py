"""What a ROLLBACK does not undo, by the name of PostgreSQL's own (and dblink's) functions: one table.

Owns the words. Deny by default: a function of PostgreSQL's own that is neither known to be harmless nor listed here as
undone by a ROLLBACK is a hazard as well.
"""

from __future__ import annotations

from console.witness.surface_functions import harmless_functions

UNDONE = frozenset(
    """
    gen_random_uuid hashint4 hashint4extended hashint8 hashint8extended hashtext hashtextextended jsonb_hash
    notify uuid_hash uuid_hash_extended pg_advisory_xact_lock pg_advisory_xact_lock_shared pg_current_xact_id
    pg_current_xact_id_if_assigned pg_notify pg_sleep pg_sleep_for pg_sleep_until pg_try_advisory_xact_lock
    pg_try_advisory_xact_lock_shared set_config setseed txid_current txid_current_if_assigned
    """.split()  # noqa: SIM905
)
"""They end with the transaction: NOTIFY is delivered at COMMIT only, these locks are the transaction's, and set_config
is undone with it (PostgreSQL manual: NOTIFY; Advisory Lock Functions; SET)."""

_SEQUENCE = "moves a sequence, and no ROLLBACK moves it back"
_OTHER_CONNECTION = "works over a connection of its own, which commits by itself"
_FILES = "reads or writes files or large objects of the server"
_SESSION_LOCK = "takes or gives back a lock of the session, which outlives the transaction"
_DYNAMIC = "runs a query that is a text"
_SERVER = "acts on the server or on other sessions at once"

_BY_NAME = {
    **dict.fromkeys(("nextval", "setval"), _SEQUENCE),
    **dict.fromkeys(
        ("pg_advisory_lock", "pg_advisory_lock_shared", "pg_try_advisory_lock", "pg_try_advisory_lock_shared",
         "pg_advisory_unlock", "pg_advisory_unlock_shared", "pg_advisory_unlock_all"), _SESSION_LOCK,
    ),
    **dict.fromkeys(
        ("query_to_xml", "query_to_xmlschema", "query_to_xml_and_xmlschema", "cursor_to_xml", "ts_stat", "ts_rewrite"),
        _DYNAMIC,
    ),
    **dict.fromkeys(
        ("pg_terminate_backend", "pg_cancel_backend", "pg_reload_conf", "pg_rotate_logfile", "pg_promote",
         "pg_logical_emit_message", "pg_switch_wal", "pg_create_restore_point"), _SERVER,
    ),
}  # fmt: skip

_BY_PREFIX = {
    "dblink": _OTHER_CONNECTION,
    "lo_": _FILES,
    "pg_file_": _FILES,
    "pg_read_": _FILES,
    "pg_ls_": _FILES,
}


def outlives_rollback(name: str) -> str | None:
    """Return why a function of this name is a hazard whatever calls it, None where its name says nothing."""
    if name in _BY_NAME:
        return _BY_NAME[name]
    return next((why for prefix, why in _BY_PREFIX.items() if name.startswith(prefix)), None)


def own_function_hazard(name: str, major: int) -> str | None:
    """Return why a function of PostgreSQL's own is a hazard, None for one that leaves nothing."""
    if name in UNDONE:
        return None
    known = outlives_rollback(name)
    if known is not None:
        return known
    return None if name in harmless_functions(major) else "is not known to leave nothing after a ROLLBACK"
