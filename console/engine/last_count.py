"""The count behind a scenario, and whether a row of the pack's tables was written after it.

An UPDATE leaves every count as it was, and what a scenario itself may update nobody has declared; but what the count's
snapshot does not see and a later one does came late. Owns that look, which a copy has before it is dropped. Never
judges.
"""

from __future__ import annotations

from psycopg import sql

from console.engine.rehearsal import Rehearsal
from console.engine.witnessing import LastCount
from console.model.catalogue import split_name
from console.sql import pinned
from console.sql import run as run_sql
from console.witness.catalogue import count_rows

_OWN_TRANSACTIONS = 1
"""Between the count and the look the engine closes the database (ALTER DATABASE), which takes one number."""


def count_behind_scenario(run: Rehearsal) -> dict[str, int]:
    """Count the pack's tables; where the copy is rewound, in one snapshot whose bounds are kept for the look."""
    pack, witnessing = run.loaded.pack, run.the_witnessing()
    connection = witnessing.connection
    if not run.plan.rewound:
        return count_rows(connection, pack.schema, pack.tables)
    with connection.transaction():
        run_sql(connection, "rewind/one_snapshot")
        rows = count_rows(connection, pack.schema, pack.tables)
        with pinned(connection):
            [(oldest, next_)] = run_sql(connection, "rewind/snapshot_bounds")
            seen: set[str] = set()
            if oldest != next_:
                for name in pack.tables:
                    parts = {"table": sql.Identifier(*split_name(pack.schema, name))}
                    found = run_sql(connection, "rewind/writers_since", {"oldest": oldest}, parts)
                    seen |= {writer for (writer,) in found}
    witnessing.last_count = LastCount(oldest=oldest, next=next_, seen=tuple(sorted(seen)))
    return rows


def rows_written_since(run: Rehearsal) -> dict[str, int]:
    """Return by the pack's tables how many of their rows were written after the last count, or since a later time.

    The copy is closed, and whatever ran in it has ended. Where no other transaction than the engine's own has ended
    since, no row is looked at.
    """
    pack, witnessing = run.loaded.pack, run.the_witnessing()
    last, connection = witnessing.last_count, witnessing.connection
    assert last is not None
    written = dict.fromkeys(pack.tables, 0)
    with pinned(connection):
        [(_oldest, next_)] = run_sql(connection, "rewind/snapshot_bounds")
        if last.oldest == last.next and int(next_) == int(last.next) + _OWN_TRANSACTIONS:
            return written
        for name in pack.tables:
            parts = {"table": sql.Identifier(*split_name(pack.schema, name))}
            wanted = {"oldest": last.oldest, "seen": list(last.seen)}
            [(written[name],)] = run_sql(connection, "rewind/rows_written_since", wanted, parts)
    return written
