"""Choices over what a source holds: who writes, in which schema, which tables; each default and each refusal.

Pure: looks at `Holdings` only.
"""

from __future__ import annotations

from collections.abc import Sequence

from console.drafting.look import Holdings, WritingRole
from console.errors import PlanError
from console.model.catalogue import Privileges, pack_name, split_name
from console.model.text import one_line
from console.witness.privilege_matrix import privilege_words

COPY_OWNER = "copy_owner"
_SHOWN = 8


def likely_writers(found: Holdings) -> list[str]:
    """Return the roles that may log in and write somewhere, superusers left out, the busiest first."""
    able = [role for role in found.roles if role.writable and not role.superuser]
    return [role.name for role in sorted(able, key=lambda role: (-sum(role.writable.values()), role.name))]


def checked_writers(found: Holdings, named: Sequence[str]) -> list[str]:
    """Return the named roles, or the only likely one. Raises PlanError with what to do instead."""
    likely = likely_writers(found)
    if not named and len(likely) != 1:
        raise PlanError(
            f"{len(likely)} roles may log in and write there" + (f": {_listed(likely)}" if likely else ""),
            remedy="name the one that your code logs in as with --writer ROLE"
            if likely
            else "make a role for your code that is no superuser, grant it what it needs (CREATE ROLE app LOGIN; "
            "GRANT SELECT, INSERT, UPDATE ON … TO app), and name it with --writer",
        )
    known = {role.name: role for role in found.roles}
    return [_fitting(found, known, name, likely) for name in named or likely]


def _fitting(found: Holdings, known: dict[str, WritingRole], name: str, likely: list[str]) -> str:
    shown = one_line(name, limit_chars=63)
    if name not in found.role_names:
        others = f"name one of these: {_listed(likely)}" if likely else "make it at the source first"
        raise PlanError(f"the source has no role {shown}", remedy=others)
    if name not in known:
        raise PlanError(
            f"the role {shown} may not log in",
            remedy="name the role that your code logs in as; the groups that it is in come along by themselves",
        )
    if known[name].superuser:
        raise PlanError(
            f"the role {shown} is a superuser, whom no server refuses anything",
            remedy="give your code a role of its own with the privileges that it needs, and name that with --writer",
        )
    return name


def likely_schema(found: Holdings, writers: Sequence[str]) -> str:
    """Return the schema in which the writers may write most tables, else the one with most tables."""
    counts: dict[str, tuple[int, int]] = {}
    for table in found.tables:
        writable, tables = counts.get(table.schema, (0, 0))
        counts[table.schema] = (writable, tables + 1)
    for role in found.roles:
        for schema, tables in role.writable.items() if role.name in writers else ():
            writable, total = counts.get(schema, (0, 0))
            counts[schema] = (writable + tables, total)
    if not counts:
        raise PlanError("the database has no table", remedy="name the database that your code writes to")
    return max(sorted(counts), key=lambda schema: counts[schema])


def chosen_tables(found: Holdings, schema: str, named: Sequence[str]) -> list[str]:
    """Return the pack's names of the tables: those that are named (schema.table or bare), else all of the schema.

    Raises PlanError for a schema without tables and for a table that is not there.
    """
    there = {(table.schema, table.name) for table in found.tables}
    if schema not in {owner for owner, _name in there}:
        schemas = sorted({owner for owner, _name in there})
        raise PlanError(
            f"the source has no schema {one_line(schema, limit_chars=63)} with tables",
            remedy=f"name one of these with --schema: {_listed(schemas)}",
        )
    if any("." in owner for owner, _name in there if owner == schema):
        raise PlanError(
            f"the schema {one_line(schema)} has a dot in its name", remedy="Drydock cannot rehearse there"
        )
    if not named:
        return [pack_name(schema, owner, name) for owner, name in sorted(there) if owner == schema]
    chosen = [_there(there, schema, name) for name in named]
    return sorted(set(chosen))


def _there(there: set[tuple[str, str]], schema: str, name: str) -> str:
    for owner, table in ((schema, name), split_name(schema, name)):
        if (owner, table) in there:
            return pack_name(schema, owner, table)
    raise PlanError(
        f"the source has no table {one_line(name, limit_chars=130)}, or it is the partition of another",
        remedy="write TABLE of the schema, or SCHEMA.TABLE",
    )


def copy_owner(found: Holdings) -> str:
    """Return a name for the copy's owner that no role of the source has."""
    names = [COPY_OWNER, *(f"{COPY_OWNER}_{number}" for number in range(2, len(found.role_names) + 3))]
    return next(name for name in names if name not in found.role_names)


def warnings(found: Holdings, privileges: Privileges, extensions: frozenset[str] | None) -> list[str]:
    """Return one sentence for everything that will end a rehearsal of this source as it is."""
    said = [f"the copy would hold {stop}: the search after the restore stops there" for stop in found.stops]
    said += [
        f"{grant.grantee} may pass on {privilege_words(grant)}: G-09 fails until that is revoked (REVOKE GRANT "
        "OPTION FOR …)"
        for grant in (*privileges.grants, *privileges.public)
        if grant.grantable
    ]
    missing = [name for name in found.extensions if extensions is not None and name not in extensions]
    said += [
        f"the embedded PostgreSQL has no extension {name}: name a system PostgreSQL that has it ([environment] "
        "programs), or use docker with an image that has it"
        for name in missing
    ]
    powers = ("superuser", "bypassrls", "createrole", "createdb", "replication")
    return said + [
        f"role {name} has {power}: G-09 fails until it has not"
        for name, role in privileges.roles.items()
        for power in powers
        if getattr(role, power)
    ]


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(one_line(name, limit_chars=63) for name in names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
