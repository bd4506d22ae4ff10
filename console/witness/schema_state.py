"""What all user schemas of a database hold, as sorted sentences and numbers that can be compared.

Owns the reader behind the migration plan's "before", "up" and "down". Never writes and never judges; counts and sums
every row of every table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import psycopg
from psycopg import sql

from console.model.catalogue import Grant, Manifest, Privileges, Role, full_name, pack_name
from console.model.migration_facts import SchemaState
from console.sql import pinned, run
from console.witness.catalogue import count_table, read_manifest, read_privileges

Connection = psycopg.Connection[Any]

_BOOKS = {"alembic": "alembic_version", "django": "django_migrations"}
"""What the table is called in which a tool keeps the migrations that it has applied."""

_DEFINITIONS = ("constraints", "indexes", "triggers", "views", "functions", "extensions")


def read_schema_state(conn: Connection, *, roles: Sequence[str], schema: str, database: str) -> SchemaState:
    """Return inventory, privileges, rows, values and sequences; of privileges those of `roles` and of PUBLIC."""
    manifest = read_manifest(conn)
    with pinned(conn):
        objects = [str(definition) for (definition,) in run(conn, "migration/objects")]
    columns = read_columns(conn)
    relations = [pack_name(schema, own, table) for name, (own, table, _columns) in columns.items()
                 if own == schema and name in manifest.rows]  # fmt: skip
    privileges = read_privileges(conn, roles=roles, relations=relations, schema=schema, database=database)
    return SchemaState(
        objects=tuple(sorted([*objects, *_definitions(manifest)])), privileges=_privileges(privileges),
        rows=manifest.rows, below=read_rows_below(conn, manifest.rows), values=read_values(conn, columns),
        sequences=manifest.sequences, owners=read_owners(conn),
    )  # fmt: skip


def read_rows_below(conn: Connection, counted: Mapping[str, int]) -> dict[str, int]:
    """Return the rows of each partitioned table: those of the partitions that it has now."""
    found: dict[str, int] = {}
    with pinned(conn):
        for schema, table, leaf_schema, leaf in run(conn, "migration/parted_tables"):
            whole = full_name(schema, table)
            found.setdefault(whole, 0)
            if leaf is not None:
                known = counted.get(full_name(leaf_schema, leaf))
                found[whole] += count_table(conn, leaf_schema, leaf) if known is None else known
    return found


def read_owners(conn: Connection) -> dict[str, str]:
    """Return by sequence the table to whose column it belongs; a sequence of nobody's is absent."""
    with pinned(conn):
        rows = run(conn, "migration/owned_sequences")
    return {full_name(schema, name): full_name(of_schema, table) for schema, name, of_schema, table in rows}


def read_columns(conn: Connection) -> dict[str, tuple[str, str, tuple[str, ...]]]:
    """Return schema, name and columns of every table and filled materialized view, by schema.name."""
    with pinned(conn):
        rows = run(conn, "migration/valued_tables")
    return {full_name(schema, table): (schema, table, tuple(columns)) for schema, table, columns in rows}


def read_values(conn: Connection, tables: Mapping[str, tuple[str, str, tuple[str, ...]]]) -> dict[str, str]:
    """Return the sums over the named columns of tables that are there and have them."""
    with pinned(conn):
        run(conn, "migration/pin_output")
        return {name: _values(conn, *one) for name, one in tables.items()}


def read_books(conn: Connection, named: Sequence[str], *, kind: str) -> dict[str, str] | None:
    """Return the sums of a migration tool's own tables; None where there is no tool that keeps any.

    Those that are named, or all tables that have the tool's usual name; one that is not there is absent.
    """
    usual = _BOOKS.get(kind)
    if usual is None:
        return None
    columns = read_columns(conn)
    return read_values(conn, {name: one for name, one in columns.items()
                              if (name in named if named else one[1] == usual)})  # fmt: skip


def _values(conn: Connection, schema: str, table: str, columns: Sequence[str]) -> str:
    parts = {
        "table": sql.Identifier(schema, table),
        "columns": sql.SQL(", ").join(map(sql.Identifier, columns)),
    }
    [(total,)] = run(conn, "migration/table_values", parts=parts)
    return str(total)


def _definitions(manifest: Manifest) -> Iterable[str]:
    """Return the manifest's definitions, each with the word for what it is: an index says that it is one."""
    for kind in _DEFINITIONS:
        word = {"indexes": "index"}.get(kind, kind.removesuffix("s"))
        yield from (f"{word} {definition}" for definition in getattr(manifest, kind))


def _privileges(found: Privileges) -> tuple[str, ...]:
    roles = [f"role {name}: {_attributes(role)}" for name, role in found.roles.items()]
    return tuple(sorted({*roles, *(_grant(grant) for grant in (*found.grants, *found.public))}))


def _grant(grant: Grant) -> str:
    column = f" ({grant.column})" if grant.column else ""
    more = " and may grant it" if grant.grantable else ""
    return f"{grant.grantee} may {grant.privilege}{column} on {grant.kind} {grant.object}{more}"


def _attributes(role: Role) -> str:
    said = [name for name in role.__struct_fields__ if getattr(role, name) is True]
    lists = [f"{name} {', '.join(getattr(role, name))}" for name in ("settings", "database_settings", "member_of")
             if getattr(role, name)]  # fmt: skip
    return "; ".join([*said, f"connection limit {role.connection_limit}", *lists])
