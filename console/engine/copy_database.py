"""The copy's database as one of its server's: what CREATE DATABASE does not bring along, and how one is made anew.

Owns the words about a database and every statement that makes one from another. Never decides when, never judges, and
gives nothing that the dropped database did not have: what cannot be given again, G-27 finds missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import psycopg
from psycopg import sql

from console.engine.durability import undurable
from console.engine.long_steps import unless_aborted
from console.engine.rehearsal import Rehearsal
from console.engine.rehearsing import WITNESS_OPTIONS
from console.environments.cloning import shares_blocks
from console.errors import Cause, StepFailed
from console.model.text import one_line
from console.sql import EngineConnection
from console.sql import run as run_sql
from console.witness.privileges import setting_parts

FRESH = "G-27"
TEMPLATE_NAME = "drydock_prepared"
_BUILT_IN = "built in"
"""The word for privileges of which the database has no list of its own, not even an empty one."""
_NOT_DONE = psycopg.errors.DiskFull, psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable
_KEYWORDS = {"CONNECT", "CREATE", "TEMPORARY"}
"""Every privilege that there is on a database."""


class _Granted(NamedTuple):
    """One privilege on the database, as its list has it."""

    grantor: str
    grantee: str
    privilege: str
    grantable: bool


def template_name(run: Rehearsal) -> str:
    """Return the template's name, which is never the copy's own."""
    return TEMPLATE_NAME if run.database != TEMPLATE_NAME else f"{TEMPLATE_NAME}_too"


def make_copy_anew(run: Rehearsal, what: str) -> tuple[str, str]:
    """Drop the copy's database and make it anew; return how it was copied, and the oid of the dropped one.

    It was closed before, and is open again only when the server is as durable as before. `what` cannot be done where
    the server refuses.
    """
    database = sql.Identifier(run.database)
    with undurable(run), administering(run) as connection, answered(what, in_use="subject"):
        dropped = database_oid(run, connection)
        words = database_words(run, connection)
        settings = run_sql(connection, "rewind/database_settings", {"database": run.database})
        grants = run_sql(connection, "rewind/database_grants", {"database": run.database})
        way = choose_way(run, connection)
        run_sql(connection, "rewind/drop_copy", parts={"database": database})
        made = {
            "database": database, "template": sql.Identifier(template_name(run)),
            "owner": sql.Identifier(words["owner"]), "limit": sql.Literal(int(words["datconnlimit"])),
        }  # fmt: skip
        unless_aborted(
            run.recorder, connection, lambda: run_sql(connection, "rewind/create_copy", parts=made)
        )
        if words["privileges"] != _BUILT_IN:
            _grant(run, connection, words["owner"], [_Granted(*row) for row in grants])
        for role, entry in settings:
            _set(run, connection, role, entry)
        if words["comment"]:
            comment = {"database": database, "comment": sql.Literal(words["comment"])}
            run_sql(connection, "rewind/comment_on_database", parts=comment)
    with administering(run) as connection:
        run_sql(connection, "rewind/allow_connections", parts={"database": database})
    return way, dropped


def _set(run: Rehearsal, connection: EngineConnection, role: str, entry: str) -> None:
    """Give the database a setting that the dropped one had, of a role in it or ("") of everybody."""
    parts = {"database": sql.Identifier(run.database), **setting_parts(entry)}
    if role:
        parts |= {"role": sql.Identifier(role)}
    file = "privileges/set_role_setting_in_database" if role else "rewind/set_database_setting"
    run_sql(connection, file, parts=parts)


def _grant(run: Rehearsal, connection: EngineConnection, owner: str, wanted: list[_Granted]) -> None:
    """Give the database the privileges that the dropped one had, each by the role that had given it."""
    parts = {"object": sql.Identifier(run.database), "grantee": sql.Identifier(owner)}
    run_sql(connection, "privileges/revoke_public_database", parts=parts)
    run_sql(connection, "rewind/revoke_database", parts=parts)
    able: set[tuple[str, str]] = {(owner, privilege) for privilege in _KEYWORDS}
    waiting = [one for one in wanted if one.privilege in _KEYWORDS]
    while ready := [one for one in waiting if (one.grantor, one.privilege) in able]:
        for one in ready:
            _grant_one(run, connection, one)
        able |= {(one.grantee, one.privilege) for one in ready if one.grantable}
        waiting = [one for one in waiting if one not in ready]


def _grant_one(run: Rehearsal, connection: EngineConnection, one: _Granted) -> None:
    parts = {
        "privilege": sql.SQL(one.privilege), "object": sql.Identifier(run.database),
        "grantee": sql.SQL("PUBLIC") if one.grantee == "PUBLIC" else sql.Identifier(one.grantee),
    }  # fmt: skip
    file = "rewind/grant_database_on" if one.grantable else "privileges/grant_database"
    with connection.transaction():
        run_sql(connection, "privileges/set_local_role", parts={"role": sql.Identifier(one.grantor)})
        run_sql(connection, file, parts=parts)


@contextmanager
def administering(run: Rehearsal) -> Iterator[EngineConnection]:
    """Open a session beside the copy's database; what it sends is in the trace, and ends within a step's time."""
    limit_ms = int(run.config.limits.step_timeout_s * 1000)
    options = f"{WITNESS_OPTIONS} -c statement_timeout={limit_ms}"
    with run.the_environment().connect(options=options) as connection:
        connection.observer = lambda ran: run.observe("copy", ran)
        yield connection


@contextmanager
def answered(what: str, *, in_use: Cause) -> Iterator[None]:
    """Give what the server refuses its cause: somebody is connected, there is no room, it takes too long."""
    try:
        yield
    except psycopg.errors.ObjectInUse as refused:
        reason = f"{what}: {one_line(str(refused), limit_chars=300)}"
        raise StepFailed(reason, cause=in_use, gate=FRESH) from refused
    except _NOT_DONE as failed:
        reason = f"{what}: {one_line(str(failed), limit_chars=300)}"
        raise StepFailed(reason, cause="environment", gate=FRESH) from failed


def choose_way(run: Rehearsal, connection: EngineConnection) -> str:
    """Let this session copy files in the cheapest way that server and file system have, and return its words."""
    methods = [method for (method,) in run_sql(connection, "rewind/copy_methods")]
    if "clone" not in methods:
        return f"FILE_COPY, every block copied (PostgreSQL {connection.info.server_version // 10_000} cannot clone)"
    run_sql(connection, "rewind/set_copy_method", parts={"method": sql.Literal("clone")})
    how = "blocks shared where the engine's file system can"
    if run.the_environment().kind == "embedded":
        shared = shares_blocks(run.places.work)
        how = (
            "blocks shared"
            if shared
            else "every block copied by the kernel: the file system cannot share them"
        )
    return f"FILE_COPY, file_copy_method = clone, {how}"


def database_words(run: Rehearsal, connection: EngineConnection) -> dict[str, str]:
    """Return in words all that the server keeps of the copy's database outside of its files."""
    return dict(run_sql(connection, "rewind/database_words", {"database": run.database}))


def database_oid(run: Rehearsal, connection: EngineConnection) -> str:
    """Return which database has the copy's name now."""
    [(oid,)] = run_sql(connection, "rewind/database_oid", {"database": run.database})
    return str(oid)
