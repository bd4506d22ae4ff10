"""What a run did to the copy, by effect: tuple counters, sequences and a digest of the whole catalogue.

Owns the readers behind gate G-20's "no tuple was deleted and no catalogue row changed". Never installs
anything in the database (a trigger of ours would change the thing under test) and never judges.

TRUNCATE leaves the tuple counters alone, but gives the table a new file: pg_class.relfilenode is part of
the digest, and so TRUNCATE shows there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import psycopg
from psycopg import sql

from console.sql import pinned, run
from console.witness.catalogue import read_sequences

__all__ = [
    "VACUUM_COLUMNS",
    "TupleCounts",
    "catalogue_digest",
    "digest_of_catalogue",
    "read_sequences",
    "read_tuple_effects",
]

VACUUM_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "pg_class": (
        "relpages", "reltuples", "relallvisible", "relallfrozen", "relfrozenxid", "relminmxid",
        "relhasindex", "relhasrules", "relhastriggers",
    ),
    "pg_database": ("datfrozenxid", "datminmxid", "dathasloginevt"),
}  # fmt: skip
"""Columns that vacuum, analyze or a login write in place (vac_update_relstats, vac_update_datfrozenxid,
EventTriggerOnLogin); what the relhas* flags summarise is digested in pg_index, pg_rewrite, pg_trigger."""


class TupleCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Tuples of one table since its statistics began, those of rolled back transactions included."""

    inserted: int
    updated: int
    deleted: int


def read_tuple_effects(conn: psycopg.Connection[Any]) -> dict[str, TupleCounts]:
    """Return the tuple counters of every user table by schema.name.

    A living backend reports its own counts with up to a second's delay: read this after the backends to
    be judged have ended. Needs a connection in autocommit, or the flush waits for the transaction's end.
    """
    run(conn, "effects/flush_statistics")
    with pinned(conn):
        rows = run(conn, "effects/tuple_counts")
    return {
        name: TupleCounts(inserted=inserted, updated=updated, deleted=deleted)
        for name, inserted, updated, deleted in rows
    }


def catalogue_digest(conn: psycopg.Connection[Any]) -> dict[str, str]:
    """Return a sha256 (hex) over the rows of each catalogue table, by its name in pg_catalog.

    Equal before and after plain DML, vacuum and analyze; different after any DDL, TRUNCATE, GRANT or ALTER
    ROLE. Shared catalogues are included, and no value, no password's verifier either, leaves the server.
    Needs a superuser.
    """
    with pinned(conn):
        return {name: _digest_of(conn, name) for (name,) in run(conn, "effects/catalogue_tables")}


def digest_of_catalogue(conn: psycopg.Connection[Any], table: str) -> str:
    """Return the same of one catalogue table."""
    with pinned(conn):
        return _digest_of(conn, table)


def _digest_of(conn: psycopg.Connection[Any], table: str) -> str:
    [(digest,)] = run(
        conn,
        "effects/catalogue_digest",
        {"left_out": list(VACUUM_COLUMNS.get(table, ()))},
        {"table": sql.Identifier("pg_catalog", table)},
    )
    return str(digest)
