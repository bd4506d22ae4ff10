"""What the server says of transactions that should have left nothing: status, rows, sequences, locks, settings.

Owns the reading, over a session that is not the transactions' own. Never writes, never judges: `A-1` does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from console.model.proof_facts import Counts, Others
from console.sql import pinned, run
from console.witness.catalogue import count_rows
from console.witness.held_locks import Look

Connection = psycopg.Connection[Any]

_WRITE_MODES = frozenset(
    {"RowExclusiveLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock", "ShareUpdateExclusiveLock",
     "ShareLock"}
)  # fmt: skip
_TABLE_KINDS = ("r", "p")
_OWN_SCHEMAS = ("pg_catalog.", "information_schema.", "pg_toast.")
_HELD = ("transactionid", "tuple", "advisory")
NEVER_BEGUN = "never begun"


@dataclass(kw_only=True)
class Seen:
    """What the server has shown of some backends, look after look: nothing that was seen once is forgotten."""

    users: dict[int, tuple[str, str]] = field(default_factory=dict)
    xids: set[str] = field(default_factory=set)
    writes: set[str] = field(default_factory=set)
    sequences: set[str] = field(default_factory=set)
    advisory: set[int] = field(default_factory=set)

    def add(self, new: Seen) -> None:
        """Add what was seen elsewhere."""
        self.users |= new.users
        self.xids |= new.xids
        self.writes |= new.writes
        self.sequences |= new.sequences
        self.advisory |= new.advisory


def look_at_backends(conn: Connection, pids: Collection[int], seen: Seen) -> Look:
    """Add what the server shows now of the backends `pids`: user and database, transaction ids, locks.

    Returns what they hold now; locks on PostgreSQL's own catalogues, which every statement takes, are left out.
    """
    for pid in sorted(pids):
        for user, database, _application in run(conn, "proof/backend", {"pid": pid}):
            seen.users[pid] = (user or "", database or "")
    holds, longest_ms, modes = False, 0, dict[str, set[str]]()
    for row in run(conn, "proof/locks_of_backend", {"pids": sorted(pids)}):
        lock = _Lock(*row)
        _remember(conn, lock, seen)
        longest_ms = max(longest_ms, lock.waited_ms)
        on_table = bool(lock.relation) and not lock.relation.startswith(_OWN_SCHEMAS)
        holds |= lock.granted and (lock.kind in _HELD or (lock.kind == "relation" and on_table))
        if lock.granted and lock.kind == "relation" and on_table:
            modes.setdefault(lock.relation, set()).add(lock.mode)
    told = {relation: tuple(sorted(found)) for relation, found in modes.items()}
    return Look(holds=holds, waited_ms=longest_ms, modes=told)


class _Lock(NamedTuple):
    pid: int
    kind: str
    mode: str
    granted: bool
    relation: str
    relation_kind: str
    xid: str
    waited_ms: int


def _remember(conn: Connection, lock: _Lock, seen: Seen) -> None:
    if lock.kind == "transactionid" and lock.granted and lock.mode == "ExclusiveLock":
        [(whole,)] = run(conn, "proof/whole_xid", {"xid": lock.xid})
        seen.xids.add(whole)
    elif lock.kind == "relation" and lock.relation_kind == "S" and lock.mode in _WRITE_MODES:
        seen.sequences.add(lock.relation)
    elif lock.kind == "relation" and lock.relation_kind in _TABLE_KINDS and lock.mode in _WRITE_MODES:
        if lock.granted:
            seen.writes.add(lock.relation)
    elif lock.kind == "advisory" and lock.granted:
        seen.advisory.add(lock.pid)


def living(conn: Connection, users: dict[int, tuple[str, str]]) -> tuple[int, ...]:
    """Return those of some backends that still live, as the same user in the same database."""
    found = []
    for pid, (user, database) in sorted(users.items()):
        rows = run(conn, "proof/backend", {"pid": pid})
        if any((row[0], row[1]) == (user, database) for row in rows):
            found.append(pid)
    return tuple(found)


def advisory_locks(conn: Connection, pids: Collection[int]) -> tuple[str, ...]:
    """Return the advisory locks that some backends still hold."""
    rows = run(conn, "proof/locks_of_backend", {"pids": sorted(pids)})
    return tuple(f"advisory of backend {row[0]}" for row in rows if row[1] == "advisory")


def statuses_of(conn: Connection, xids: Iterable[str]) -> dict[str, str]:
    """Return by transaction id what the server calls it: aborted, committed or in progress.

    "" when it has forgotten; `NEVER_BEGUN` when it has lost the number in a crash and would give it out again.
    """
    return {xid: _status_of(conn, xid) for xid in sorted(xids)}


def _status_of(conn: Connection, xid: str) -> str:
    try:
        return str(run(conn, "proof/xact_status", {"xid": xid})[0][0])
    except psycopg.errors.InvalidParameterValue:
        return NEVER_BEGUN


def rows_of(conn: Connection, tables: Iterable[str], xids: Collection[str]) -> dict[str, int]:
    """Return by "schema.table" how many of its rows bear one of the transactions as xmin."""
    short = [str(int(xid) & 0xFFFFFFFF) for xid in xids]
    found: dict[str, int] = {}
    with pinned(conn):
        for name in sorted(tables):
            [(count,)] = run(conn, "proof/own_rows", {"xids": short}, {"table": _identifier(name)})
            found[name] = count
    return found


def count(conn: Connection, schema: str, tables: Sequence[str]) -> Counts:
    """Return exact counts, all in one snapshot, and the server's counters of deleted rows."""
    run(conn, "proof/begin_look")
    try:
        [(snapshot,)] = run(conn, "proof/snapshot")
        rows = count_rows(conn, schema, tables)
    finally:
        run(conn, "proof/end_look")
    return Counts(rows=rows, snapshot=snapshot, deleted=tuples_deleted(conn, schema, tables))


def tuples_deleted(conn: Connection, schema: str, tables: Sequence[str]) -> dict[str, int]:
    """Return the server's own counters of deleted rows, which come a while after the deeds."""
    return dict(run(conn, "proof/tuples_deleted", {"schema": schema, "tables": list(tables)}))


def others_since(
    conn: Connection, schema: str, before: Counts, after: Counts, xids: Collection[str]
) -> Others:
    """Return, for each table whose count moved, rows that are new since `before` and those that others committed."""
    moved = (
        [name for name, rows in before.rows.items() if after.rows.get(name) != rows]
        if before.snapshot
        else []
    )
    new_rows: dict[str, int] = {}
    of_others: dict[str, int] = {}
    with pinned(conn):
        for name in moved:
            found = {"before": before.snapshot, "xids": list(xids)}
            parts = {"table": sql.Identifier(schema, name)}
            [(new_rows[name], of_others[name])] = run(conn, "proof/foreign_rows", found, parts)
    return Others(new_rows=new_rows, of_others=of_others)


def settings_digest(conn: Connection) -> str:
    """Return one digest of every setting that is kept for roles and databases."""
    return str(run(conn, "proof/settings_digest")[0][0])


def forbidden_attributes(conn: Connection, roles: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return by role the attributes that a least-privilege role must not have."""
    words = ("is a superuser", "bypasses row security", "may replicate", "may make roles")
    return {
        name: tuple(word for word, has in zip(words, attributes, strict=True) if has)
        for name, *attributes in run(conn, "proof/role_attributes", {"roles": list(roles)})
    }


def _identifier(name: str) -> sql.Identifier:
    schema, _dot, table = name.partition(".")
    return sql.Identifier(schema, table)
