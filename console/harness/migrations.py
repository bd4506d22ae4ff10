"""Runs the planned migrations, one a scenario, as the role that the pack names.

Owns three ways: statements that the engine split, Alembic's own commands (all steps by one, as `alembic upgrade head`
goes), Django's own commands. Imports Alembic and Django where they are used and nowhere else. Whoever reads its address
elsewhere than Alembic's sqlalchemy.url or Django's DATABASES says so in pack.py with `before`.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psycopg

from console.harness.context import Context
from console.harness.exits import as_at_its_exit
from console.harness.registry import scenario

ATTEMPT = "migrate"

NOWHERE = "/only-the-default-database-is-rehearsed"
"""The socket's folder of each of Django's databases but the default one: it is never there."""

_POSTGRESQL = "django.db.backends.postgresql"
_OF_THE_ADDRESS = frozenset({
    "service", "servicefile", "host", "hostaddr", "port", "dbname", "user", "password", "passfile", "requirepeer",
    "sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcrl", "sslcrldir", "sslnegotiation",
    "channel_binding", "require_auth", "target_session_attrs", "load_balance_hosts", "gssencmode", "krbsrvname",
})  # fmt: skip
"""OPTIONS of Django's that say where and as whom to connect; all others are the project's and stay."""

Runner = Callable[[Context, Mapping[str, Any], Mapping[str, Any]], None]

_BEFORE: list[Callable[[Context], None]] = []


def before(function: Callable[[Context], None]) -> Callable[[Context], None]:
    """Let the decorated function run before each migration, for instance to tell the subject its address."""
    _BEFORE.append(function)
    return function


def register(words: Mapping[str, Any], subject: str) -> None:
    """Register a scenario for each planned migration; `words` is what the engine says of them."""
    run = _RUNNERS[words["kind"]]
    folder = Path(subject, words["folder"])
    for identifier, step in words["steps"].items():
        _register(identifier, run, {**words, "folder": folder}, step)


def _register(identifier: str, run: Runner, words: Mapping[str, Any], step: Mapping[str, Any]) -> None:
    @scenario(identifier)
    def migrate(ctx: Context) -> None:
        with ctx.attempt(ATTEMPT), as_at_its_exit():
            for function in _BEFORE:
                function(ctx)
            run(ctx, words, step)


def _run_statements(ctx: Context, words: Mapping[str, Any], step: Mapping[str, Any]) -> None:
    """Send each statement by itself; one transaction around all of them unless the file rules that out."""
    connection = psycopg.connect(
        host=ctx.host, port=ctx.port, dbname=ctx.database, sslmode=ctx.sslmode, user=words["role"],
        password=ctx.password(words["role"]), autocommit=True, application_name="drydock-migration",
    )  # fmt: skip
    try:
        around = ("BEGIN", "COMMIT") if step["one_transaction"] else ("", "")
        for statement in (around[0], *step["statements"], around[1]):
            if statement:
                connection.execute(statement)
    finally:
        connection.close()


def _run_alembic(ctx: Context, words: Mapping[str, Any], step: Mapping[str, Any]) -> None:
    """Let one command of Alembic's upgrade to the last of the revisions, or downgrade to the one below the first."""
    command, config, script = (
        importlib.import_module(f"alembic.{it}") for it in ("command", "config", "script")
    )
    url = importlib.import_module("sqlalchemy.engine").URL.create(
        "postgresql+psycopg", username=words["role"], password=ctx.password(words["role"]), database=ctx.database,
        query={"host": ctx.host, "port": str(ctx.port), "sslmode": ctx.sslmode},
    )  # fmt: skip
    os.chdir(words["folder"])
    settings = config.Config("alembic.ini")
    settings.set_main_option("sqlalchemy.url", url.render_as_string(hide_password=False).replace("%", "%%"))
    last, below = revisions_of(script.ScriptDirectory.from_config(settings), step)
    if step["direction"] == "up":
        command.upgrade(settings, last)
        return
    command.downgrade(settings, below)


