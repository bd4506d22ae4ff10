"""Privileges recreated and refused: the statements that make them, and the deny probes.

A probe changes nothing: it touches no row, it is undone at once, and its transaction is always rolled back.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import attrgetter
from typing import Any

import psycopg
from psycopg import sql

from console.errors import PackError, StepFailed
from console.model.catalogue import Grant, Privileges, Role, Table
from console.sql import Prepared, pinned, prepare, run, send_behind
from console.witness.privilege_matrix import (
    ADMIN_SUFFIX,
    PUBLIC,
    REFUSED,
    Cell,
    cell_name,
    privilege_words,
    writable_columns,
)

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
        made.append(prepare("privileges/set_role_setting", {"role": identifier, **setting_parts(entry)}))
    for entry in role.database_settings:
        parts = {"role": identifier, "database": sql.Identifier(database), **setting_parts(entry)}
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
    for grant in privileges.grants:
        if grant.kind == "function" and (grant.privilege != "EXECUTE" or grant.grantable):
            raise _not_recreated(grant)
    wanted += [grant for grant in privileges.grants if grant.kind != "function"]
    return made + [_grant_statement(grant) for grant in wanted]


def function_grant_statements(conn: psycopg.Connection[Any], privileges: Privileges) -> list[Prepared]:
    """Return the statements that grant EXECUTE as the matrix has it, on functions that the copy has.

    The matrix names a function as the catalogue prints it; the server says how that is written in a statement,
    so that no text of a file becomes SQL. One that is not there is left to G-09.
    """
    wanted = [grant for grant in privileges.grants if grant.kind == "function"]
    if not wanted:
        return []
    with pinned(conn):
        rows = run(conn, "privileges/functions_by_name", {"names": sorted({one.object for one in wanted})})
    known = {name: (schema, function, arguments) for name, schema, function, arguments in rows}
    return [_function_grant(grant, *known[grant.object]) for grant in wanted if grant.object in known]


def _function_grant(grant: Grant, schema: str, function: str, arguments: str) -> Prepared:
    parts: dict[str, sql.Composable] = {
        "object": sql.Identifier(schema, function),
        "arguments": sql.SQL(arguments),  # format_type's own words, each type quoted by the server
        "grantee": sql.SQL("PUBLIC") if grant.grantee == PUBLIC else sql.Identifier(grant.grantee),
    }
    return prepare("privileges/grant_function", parts)


def probe(conn: psycopg.Connection[Any], cell: Cell, columns: Sequence[str]) -> str:
    """Return the SQLSTATE that the server gives when the cell is really tried; empty when it was allowed.

    `columns` are the table's writable columns: without a column in the cell each is tried, and 42501 is
    returned only when every one was refused. The connection's user is the role itself or a superuser.
    """
    with _acting_as(conn, cell.role) as undo:
        return _answer(conn, undo, cell, columns)


def probe_all(
    conn: psycopg.Connection[Any], cells: Iterable[Cell], tables: Mapping[str, Table]
) -> dict[Cell, str]:
    """Return what `probe` returns for each cell, in their order; each is undone before the next is tried.

    One role is taken once for all its cells that stand together.
    """
    answers: dict[Cell, str] = {}
    for role, theirs in itertools.groupby(cells, attrgetter("role")):
        with _acting_as(conn, role) as undo:
            for cell in theirs:
                answers[cell] = _answer(conn, undo, cell, writable_columns(tables[cell.table]))
    return answers


def allowed_cells(
    conn: psycopg.Connection[Any], cells: Iterable[Cell], tables: Mapping[str, Table]
) -> dict[str, str]:
    """Probe all cells and return those not refused: "role PRIVILEGE schema.table(column)" to SQLSTATE."""
    answers = probe_all(conn, cells, tables)
    return {cell_name(cell): answer for cell, answer in answers.items() if answer != REFUSED}


@contextmanager
def _acting_as(conn: psycopg.Connection[Any], role: str) -> Iterator[Prepared]:
    """Run the block as a role, in a transaction that is rolled back; give what undoes a probe in it."""
    with conn.transaction(force_rollback=True):
        # What refuses the role itself is no answer about a cell, and is raised.
        run(conn, "privileges/set_local_role", parts={"role": sql.Identifier(role)})
        run(conn, "privileges/mark_before_probe")
        yield prepare("privileges/undo_probe", {})


def _answer(conn: psycopg.Connection[Any], undo: Prepared, cell: Cell, columns: Sequence[str]) -> str:
    targets = [cell.column] if cell.column else list(columns)
    if cell.privilege == "SELECT" and not cell.column:
        targets = [""]
    if not targets:
        raise StepFailed(f"table {'.'.join(cell.relation)} has no column to probe", cause="drydock")
    answers = (_attempt(conn, undo, cell, column) for column in targets)
    return next((answer for answer in answers if answer != REFUSED), REFUSED)


def _attempt(conn: psycopg.Connection[Any], undo: Prepared, cell: Cell, column: str) -> str:
    parts: dict[str, sql.Composable] = {"table": sql.Identifier(*cell.relation)}
    if column:
        parts["column"] = sql.Identifier(column)
    file = "privileges/probe_" + cell.privilege.lower()
    if cell.privilege == "SELECT" and column:
        file = "privileges/probe_select_column"
    tried = prepare(file, parts, conn.info.server_version // 10000)
    try:
        # What was tried before is undone in the same message, refused or not.
        send_behind(conn, undo, tried)
    except psycopg.Error as refused:
        return refused.sqlstate or "no sqlstate"
    return ""


def _grant_statement(grant: Grant) -> Prepared:
    file = _GRANT_FILES.get(grant.kind)
    if file is None or grant.privilege not in _KEYWORDS or grant.grantable:
        raise _not_recreated(grant)
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


def _not_recreated(grant: Grant) -> PackError:
    return PackError(
        f"the frozen matrix gives {grant.grantee} {privilege_words(grant)}, which Drydock does not recreate",
        remedy="keep to plain privileges on tables, columns, views, sequences, functions, schemas and the database",
    )


def setting_parts(entry: str) -> dict[str, sql.Composable]:
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
