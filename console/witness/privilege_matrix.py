"""Privileges as sets: how two `Privileges` differ, and which cells nobody granted. The truths of gates G-09 and G-18.

Pure: never asks a server, and imports no driver, so that evidence is judged again without one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import msgspec

from console.model.catalogue import Grant, Privileges, Role, Table, split_name, whole_name

PUBLIC = "PUBLIC"
REFUSED = "42501"
"""insufficient_privilege (PostgreSQL manual, appendix A)."""
ADMIN_SUFFIX = " WITH ADMIN OPTION"
_EVERYTHING: Mapping[str, frozenset[str]] = {
    "SELECT": frozenset({"pg_read_all_data"}),
    "INSERT": frozenset({"pg_write_all_data"}),
    "UPDATE": frozenset({"pg_write_all_data"}),
}
"""What a predefined role gives on every table (PostgreSQL manual, Predefined Roles)."""


class Cell(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One thing that a role must not be able to do; `column` empty means any column of the table.

    `table` is the pack's name for it, of `schema` where it names none.
    """

    role: str
    schema: str
    table: str
    privilege: Literal["SELECT", "INSERT", "UPDATE"]
    column: str = ""

    @property
    def relation(self) -> tuple[str, str]:
        """Return schema and table by PostgreSQL's names."""
        return split_name(self.schema, self.table)


def differences(frozen: Privileges, found: Privileges) -> list[str]:
    """Return one sentence for every way in which `found` is not exactly `frozen`; empty when equal.

    A grant that its holder may pass on is always a difference (design section 4, G-09).
    """
    said: list[str] = []
    for name in sorted(frozen.roles.keys() | found.roles.keys()):
        said += _role_differences(name, frozen.roles.get(name), found.roles.get(name))
    said += _grant_differences(frozen.grants, found.grants)
    said += _grant_differences(frozen.public, found.public)
    return said


def writable_columns(table: Table) -> tuple[str, ...]:
    """Return the names of the columns that a statement may name as a target."""
    return tuple(column.name for column in table.columns if not column.generated)


def ungranted_cells(privileges: Privileges, tables: Mapping[str, Table], schema: str) -> list[Cell]:
    """Return every role x table x {SELECT, INSERT, UPDATE} that nothing in `privileges` grants.

    Where some columns are granted, one cell for each other column. Grants to PUBLIC and through the
    memberships that `privileges` knows count as granted, and so does what PostgreSQL's own pg_read_all_data
    and pg_write_all_data give. `tables` are by the pack's names.
    """
    cells: list[Cell] = []
    reach = {role: _reach(privileges, role) for role in privileges.roles}
    granted = {
        (grant.grantee, grant.object, grant.privilege, grant.column)
        for grant in (*privileges.grants, *privileges.public)
    }
    for role in sorted(privileges.roles):
        for name, table in sorted(tables.items()):
            for privilege in ("SELECT", "INSERT", "UPDATE"):

                def may(column: str, held: str = privilege, relation: str = name, who: str = role) -> bool:
                    if reach[who] & _EVERYTHING[held]:
                        return True
                    whole = whole_name(schema, relation)
                    return any((one, whole, held, column) in granted for one in reach[who])

                cells += [
                    Cell(role=role, schema=schema, table=name, privilege=privilege, column=column)
                    for column in _refused_columns(may, writable_columns(table))
                ]
    return cells


def groups_first(roles: Mapping[str, Role]) -> list[str]:
    """Return the roles' names so that each comes behind the roles that it is a member of, else sorted."""
    found: list[str] = []

    def visit(name: str) -> None:
        if name in roles and name not in found:
            for group in roles[name].member_of:
                visit(group.removesuffix(ADMIN_SUFFIX))
            found.append(name)

    for name in sorted(roles):
        visit(name)
    return found


def cell_name(cell: Cell) -> str:
    """Return the words for one cell: "role PRIVILEGE schema.table(column)"."""
    column = f"({cell.column})" if cell.column else ""
    return f"{cell.role} {cell.privilege} {'.'.join(cell.relation)}{column}"


def _role_differences(name: str, frozen: Role | None, found: Role | None) -> list[str]:
    if found is None:
        return [f"role {name} is missing"]
    if frozen is None:
        return [f"role {name} is not in the frozen matrix"]
    said: list[str] = []
    for field in Role.__struct_fields__:
        expected, actual = getattr(frozen, field), getattr(found, field)
        if expected != actual:
            what = field.replace("_", " ")
            said.append(f"role {name}: {what} is {_shown(actual)}, frozen is {_shown(expected)}")
    return said


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)


def _grant_differences(frozen: Sequence[Grant], found: Sequence[Grant]) -> list[str]:
    expected, actual = {_key(grant) for grant in frozen}, {_key(grant) for grant in found}
    said = [
        f"{grant.grantee} lacks {privilege_words(grant)}" for grant in frozen if _key(grant) not in actual
    ]
    said += [
        f"{grant.grantee} has {privilege_words(grant)}, which the frozen matrix does not give"
        for grant in found
        if _key(grant) not in expected
    ]
    said += [f"{grant.grantee} may pass on {privilege_words(grant)}" for grant in found if grant.grantable]
    return said


def _key(grant: Grant) -> tuple[str, ...]:
    return (grant.grantee, grant.kind, grant.object, grant.privilege, grant.column)


def privilege_words(grant: Grant) -> str:
    """Return the words for one privilege and what it is on."""
    column = f" ({grant.column})" if grant.column else ""
    kind = "table" if grant.kind == "column" else grant.kind
    return f"{grant.privilege}{column} on {kind} {grant.object}"


def _reach(privileges: Privileges, role: str) -> frozenset[str]:
    """Return the role, PUBLIC and every role that it is a member of, as far as `privileges` knows."""
    found, waiting = {PUBLIC}, [role]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            known = privileges.roles.get(name)
            waiting += [group.removesuffix(ADMIN_SUFFIX) for group in known.member_of] if known else []
    return frozenset(found)


def _refused_columns(may: Callable[[str], bool], columns: Sequence[str]) -> list[str]:
    if may(""):
        return []
    refused = [column for column in columns if not may(column)]
    return [""] if len(refused) == len(columns) else refused
