"""What a migration did to everything that the database is, whether any sentence of ours names it or not.

Owns the states before and after as facts. Never writes and never judges.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import psycopg

from console.model.migration_facts import MOST_CHANGES, Beyond, BeyondAfter, OwnedElsewhere
from console.sql import pinned, run
from console.witness.database_changes import changes
from console.witness.schema_state import read_columns, read_values
from console.witness.whole_database import WholeDatabase, read_whole_database

Connection = psycopg.Connection[Any]


class Before(msgspec.Struct, frozen=True, kw_only=True):
    """The whole database, and the columns and sums of every table, as they were before the ups."""

    whole: WholeDatabase
    columns: dict[str, tuple[str, str, tuple[str, ...]]]
    values: Mapping[str, str]

    def fact(self) -> Beyond:
        """Return what is recorded of it."""
        return Beyond(digests=self.whole.digests())


def read_before(conn: Connection, values: Mapping[str, str] | None = None) -> Before:
    """Return the state to which later ones are compared; `values` are the sums of now, where they are known."""
    columns = read_columns(conn)
    if values is None or values.keys() != columns.keys():
        values = read_values(conn, columns)
    return Before(whole=read_whole_database(conn), columns=columns, values=values)


def read_after(
    conn: Connection,
    before: Before,
    elsewhere: OwnedElsewhere | None,
    values: Mapping[str, str] | None = None,
) -> BeyondAfter:
    """Return the state now and its differences from `before`; without `elsewhere` nobody's objects are told.

    `values` are the sums of now over all columns, where they are known: no table is read twice.
    """
    whole = read_whole_database(conn)
    found = changes(before.whole, whole)
    others = set(elsewhere.objects) if elsewhere is not None else set()
    return BeyondAfter(
        digests=whole.digests(),
        changes=tuple(one.sentence for one in found[:MOST_CHANGES]),
        unlisted=max(0, len(found) - MOST_CHANGES),
        not_owned=tuple(sorted({it for one in found for it in one.touches} & others)),
        values=dict(_values(conn, before, values or {})),
    )


def _values(conn: Connection, before: Before, known: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield each earlier table whose rows are others now, in the columns that it had then."""
    now = read_columns(conn)
    for name, (schema, table, columns) in before.columns.items():
        there = now.get(name)
        if there is None:
            yield name, "is gone, or has no rows of its own any more"
            continue
        lost = sorted(set(columns) - set(there[2]))
        if lost:
            yield name, f"lost {', '.join(lost)}"
            continue
        total = known.get(name) if columns == there[2] else None
        if (total or read_values(conn, {name: (schema, table, columns)})[name]) != before.values[name]:
            yield name, "has other values in the columns that it had"


def read_bare_schema(conn: Connection, role: str, elsewhere: OwnedElsewhere, *, own_session: bool) -> str:
    """Return the schema in which a role's names without one are, "" where nobody can tell.

    A session of the project's own may have set its search_path when it connected. It leads to public only where the
    role may not create in any other schema either.
    """
    with pinned(conn):
        [(settled, others)] = run(conn, "migration/bare_names", {"role": role})
    return "public" if settled and (own_session or set(others) <= set(elsewhere.objects)) else ""


def read_owned_elsewhere(conn: Connection, role: str) -> OwnedElsewhere:
    """Return what a role does not own in this database, and where it may not create."""
    with pinned(conn):
        rows = run(conn, "migration/owned_elsewhere", {"role": role})
    return OwnedElsewhere(
        relations=tuple(sorted({relation for relation, _object in rows if relation})),
        objects=tuple(sorted({named for _relation, named in rows})),
    )
