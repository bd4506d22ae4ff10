"""What a database is made of, read from its catalogue over a connection that the caller opened.

Owns the readers behind gates G-06, G-08, G-09, G-10 and G-14. Never writes, never judges, never connects;
a caller who needs one snapshot over several readers opens the transaction itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import psycopg
from psycopg import sql

from console.model.catalogue import (
    Column,
    Grant,
    Inventory,
    Manifest,
    Privileges,
    Role,
    Table,
    full_name,
    pack_name,
    split_name,
    whole_name,
)
from console.sql import pinned, run
from console.witness.counting import SecondSession, count_tables
from console.witness.definitions import settled

Connection = psycopg.Connection[Any]


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Which server this is: `started_at` is the postmaster's start (UTC, ISO 8601)."""

    system_identifier: str
    started_at: str
    server_version_num: int
    database_size_bytes: int
    read_only: bool


def read_identity(conn: Connection) -> Identity:
    """Return the identity of the server and the database behind a connection."""
    with pinned(conn):
        [(identifier, started_at, version, size_bytes, read_only)] = run(conn, "catalogue/identity")
    return Identity(
        system_identifier=identifier,
        started_at=started_at,
        server_version_num=version,
        database_size_bytes=size_bytes,
        read_only=read_only == "on",
    )


def read_inventory(conn: Connection, schema: str, tables: Sequence[str]) -> Inventory:
    """Return the inventory of the named tables (`split_name`); a table that does not exist is absent."""
    found: dict[str, Table] = {}
    for own, named in by_schema(schema, tables).items():
        wanted = {"schema": own, "tables": named}
        with pinned(conn):
            names = [name for (name,) in run(conn, "catalogue/table_names", wanted)]
            columns = run(conn, "catalogue/table_columns", wanted)
            parts = run(conn, "catalogue/table_parts", wanted)
        found |= {pack_name(schema, own, name): _table(name, columns, parts) for name in names}
    return Inventory(tables=found)


def by_schema(schema: str, tables: Sequence[str]) -> dict[str, list[str]]:
    """Return tables as a pack names them (`split_name`) by the schema in which they lie, `schema` first."""
    found: dict[str, list[str]] = {schema: []}
    for name in tables:
        own, table = split_name(schema, name)
        found.setdefault(own, []).append(table)
    return {own: named for own, named in found.items() if named}


