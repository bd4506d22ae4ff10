"""The template that the copy is made anew from: how it is kept, what is looked at, and what is read of it.

Owns the template from C-08 on. A look is cheap and taken often: the row, the ways in, sizes and times of the files. The
content is read twice, when it was made and when nothing is made from it any more, each time beside other work: what
writes past the change times (a mapped file in memory, a disk, a clock set back) shows there. Never judges.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from threading import Event

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
from console.environments.embedded import EmbeddedEnvironment
from console.environments.keeping import Folders
from console.errors import AbortRequested, StepFailed
from console.gates.checks_rewind import without_those_per_database
from console.model.protocols import Abort
from console.model.rewind_facts import Prepared, Template, TemplateContent
from console.model.text import one_line
from console.sql import EngineConnection
from console.sql import run as run_sql
from console.witness.catalogue import count_rows, read_sequences
from console.witness.effects import catalogue_digest

UNTOUCHED, CONTENT = "G-28", "G-31"
TEMPLATE_NOTE = "template"
QUIET_PATIENCE_S = 10.0
LOOKED_AT = "pg_database, pg_stat_database, pg_stat_file"
_POLL_S = 0.01
_PIECE_BYTES, _TOGETHER_BYTES = 16 << 20, 128 << 20
"""Of files that the server reads: a segment of 1 GB is more than one value can hold."""


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


@contextmanager
def content_read_beside(run: Rehearsal, fact: str) -> Iterator[None]:
    """Read every byte of the template while the block does something else, and record it when both are through.

    Raises AbortRequested when the end of the run is asked for, and StepFailed (environment, G-31) when a file cannot be
    read.
    """
    with run.the_environment().connect() as connection, ThreadPoolExecutor(1) as pool:
        folder, unless = _folder(connection, template_name(run)), _Unless(run.recorder)
        reading = pool.submit(_content, run, connection, folder, unless)
        try:
            yield
            while not wait([reading], timeout=_POLL_S).done:
                run.recorder.raise_if_requested()
        finally:
            unless.given_up.set()
        content = reading.result()
    run.recorder.fact(fact, content, source="every byte of the template's files")


class _Unless:
    """Stands where a reader asks whether to go on: not when the end was asked for, nor when nobody waits for it."""

    def __init__(self, abort: Abort) -> None:
        self._abort = abort
        self.given_up = Event()

    def raise_if_requested(self) -> None:
        """Raise AbortRequested when what is read is of no use any more."""
        self._abort.raise_if_requested()
        if self.given_up.is_set():
            raise AbortRequested("nobody waits for the template's content")


def _content(run: Rehearsal, connection: EngineConnection, folder: str, abort: Abort) -> TemplateContent:
    """Read the template's files where they are the engine's own to read, else let the server read them."""
    environment = run.the_environment()
    try:
        if isinstance(environment, EmbeddedEnvironment):
            found = Folders(abort, at_once=1).read(environment.cluster.data_folder / folder)
            return TemplateContent(files=len(found.files), size_bytes=found.size_bytes, sha256=found.sha256)
        return content_by_server(connection, folder, abort)
    except (OSError, psycopg.errors.IoError, psycopg.errors.UndefinedFile) as wrong:
        reason = f"the template's files cannot be read: {one_line(str(wrong), limit_chars=200)}"
        raise StepFailed(reason, cause="environment", gate=CONTENT) from wrong


def content_by_server(connection: EngineConnection, folder: str, abort: Abort) -> TemplateContent:
    """Return what the server itself reads of a database's folder, many small files in one statement."""
    total, size_bytes = hashlib.sha256(), 0
    found = run_sql(connection, "rewind/template_names", {"folder": folder})
    for names in _shares(found):
        abort.raise_if_requested()
        wanted = {"folder": folder, "names": names, "piece_bytes": _PIECE_BYTES}
        [(length, sha256)] = run_sql(connection, "rewind/files_content", wanted)
        total.update(f"{length} {sha256}\n".encode())
        size_bytes += length
    return TemplateContent(files=len(found), size_bytes=size_bytes, sha256=total.hexdigest())


def _shares(files: Iterable[tuple[str, int]]) -> Iterator[list[str]]:
    """Yield names, in their order, so that no statement reads much beyond what a second is enough for."""
    names, together_bytes = list[str](), 0
    for name, size_bytes in files:
        if names and together_bytes + size_bytes > _TOGETHER_BYTES:
            yield names
            names, together_bytes = [], 0
        names.append(name)
        together_bytes += size_bytes
    if names:
        yield names


def _folder(connection: EngineConnection, name: str) -> str:
    found = run_sql(connection, "rewind/template", {"template": name})
    if not found:
        raise StepFailed(f"the template {name} is gone", cause="subject", gate=UNTOUCHED)
    return f"base/{found[0][0]}"
