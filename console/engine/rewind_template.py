"""The template that the copy is made anew from: how it is kept, and what is looked at.

Owns the template from C-08 on: its row, the ways in, sizes and times of the files. Never judges.
"""

from __future__ import annotations

import time

import psycopg
from psycopg import sql

from console.engine.copy_database import (
    administering,
    answered,
    choose_way,
    database_oid,
    database_words,
    template_name,
)
from console.engine.durability import undurable
from console.engine.long_steps import unless_aborted
from console.engine.rehearsal import Rehearsal
from console.errors import StepFailed
from console.gates.checks_rewind import without_those_per_database
from console.model.rewind_facts import Prepared, Template
from console.model.text import one_line
from console.sql import EngineConnection
from console.sql import run as run_sql
from console.witness.catalogue import count_rows, read_sequences
from console.witness.effects import catalogue_digest

UNTOUCHED = "G-28"
TEMPLATE_NOTE = "template"
QUIET_PATIENCE_S = 10.0
LOOKED_AT = "pg_database, pg_stat_database, pg_stat_file"
_POLL_S = 0.01


def keep_template(run: Rehearsal) -> None:
    """Look at the prepared copy, then make the template of it while nobody is connected."""
    began, name = time.monotonic(), template_name(run)
    with run.the_environment().connect(run.database) as connection:
        rows = count_rows(connection, run.loaded.pack.schema, run.loaded.pack.tables)
        sequences = read_sequences(connection)
        catalogue = without_those_per_database(catalogue_digest(connection))
    refused = answered("the template cannot be made", in_use="environment")
    with undurable(run), administering(run) as connection, refused:
        [(elsewhere,)] = run_sql(connection, "rewind/own_tablespaces")
        if elsewhere:
            reason = f"the copy's server has {elsewhere} tablespaces of its own, and a template's files could be there"
            raise StepFailed(reason, cause="environment", gate=UNTOUCHED)
        words, oid = database_words(run, connection), database_oid(run, connection)
        way = choose_way(run, connection)
        parts = {"template": sql.Identifier(name), "database": sql.Identifier(run.database)}
        unless_aborted(
            run.recorder, connection, lambda: run_sql(connection, "rewind/create_template", parts=parts)
        )
        run_sql(connection, "privileges/revoke_public_database", parts={"object": sql.Identifier(name)})
        template = look_at_template(connection, name)
    prepared = Prepared(
        rewound=run.plan.rewound, rows=rows, sequences=sequences, catalogue=catalogue, database=words,
        oid=oid, template=template,
    )  # fmt: skip
    run.recorder.fact("prepared", prepared, source=f"exact counts; the catalogue; {LOOKED_AT}")
    took_ms = int((time.monotonic() - began) * 1000)
    told = {"way": way, "took_ms": took_ms, "size_bytes": template.size_bytes}
    run.recorder.note(TEMPLATE_NOTE, told)


def await_quiet(run: Rehearsal) -> None:
    """Return when a change of the template's files could not fall into the second of the last one any more.

    Raises StepFailed (environment, G-28) when that does not come.
    """
    deadline = time.monotonic() + QUIET_PATIENCE_S
    name = template_name(run)
    with run.the_environment().connect() as connection:
        folder = _folder(connection, name)
        while not run_sql(connection, "rewind/template_files", {"folder": folder})[0][3]:
            if time.monotonic() > deadline:
                reason = f"the template's files still change {QUIET_PATIENCE_S:.0f} s after they were made"
                raise StepFailed(reason, cause="environment", gate=UNTOUCHED)
            run.recorder.raise_if_requested()
            time.sleep(_POLL_S)


def look_at_template(connection: EngineConnection, name: str) -> Template:
    """Return the template as it is now. Raises StepFailed (subject, G-28) when it is gone."""
    found = run_sql(connection, "rewind/template", {"template": name})
    if not found:
        raise StepFailed(f"the template {name} is gone", cause="subject", gate=UNTOUCHED)
    [(oid, version, connectable, is_template, of_superuser, grantees, settings, sessions)] = found
    try:
        [(files, size_bytes, sha256, _quiet)] = run_sql(
            connection, "rewind/template_files", {"folder": f"base/{oid}"}
        )
    except psycopg.errors.UndefinedFile as gone:
        reason = f"files of the template {name} are gone: {one_line(str(gone), limit_chars=200)}"
        raise StepFailed(reason, cause="subject", gate=UNTOUCHED) from gone
    return Template(
        name=name, oid=oid, version=version, connectable=connectable, is_template=is_template,
        of_superuser=of_superuser, grantees=tuple(grantees), settings=settings, sessions=sessions, files=files,
        size_bytes=size_bytes, sha256=sha256,
    )  # fmt: skip


def _folder(connection: EngineConnection, name: str) -> str:
    found = run_sql(connection, "rewind/template", {"template": name})
    if not found:
        raise StepFailed(f"the template {name} is gone", cause="subject", gate=UNTOUCHED)
    return f"base/{found[0][0]}"
