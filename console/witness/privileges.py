"""Privileges compared, recreated and refused: the truths of gates G-09 and G-18.

Owns the comparison of two `Privileges`, the statements that recreate one, and the deny probes. A probe
changes nothing: it touches no row and its transaction is always rolled back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec
import psycopg
from psycopg import sql

from console.errors import PackError, StepFailed
from console.model.catalogue import Grant, Privileges, Role, Table
from console.sql import Prepared, prepare, run

PUBLIC = "PUBLIC"
REFUSED = "42501"
"""insufficient_privilege (PostgreSQL manual, appendix A)."""

ADMIN_SUFFIX = " WITH ADMIN OPTION"
LIST_SETTINGS = frozenset(
    {"search_path", "temp_tablespaces", "local_preload_libraries", "session_preload_libraries"}
)
"""Settings whose stored value is a list of quoted names (pg_dump's variable_is_guc_list_quote)."""

_LISTED = re.compile(r'(")((?:[^"]|"")*)"|([^,\s"]+)')
_KEYWORDS = frozenset(
    {"SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN",
     "USAGE", "CREATE", "CONNECT", "TEMPORARY"}
)  # fmt: skip
_FLAGS = (
    ("login", "LOGIN", "NOLOGIN"),
    ("superuser", "SUPERUSER", "NOSUPERUSER"),
    ("bypassrls", "BYPASSRLS", "NOBYPASSRLS"),
    ("createdb", "CREATEDB", "NOCREATEDB"),
    ("createrole", "CREATEROLE", "NOCREATEROLE"),
    ("replication", "REPLICATION", "NOREPLICATION"),
    ("inherit", "INHERIT", "NOINHERIT"),
)
_GRANT_FILES = {
    "table": "privileges/grant_relation",
    "view": "privileges/grant_relation",
    "column": "privileges/grant_column",
    "schema": "privileges/grant_schema",
    "database": "privileges/grant_database",
    "sequence": "privileges/grant_sequence",
}


class Cell(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One thing that a role must not be able to do; `column` empty means any column of the table."""

    role: str
    schema: str
    table: str
    privilege: Literal["SELECT", "INSERT", "UPDATE"]
    column: str = ""


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


def role_statements(name: str, role: Role, *, verifier: str | None, database: str) -> list[Prepared]:
    """Return the statements that make one role with its settings and memberships, in order.

    `verifier` is a SCRAM-SHA-256 verifier made by the client (None: the role has no password). Raises
    PackError when it is anything else, so that no password can reach the server's log.
    """
    if verifier is not None and not verifier.startswith("SCRAM-SHA-256$"):
        raise PackError(
            f"the password of role {name} is no SCRAM verifier", remedy="make one with secrets.scram_verifier"
        )
    attributes = [yes if getattr(role, field) else no for field, yes, no in _FLAGS]
    identifier = sql.Identifier(name)
    made = [
        prepare(
            "privileges/create_role",
            {
                "role": identifier,
                "attributes": sql.SQL(" ").join(sql.SQL(word) for word in attributes),
                "connection_limit": sql.Literal(role.connection_limit),
                "verifier": sql.Literal(verifier),
            },
        )
    ]
    for entry in role.settings:
        made.append(prepare("privileges/set_role_setting", {"role": identifier, **_setting(entry)}))
    for entry in role.database_settings:
        parts = {"role": identifier, "database": sql.Identifier(database), **_setting(entry)}
        made.append(prepare("privileges/set_role_setting_in_database", parts))
    for group in role.member_of:
        file = "grant_membership_admin" if group.endswith(ADMIN_SUFFIX) else "grant_membership"
        parts = {"role": identifier, "group": sql.Identifier(group.removesuffix(ADMIN_SUFFIX))}
        made.append(prepare(f"privileges/{file}", parts))
    return made


def grant_statements(privileges: Privileges) -> list[Prepared]:
    """Return the statements that recreate the matrix in a copy whose roles exist already.

    PUBLIC's privileges on a database are first taken away, since a dump brings no database ACL. What the
    dump itself granted to PUBLIC is left as found, so that a drift shows. Raises PackError for a grant
    that may be passed on and for a kind that is not recreated.
    """
    databases = sorted({grant.object for grant in privileges.grants if grant.kind == "database"})
    made = [
        prepare("privileges/revoke_public_database", {"object": sql.Identifier(name)}) for name in databases
    ]
    wanted = [grant for grant in privileges.public if grant.kind in ("schema", "database")]
    return made + [_grant_statement(grant) for grant in (*wanted, *privileges.grants)]


def writable_columns(table: Table) -> tuple[str, ...]:
    """Return the names of the columns that a statement may name as a target."""
    return tuple(column.name for column in table.columns if not column.generated)


def ungranted_cells(privileges: Privileges, tables: Mapping[str, Table], schema: str) -> list[Cell]:
    """Return every role x table x {SELECT, INSERT, UPDATE} that nothing in `privileges` grants.

    Where some columns are granted, one cell for each other column. Grants to PUBLIC and through the
    memberships that `privileges` knows count as granted. `tables` are those of `schema` by bare name.
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
                    return any((one, f"{schema}.{relation}", held, column) in granted for one in reach[who])

                cells += [
                    Cell(role=role, schema=schema, table=name, privilege=privilege, column=column)
                    for column in _refused_columns(may, writable_columns(table))
                ]
    return cells


def probe(conn: psycopg.Connection[Any], cell: Cell, columns: Sequence[str]) -> str:
    """Return the SQLSTATE that the server gives when the cell is really tried; empty when it was allowed.

    `columns` are the table's writable columns: without a column in the cell each is tried, and 42501 is
    returned only when every one was refused. The connection's user is the role itself or a superuser.
    """
    targets = [cell.column] if cell.column else list(columns)
    if cell.privilege == "SELECT" and not cell.column:
        targets = [""]
    if not targets:
        raise StepFailed(f"table {cell.schema}.{cell.table} has no column to probe", cause="drydock")
    answers = (_attempt(conn, cell, column) for column in targets)
    return next((answer for answer in answers if answer != REFUSED), REFUSED)


def allowed_cells(
    conn: psycopg.Connection[Any], cells: Iterable[Cell], tables: Mapping[str, Table]
) -> dict[str, str]:
    """Probe all cells and return those not refused: "role PRIVILEGE schema.table(column)" to SQLSTATE."""
    answers = {cell: probe(conn, cell, writable_columns(tables[cell.table])) for cell in cells}
    return {cell_name(cell): answer for cell, answer in answers.items() if answer != REFUSED}


def cell_name(cell: Cell) -> str:
    """Return the words for one cell: "role PRIVILEGE schema.table(column)"."""
    column = f"({cell.column})" if cell.column else ""
    return f"{cell.role} {cell.privilege} {cell.schema}.{cell.table}{column}"


def _attempt(conn: psycopg.Connection[Any], cell: Cell, column: str) -> str:
    parts: dict[str, sql.Composable] = {"table": sql.Identifier(cell.schema, cell.table)}
    if column:
        parts["column"] = sql.Identifier(column)
    file = "privileges/probe_" + cell.privilege.lower()
    if cell.privilege == "SELECT" and column:
        file = "privileges/probe_select_column"
    with conn.transaction(force_rollback=True):
        # What refuses the role itself is no answer about the cell, and is raised.
        run(conn, "privileges/set_local_role", parts={"role": sql.Identifier(cell.role)})
        try:
            run(conn, file, parts=parts)
        except psycopg.Error as refused:
            return refused.sqlstate or "no sqlstate"
    return ""


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
    said = [f"{grant.grantee} lacks {_privilege(grant)}" for grant in frozen if _key(grant) not in actual]
    said += [
        f"{grant.grantee} has {_privilege(grant)}, which the frozen matrix does not give"
        for grant in found
        if _key(grant) not in expected
    ]
    said += [f"{grant.grantee} may pass on {_privilege(grant)}" for grant in found if grant.grantable]
    return said


def _key(grant: Grant) -> tuple[str, ...]:
    return (grant.grantee, grant.kind, grant.object, grant.privilege, grant.column)


def _privilege(grant: Grant) -> str:
    column = f" ({grant.column})" if grant.column else ""
    kind = "table" if grant.kind == "column" else grant.kind
    return f"{grant.privilege}{column} on {kind} {grant.object}"


def _grant_statement(grant: Grant) -> Prepared:
    file = _GRANT_FILES.get(grant.kind)
    if file is None or grant.privilege not in _KEYWORDS or grant.grantable:
        raise PackError(
            f"the frozen matrix gives {grant.grantee} {_privilege(grant)}, which Drydock does not recreate",
            remedy="keep to plain privileges on tables, columns, views, sequences, schemas and the database",
        )
    whole = grant.kind in ("schema", "database")
    grantee = sql.SQL("PUBLIC") if grant.grantee == PUBLIC else sql.Identifier(grant.grantee)
    parts: dict[str, sql.Composable] = {
        "privilege": sql.SQL(grant.privilege),
        "object": sql.Identifier(grant.object) if whole else sql.Identifier(*grant.object.split(".", 1)),
        "grantee": grantee,
    }
    if grant.column:
        parts["column"] = sql.Identifier(grant.column)
    return prepare(file, parts)


def _setting(entry: str) -> dict[str, sql.Composable]:
    name, _, value = entry.partition("=")
    words = list_setting(value) if name in LIST_SETTINGS else [value]
    return {
        "setting": sql.SQL(".").join(sql.Identifier(part) for part in name.split(".")),
        "value": sql.SQL(", ").join(sql.Literal(word) for word in words),
    }


def list_setting(value: str) -> list[str]:
    """Return the names of a stored list setting: commas outside double quotes part them."""
    return [
        quoted.replace('""', '"') if opened else plain
        for opened, quoted, plain in _LISTED.findall(value)
        if opened or plain
    ]


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
