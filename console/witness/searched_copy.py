"""The restored copy searched before Drydock's own DDL runs in it (design section 10).

Owns the list of what a dump can smuggle in and what of it stops the run. Reads only; and nothing that it
reads may run code of the dump's: no user function, view or operator is called, search_path is pinned.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import psycopg

from console.model.catalogue import Privileges
from console.sql import pinned, run


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """What the plan and its pack say beforehand may be there.

    `roles` by name, and those of them that may be superusers; `settings` as `setting_name` writes them;
    `functions` (SECURITY DEFINER, as "schema.name(argument types)") and `rules` ("schema.relation.rule")
    that the plan gives its word for.
    """

    roles: frozenset[str] = frozenset()
    superusers: frozenset[str] = frozenset()
    settings: frozenset[str] = frozenset()
    functions: frozenset[str] = frozenset()
    rules: frozenset[str] = frozenset()


class Finding(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One object found: its kind in words, its name, and what is known about it."""

    kind: str
    name: str
    detail: str = ""


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """`stops` end the run; `needs_word` (SECURITY DEFINER functions, rules) waits for the plan's."""

    stops: tuple[Finding, ...] = ()
    needs_word: tuple[Finding, ...] = ()


def setting_name(role: str, database: str, setting: str) -> str:
    """Return the name of one setting, "role in database: name=value", with "all" for an empty part."""
    return f"{role or 'all roles'} in {database or 'all databases'}: {setting}"


def declared_settings(privileges: Privileges, database: str) -> frozenset[str]:
    """Return the settings that a pack's frozen roles declare, named by `setting_name`."""
    everywhere = {
        setting_name(name, "", setting)
        for name, role in privileges.roles.items()
        for setting in role.settings
    }
    here = {
        setting_name(name, database, setting)
        for name, role in privileges.roles.items()
        for setting in role.database_settings
    }
    return frozenset(everywhere | here)


def search(conn: psycopg.Connection[Any], declared: Declared) -> Findings:
    """Return what is in the copy and was not declared. Needs a superuser of the copy."""
    with pinned(conn):
        stops = [
            *_named("event trigger", run(conn, "searched_copy/event_triggers")),
            *_kinds(run(conn, "searched_copy/foreign_objects")),
            *_kinds(run(conn, "searched_copy/replication")),
            *_undeclared_roles(run(conn, "searched_copy/roles"), declared),
            *_named("ALTER SYSTEM setting", run(conn, "searched_copy/system_settings")),
            *_undeclared_settings(run(conn, "searched_copy/role_settings"), declared.settings),
        ]
        definers = run(conn, "searched_copy/definer_functions")
        rules = run(conn, "searched_copy/rules")
    return Findings(
        stops=tuple(sorted(stops)),
        needs_word=(
            *_undeclared("SECURITY DEFINER function", definers, declared.functions),
            *_undeclared("rule", rules, declared.rules),
        ),
    )


def sentences(findings: Iterable[Finding]) -> list[str]:
    """Return one sentence a finding."""
    return [
        f"the copy holds the {found.kind} {found.name}" + (f" ({found.detail})" if found.detail else "")
        for found in findings
    ]


def _named(kind: str, rows: list[tuple[Any, ...]]) -> list[Finding]:
    return [Finding(kind=kind, name=name, detail=detail) for name, detail in rows]


def _kinds(rows: list[tuple[Any, ...]]) -> list[Finding]:
    return [Finding(kind=kind, name=name, detail=detail) for kind, name, detail in rows]


def _undeclared(kind: str, rows: list[tuple[Any, ...]], declared: frozenset[str]) -> list[Finding]:
    return [found for found in _named(kind, rows) if found.name not in declared]


def _undeclared_roles(rows: list[tuple[Any, ...]], declared: Declared) -> list[Finding]:
    strangers = [row[:2] for row in rows if row[0] not in declared.roles]
    raised = [row[:2] for row in rows if row[2] and row[0] not in declared.superusers]
    return _named("role", strangers) + _named("superuser role", raised)


def _undeclared_settings(rows: list[tuple[Any, ...]], declared: frozenset[str]) -> list[Finding]:
    names = [setting_name(role, database, setting) for role, database, setting in rows]
    return [Finding(kind="setting", name=name) for name in names if name not in declared]
