"""Runs the planned migrations, one a scenario, as the role that the pack names.

Owns three ways: statements that the engine split, Alembic's own commands, Django's own commands. Imports Alembic and
Django where they are used and nowhere else. Whoever reads its address elsewhere than Alembic's sqlalchemy.url or
Django's DATABASES says so in pack.py with `before`.
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
from console.harness.registry import scenario

ATTEMPT = "migrate"

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
        with ctx.attempt(ATTEMPT):
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
    """Let Alembic upgrade to the revision, or downgrade to the one below it."""
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
    revision = script.ScriptDirectory.from_config(settings).get_revision(step["name"])
    if step["direction"] == "up":
        command.upgrade(settings, revision.revision)
        return
    below = revision.down_revision
    if below is not None and not isinstance(below, str):
        raise ValueError(f"revision {step['name']} joins several branches, and has no one revision below it")
    command.downgrade(settings, below or "base")


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
    """Return Django's management and database modules, set up for the copy at the first call."""
    if "DJANGO_SETTINGS_MODULE" not in os.environ:
        sys.path.append(str(words["folder"]))
        os.chdir(words["folder"])
        os.environ["DJANGO_SETTINGS_MODULE"] = words["settings"]
        settings: Any = importlib.import_module("django.conf").settings
        settings.DATABASES = {
            **settings.DATABASES,
            "default": {
                **settings.DATABASES.get("default", {}), "ENGINE": "django.db.backends.postgresql",
                "HOST": ctx.host, "PORT": str(ctx.port), "NAME": ctx.database, "USER": words["role"],
                "PASSWORD": ctx.password(words["role"]),
            },
        }  # fmt: skip
        importlib.import_module("django").setup()
    return importlib.import_module("django.core.management"), importlib.import_module("django.db")


def _below(app: str, name: str) -> str:
    graph = importlib.import_module("django.db.migrations.loader").MigrationLoader(None).graph
    parents = [parent.key for parent in graph.node_map[app, name].parents]
    return next((below for owner, below in sorted(parents) if owner == app), "zero")


_RUNNERS: Mapping[str, Runner] = {
    "sql": _run_statements,
    "alembic": _run_alembic,
    "django": _run_django,
}