def leaf_tables(conn: Connection, schema: str, tables: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return, by the pack's names, the "schema.table" that hold the rows: the table itself, or its partitions."""
    found: dict[str, list[str]] = {name: [] for name in tables}
    for own, named in by_schema(schema, tables).items():
        with pinned(conn):
            rows = run(conn, "catalogue/leaf_tables", {"schema": own, "tables": named})
        for table, leaf_schema, leaf, _oid in rows:
            found[pack_name(schema, own, table)].append(full_name(leaf_schema, leaf))
    return {name: tuple(leaves) for name, leaves in found.items()}


def feeding_sequences(conn: Connection, schema: str, tables: Sequence[str]) -> frozenset[str]:
    """Return the sequences, as schema.name, from which columns of the named tables take their values."""
    found: set[str] = set()
    for own, named in by_schema(schema, tables).items():
        with pinned(conn):
            rows = run(conn, "catalogue/feeding_sequences", {"schema": own, "tables": named})
        found |= {full_name(where, name) for where, name in rows}
    return frozenset(found)


def read_privileges(
    conn: Connection, *, roles: Sequence[str], relations: Sequence[str], schema: str, database: str
) -> Privileges:
    """Return the named roles and every privilege granted to them, on whatever object of the database.

    `relations` (`split_name`), their schemas and the database are where PUBLIC's privileges are
    listed too. A role that does not exist is absent. An owner's implied privileges are included.
    """
    named = {
        "roles": list(roles),
        "relations": [whole_name(schema, name) for name in relations],
        "schemas": sorted({schema, *(split_name(schema, name)[0] for name in relations)}),
        "database": database,
    }
    with pinned(conn):
        attributes = run(conn, "privileges/roles", {"roles": list(roles), "database": database})
        rows = run(conn, "privileges/grants", named)
    return Privileges(
        roles={row[0]: _role(row) for row in attributes},
        grants=tuple(sorted(_grant(row) for row in rows if not row[0])),
        public=tuple(sorted(_grant(row) for row in rows if row[0])),
    )


def read_grantees(conn: Connection) -> tuple[str, ...]:
    """Return the roles to which a dump of the database would grant something, owners and pg_* left out."""
    with pinned(conn):
        return tuple(name for (name,) in run(conn, "catalogue/grantees"))


def count_rows(conn: Connection, schema: str, tables: Sequence[str]) -> dict[str, int]:
    """Return the exact row count of each named table, by the pack's names (`split_name`).

    Raises psycopg.errors.UndefinedTable where one does not exist.
    """
    with pinned(conn):
        counts = count_tables(conn, [(*split_name(schema, name), 0) for name in tables])
    return dict(zip(tables, counts, strict=True))


def read_sequences(conn: Connection) -> dict[str, str]:
    """Return "last_value,is_called" of every user sequence by schema.name (true and false spelt out)."""
    found: dict[str, str] = {}
    with pinned(conn):
        for schema, name in run(conn, "catalogue/user_sequences"):
            parts = {"sequence": sql.Identifier(schema, name)}
            [(last_value, is_called)] = run(conn, "catalogue/sequence_value", parts=parts)
            found[full_name(schema, name)] = f"{last_value},{str(is_called).lower()}"
    return found


def read_rows(conn: Connection) -> dict[str, int]:
    """Return the exact row count of every user table and filled materialized view by schema.name."""
    with pinned(conn):
        return _rows(conn, None)


def read_manifest(conn: Connection, second: SecondSession | None = None) -> Manifest:
    """Return what a restored copy must contain: all user schemas, every row counted exactly.

    `second` may count some of them; without its snapshot, `conn` has no transaction open.

    `constraints` hold, besides PostgreSQL's own, NOT NULL, defaults, identity, row security and its
    policies, because a dump restores each of those with a statement that can fail alone. Definitions are
    printed as they stand after a restore (`definitions.settled`).
    """
    with pinned(conn):
        return Manifest(
            rows=_rows(conn, second),
            constraints=_definitions(conn, "catalogue/manifest_constraints"),
            indexes=_definitions(conn, "catalogue/manifest_indexes"),
            triggers=_definitions(conn, "catalogue/manifest_triggers"),
            views=_definitions(conn, "catalogue/manifest_views"),
            functions=_definitions(conn, "catalogue/manifest_functions"),
            extensions=_definitions(conn, "catalogue/manifest_extensions"),
            sequences=read_sequences(conn),
        )


def _rows(conn: Connection, second: SecondSession | None) -> dict[str, int]:
    tables = [(schema, name, size) for schema, name, size in run(conn, "catalogue/user_tables")]
    counts = count_tables(conn, tables, second)
    return {full_name(schema, name): rows for (schema, name, _size), rows in zip(tables, counts, strict=True)}


def _definitions(conn: Connection, name: str) -> tuple[str, ...]:
    return tuple(sorted(settled(definition) for (definition,) in run(conn, name)))


def count_table(conn: Connection, schema: str, table: str) -> int:
    """Return the exact row count of one table, what lies below it included."""
    [(rows,)] = run(conn, "catalogue/count_rows", parts={"table": sql.Identifier(schema, table)})
    return int(rows)


def _table(name: str, columns: list[tuple[Any, ...]], parts: list[tuple[Any, ...]]) -> Table:
    def of(part: str) -> tuple[str, ...]:
        return tuple(sorted(settled(row[2]) for row in parts if row[0] == name and row[1] == part))

    return Table(
        columns=tuple(_column(row) for row in columns if row[0] == name),
        keys=of("keys"),
        checks=of("checks"),
        indexes=of("indexes"),
        triggers=of("triggers"),
        rules=of("rules"),
        enums=of("enums"),
    )


def _column(row: tuple[Any, ...]) -> Column:
    _table_name, name, type_name, not_null, default, identity, generated = row
    return Column(
        name=name, type=type_name, not_null=not_null, default=default, identity=identity, generated=generated
    )


def _role(row: tuple[Any, ...]) -> Role:
    (
        _name, login, superuser, bypassrls, createdb, createrole, replication, inherit, limit,
        settings, database_settings, member_of,
    ) = row  # fmt: skip
    return Role(
        login=login,
        superuser=superuser,
        bypassrls=bypassrls,
        createdb=createdb,
        createrole=createrole,
        replication=replication,
        inherit=inherit,
        connection_limit=limit,
        settings=tuple(settings),
        database_settings=tuple(database_settings),
        member_of=tuple(member_of),
    )


def _grant(row: tuple[Any, ...]) -> Grant:
    _is_public, grantee, kind, name, privilege, column, grantable = row
    return Grant(
        grantee=grantee, kind=kind, object=name, privilege=privilege, column=column, grantable=grantable
    )
