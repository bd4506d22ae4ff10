"""What a source holds, as far as a plan and a pack need to know it: read over one read-only session.

Never writes there and never chooses: `choose` does, and the operator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from console.model.catalogue import Inventory, Privileges, pack_name, whole_name
from console.sql import run
from console.witness.catalogue import (
    Identity,
    leaf_tables,
    read_grantees,
    read_identity,
    read_inventory,
    read_privileges,
)
from console.witness.privilege_matrix import ADMIN_SUFFIX

Connection = psycopg.Connection[Any]
PREDEFINED = "pg_"


@dataclass(frozen=True, kw_only=True)
class SourceTable:
    """A table that a pack can name; `estimated_rows` is -1 where the server has no estimate."""

    schema: str
    name: str
    owner: str
    estimated_rows: int
    partitioned: bool


@dataclass(frozen=True, kw_only=True)
class WritingRole:
    """A role that may log in; `writable` counts the tables of each schema that it may insert into or update."""

    name: str
    superuser: bool
    writable: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Holdings:
    """Everything that was found; `stops` are sentences about what no rehearsal gets past."""

    identity: Identity
    tables: tuple[SourceTable, ...]
    roles: tuple[WritingRole, ...]
    role_names: frozenset[str]
    named_by_dump: tuple[str, ...]
    extensions: tuple[str, ...]
    security_definer: tuple[str, ...]
    rules: tuple[str, ...]
    stops: tuple[str, ...]


def look(conn: Connection) -> Holdings:
    """Return what the database behind a read-only session holds."""
    return Holdings(
        identity=read_identity(conn),
        tables=tuple(_table(row) for row in run(conn, "drafting/tables")),
        roles=_roles(run(conn, "drafting/writing_roles")),
        role_names=frozenset(_names(conn, "drafting/role_names")),
        named_by_dump=tuple(sorted({*read_grantees(conn), *_names(conn, "drafting/default_privileges")})),
        extensions=tuple(word.split(" ")[0] for word in _names(conn, "catalogue/manifest_extensions")),
        security_definer=tuple(_names(conn, "searched_copy/definer_functions")),
        rules=tuple(_names(conn, "searched_copy/rules")),
        stops=_stops(conn),
    )


def freeze(
    conn: Connection, *, schema: str, tables: Sequence[str], writers: Sequence[str], database: str
) -> tuple[Inventory, Privileges]:
    """Return inventory and privilege matrix of the pack's tables and of the roles with the groups they are in."""
    roles = _with_groups(conn, writers, database)
    inventory = read_inventory(conn, schema, tables)
    first = read_privileges(conn, roles=roles, relations=tables, schema=schema, database=database)
    granted = {
        pack_name(schema, *grant.object.split(".", 1))
        for grant in first.grants
        if grant.kind in ("table", "view", "column")
    }
    relations = sorted(granted | set(tables))
    return inventory, read_privileges(
        conn, roles=roles, relations=relations, schema=schema, database=database
    )


def declared_functions(conn: Connection, schema: str, tables: Sequence[str]) -> tuple[str, ...]:
    """Return the database's own functions, as schema.name, that the named tables run by themselves."""
    leaves = leaf_tables(conn, schema, tables).values()
    relations = sorted({whole_name(schema, name) for name in tables}.union(*leaves))
    return tuple(name for (name,) in run(conn, "drafting/declared_functions", {"relations": relations}))


def _with_groups(conn: Connection, writers: Sequence[str], database: str) -> list[str]:
    found: set[str] = set()
    waiting = list(writers)
    while waiting:
        found |= set(waiting)
        read = run(conn, "privileges/roles", {"roles": waiting, "database": database})
        groups = {group.removesuffix(ADMIN_SUFFIX) for row in read for group in row[-1]}
        waiting = sorted(name for name in groups - found if not name.startswith(PREDEFINED))
    return sorted(found)


def _names(conn: Connection, statement: str) -> list[str]:
    return [row[0] for row in run(conn, statement)]


def _table(row: tuple[Any, ...]) -> SourceTable:
    schema, name, owner, rows, partitioned = row
    return SourceTable(schema=schema, name=name, owner=owner, estimated_rows=rows, partitioned=partitioned)


def _roles(rows: list[tuple[Any, ...]]) -> tuple[WritingRole, ...]:
    found: dict[str, WritingRole] = {}
    for name, superuser, schema, tables in rows:
        role = found.setdefault(name, WritingRole(name=name, superuser=superuser, writable={}))
        if schema:
            role.writable[schema] = tables
    return tuple(found.values())


def _stops(conn: Connection) -> tuple[str, ...]:
    said = [f"the event trigger {name}" for name in _names(conn, "searched_copy/event_triggers")]
    said += [f"the {kind} {name}" for kind, name, _detail in run(conn, "searched_copy/foreign_objects")]
    said += [f"the policy {name}, which names a role" for name in _names(conn, "drafting/policy_roles")]
    return tuple(said)
