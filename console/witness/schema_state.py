"""What all user schemas of a database hold, as sorted sentences and numbers that can be compared.

Owns the reader behind the migration plan's "before", "up" and "down". Never writes and never judges; counts and sums
every row of every table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import psycopg
from psycopg import sql

from console.model.catalogue import Grant, Manifest, Privileges, Role
from console.model.migration_facts import SchemaState
from console.sql import pinned, run
from console.witness.catalogue import read_manifest, read_privileges

Connection = psycopg.Connection[Any]

_DEFINITIONS = ("constraints", "indexes", "triggers", "views", "functions", "extensions")


def read_schema_state(conn: Connection, *, roles: Sequence[str], schema: str, database: str) -> SchemaState:
    """Return inventory, privileges, rows, values and sequences; of privileges those of `roles` and of PUBLIC."""
    manifest = read_manifest(conn)
    with pinned(conn):
        objects = [str(definition) for (definition,) in run(conn, "migration/objects")]
    own = f"{schema}."
    relations = [name.removeprefix(own) for name in manifest.rows if name.startswith(own)]
    privileges = read_privileges(conn, roles=roles, relations=relations, schema=schema, database=database)
    return SchemaState(
        objects=tuple(sorted([*objects, *_definitions(manifest)])), privileges=_privileges(privileges),
        rows=manifest.rows, values=read_values(conn, read_columns(conn)), sequences=manifest.sequences,
    )  # fmt: skip


def read_columns(conn: Connection) -> dict[str, tuple[str, str, tuple[str, ...]]]:
    """Return schema, name and columns of every table and filled materialized view, by schema.name."""
    with pinned(conn):
        rows = run(conn, "migration/valued_tables")
    return {f"{schema}.{table}": (schema, table, tuple(columns)) for schema, table, columns in rows}


def read_values(conn: Connection, tables: Mapping[str, tuple[str, str, tuple[str, ...]]]) -> dict[str, str]:
    """Return the sums over the named columns of tables that are there and have them."""
    with pinned(conn):
        run(conn, "migration/pin_output")
        return {name: _values(conn, *one) for name, one in tables.items()}


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