def revisions_of(directory: Any, step: Mapping[str, Any]) -> tuple[str, str]:
    """Return the last revision of the step, and the one below its first ("base" for none).

    Raises Alembic's own error for a project with several heads, which `upgrade head` refuses too, and ValueError for
    steps that are not exactly the revisions on that way.
    """
    directory.get_revision("head")
    revisions = [directory.get_revision(name) for name in step["names"]]
    for one in revisions:
        if step["direction"] == "down" and isinstance(one.down_revision, tuple):
            raise ValueError(
                f"revision {one.revision} joins several branches, and has no one revision below it"
            )
    last, below = revisions[-1].revision, revisions[0].down_revision or "base"
    on_the_way = [one.revision for one in directory.iterate_revisions(last, below)][::-1]
    named = [one.revision for one in revisions]
    if named != on_the_way:
        raise ValueError(
            f"the steps are {', '.join(named)}, and Alembic runs {', '.join(on_the_way) or 'nothing'}: "
            "name each revision from the first to the last in [migration] steps, in Alembic's order"
        )
    return last, below


def _run_django(ctx: Context, words: Mapping[str, Any], step: Mapping[str, Any]) -> None:
    """Let Django migrate to the migration, or to the one below it in its app."""
    management, database = _django(ctx, words)
    app, _dot, name = step["name"].partition(".")
    try:
        target = name if step["direction"] == "up" else _below(app, name)
        management.call_command("migrate", app, target, interactive=False, verbosity=0)
    finally:
        database.connections.close_all()


def _django(ctx: Context, words: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return Django's management and database modules, set up for the copy at the first call.

    Raises ValueError for a default database that is not PostgreSQL's.
    """
    database = importlib.import_module("django.db")
    if "DJANGO_SETTINGS_MODULE" not in os.environ:
        sys.path.append(str(words["folder"]))
        os.chdir(words["folder"])
        os.environ["DJANGO_SETTINGS_MODULE"] = words["settings"]
        settings: Any = importlib.import_module("django.conf").settings
        settings.DATABASES = databases_of_the_copy(settings.DATABASES, {
            "HOST": ctx.host, "PORT": str(ctx.port), "NAME": ctx.database, "USER": words["role"],
            "PASSWORD": ctx.password(words["role"]),
        }, sslmode=ctx.sslmode)  # fmt: skip
        importlib.import_module("django").setup()
    default = database.connections["default"]
    if default.vendor != "postgresql":
        raise ValueError(
            f"the default database of {words['settings']} has the ENGINE {default.settings_dict['ENGINE']}, "
            "which is not PostgreSQL's: name the settings that production has"
        )
    return importlib.import_module("django.core.management"), database


def databases_of_the_copy(
    own: Mapping[str, Mapping[str, Any]], address: Mapping[str, Any], *, sslmode: str
) -> dict[str, dict[str, Any]]:
    """Return the project's DATABASES with `default` at the copy, its ENGINE and other words kept.

    Every other alias is a socket that is nowhere: nothing of production can be reached by it.
    """
    default = own.get("default", {})
    options = {key: value for key, value in default.get("OPTIONS", {}).items() if key not in _OF_THE_ADDRESS}
    found = {alias: {"ENGINE": _POSTGRESQL, "HOST": NOWHERE, "NAME": alias} for alias in own}
    return {**found, "default": {**default, **address, "OPTIONS": {**options, "sslmode": sslmode}}}


def _below(app: str, name: str) -> str:
    graph = importlib.import_module("django.db.migrations.loader").MigrationLoader(None).graph
    parents = [parent.key for parent in graph.node_map[app, name].parents]
    return next((below for owner, below in sorted(parents) if owner == app), "zero")


_RUNNERS: Mapping[str, Runner] = {
    "sql": _run_statements,
    "alembic": _run_alembic,
    "django": _run_django,
}
