"""What the source has beside its dump, and the same on the copy: settings of the role's sessions, publications.

Owns reading both and giving the copy what the source has. Settings are given to the role in the copy's database alone,
so that no session of the engine's has them. Never judges; a value may be a secret and goes into no sentence.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import psycopg
from psycopg import sql

from console.model.beside_facts import Beside, BesideCopy, BesideSource, Publication
from console.model.text import one_line
from console.sql import Part, pinned, run
from console.witness.privileges import setting_parts
from console.witness.surface_grammar import NotParsed, parse

Connection = psycopg.Connection[Any]

CONNECTION_LIMIT = "the connection limit"
_PUBLISHING = "migration/create_publication"
"""The one statement whose refusal is told in the server's words: another one's may hold a value."""

_PREFIXES = ("log_", "auto_explain.", "application_name")
"""What the server's log is told: the engine's own witness, which a source's words must not silence."""

UNTIMED, _UNTIMED = "-c statement_timeout=0", "statement_timeout"
"""What the engine's session of the role is begun with, lest a short timeout of the source's end its question."""

_OF_BOTH = "database user"
"""The source of a setting in pg_settings that was given to a role in one database."""


def read_beside(conn: Connection, role: str) -> Beside:
    """Return what sessions of the role begin with in the connection's database, and its publications."""
    with pinned(conn):
        limits = run(conn, "migration/connection_limit", {"role": role})
        return Beside(
            settings=dict(run(conn, "migration/session_settings", {"role": role})),
            connection_limit=limits[0][0] if limits else -1,
            publications={
                name: Publication(publishes=publishes, owned=owned)
                for name, publishes, owned in run(conn, "migration/publications", {"role": role})
            },
            roles=tuple(name for (name,) in run(conn, "drafting/role_names")),
        )


def source_fact(found: Beside) -> BesideSource:
    """Return what is recorded of the source: names alone."""
    return BesideSource(
        settings=tuple(name for name in found.settings if not _is_witnessed(name)),
        witnessed=tuple(name for name in found.settings if _is_witnessed(name)),
        connection_limit=found.connection_limit, publications=tuple(found.publications),
        roles=found.roles,
    )  # fmt: skip


def give(conn: Connection, wanted: Beside, *, role: str, database: str) -> BesideCopy:
    """Give the copy what the source has, read it back, and return what is there exactly so.

    Needs a superuser of the copy whose statements the server does not log, in autocommit.
    """
    refused: dict[str, str] = {}
    for name, value in wanted.settings.items():
        if not _is_witnessed(name):
            parts = {
                "role": sql.Identifier(role), "database": sql.Identifier(database),
                **setting_parts(f"{name}={value}"),
            }  # fmt: skip
            _try(conn, "privileges/set_role_setting_in_database", parts, f"the setting {name}", refused)
    for name, publication in wanted.publications.items():
        _publish(conn, name, publication, role, refused)
    if wanted.connection_limit != -1:
        limit = {"role": sql.Identifier(role), "connection_limit": sql.Literal(wanted.connection_limit)}
        _try(conn, "migration/set_connection_limit", limit, CONNECTION_LIMIT, refused)
    found = read_beside(conn, role)
    return BesideCopy(
        settings=_same(wanted.settings.items(), found.settings.items()), connection_limit=found.connection_limit,
        publications=_same(wanted.publications.items(), found.publications.items()), refused=refused,
    )  # fmt: skip


def begun_with(conn: Connection, wanted: Beside, given: BesideCopy) -> BesideCopy:
    """Return what was given without the settings with which a session of the role, this one, did not begin.

    A role or a tablespace that is not there may be given, and the session only warns of it. Begin it `UNTIMED`.
    """
    rows = run(conn, "migration/begun_with", {"names": list(given.settings)})
    began = {
        name
        for name, source, value in rows
        if source == _OF_BOTH or value == wanted.settings[name] or name.lower() == _UNTIMED
    }
    return msgspec.structs.replace(
        given, settings=tuple(name for name in given.settings if name in began),
        refused={f"the setting {name}": "a session does not begin with it" for name in given.settings
                 if name not in began} | given.refused,
    )  # fmt: skip


def _publish(
    conn: Connection, name: str, publication: Publication, role: str, refused: dict[str, str]
) -> None:
    what = f"the publication {name}"
    if not _is_one_publication(publication.publishes):
        refused[what] = "what it publishes is no one statement"
        return
    parts = {"publication": sql.Identifier(name)}
    publishes = sql.SQL(publication.publishes)
    _try(conn, _PUBLISHING, {**parts, "publishes": publishes}, what, refused)
    if publication.owned and what not in refused:
        _try(conn, "migration/own_publication", {**parts, "role": sql.Identifier(role)}, what, refused)


def _is_one_publication(publishes: str) -> bool:
    """Tell whether the text, which may be a file's, goes on as one CREATE PUBLICATION and nothing more."""
    try:
        statements = list(parse(f"CREATE PUBLICATION name {publishes}"))
    except NotParsed:
        return False
    return len(statements) == 1


def _try(conn: Connection, name: str, parts: dict[str, Part], what: str, refused: dict[str, str]) -> None:
    try:
        run(conn, name, parts=parts)
    except psycopg.Error as wrong:
        words = one_line(wrong.diag.message_primary or "", limit_chars=200) if name == _PUBLISHING else ""
        refused[what] = f"{words} (SQLSTATE {wrong.sqlstate})".strip()


def _same(wanted: Iterable[tuple[str, object]], found: Iterable[tuple[str, object]]) -> tuple[str, ...]:
    there = dict(found)
    return tuple(name for name, value in wanted if there.get(name) == value)


def _is_witnessed(name: str) -> bool:
    return name.lower().startswith(_PREFIXES)
