"""C-03 to C-05: the read-only copy, the isolated PostgreSQL, the restore and the search of the copy."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Literal

import msgspec
from psycopg import sql

from console.engine.analyzing import gather_statistics
from console.engine.dump_copying import (
    contents,
    copy_dump_file,
    keep_beside,
    require_extensions,
    with_moved_sequences,
)
from console.engine.durability import make_durable
from console.engine.isolating import keep_isolation
from console.engine.keeping_place import require_place
from console.engine.long_steps import DumpProgress, WatchedRestore, read_copying
from console.engine.preflight import require_free
from console.engine.rehearsal import UIDS_NOTE, Rehearsal
from console.engine.restore_errors import GRANTEES_NOTE, judged_errors, unknown_grantees
from console.engine.sampling import (
    give_mask_keys,
    lists_around_rows,
    load_sample,
    look_at_loaded,
    plan_sampling,
    require_parents,
    send_sample,
)
from console.engine.witnessing import Mark, leave_mark
from console.environments.cluster import folder_identity
from console.environments.environment import OWNER_SECRET
from console.environments.owner import make_folder
from console.environments.restoring import Parts, with_foreign_keys_last
from console.errors import StepFailed
from console.model.facts import (
    Identifier,
    Restore,
    SourceIdentity,
    SourceQuery,
    SourceReading,
)
from console.model.text import one_line
from console.model.trace import ServerLine
from console.plans.reusing import relations_of
from console.secrets import scram_verifier
from console.sources.archive import dump_bytes, dump_sha256
from console.sources.connection import ConnectionSource
from console.sources.dump_file import DumpFileSource
from console.sources.source import Look, Snapshot
from console.sql import load, shipped_sha256
from console.sql import run as run_sql
from console.witness.beside import read_beside
from console.witness.beyond import read_owned_elsewhere
from console.witness.catalogue import read_grantees, read_manifest, read_privileges, read_sequences
from console.witness.counting import SecondSession
from console.witness.reads import is_pure_read
from console.witness.searched_copy import Declared, declared_settings, search, sentences
from console.witness.server_log import sessions_ended

LOG_PATIENCE_S = 30.0
LARGE_DUMP_BYTES = 16 << 20
"""From here on statistics are gathered before foreign keys are checked; below that it costs more than it saves."""
_LOG_POLL_S = 0.005
_WORDS_CHARS = 600

OUTSIDE_LOG = "-c log_statement=none"
"""Options of engine sessions that send verifiers: a superuser may keep them out of the server's log."""


def copy_source(run: Rehearsal) -> None:
    """C-03: the read-only copy, from a server in one exported snapshot or from a dump file."""
    source = run.the_source()
    if isinstance(source, DumpFileSource):
        copy_dump_file(run, source)
    else:
        _copy_server(run, source)


def _copy_server(run: Rehearsal, source: ConnectionSource) -> None:
    """One exported snapshot for identity, manifest, privileges and the dump."""
    recorder = run.recorder
    staged_before = _staging_names(run)
    give_mask_keys(run, source)
    with source.snapshot() as (connection, snapshot):
        _require_room(run, snapshot)
        run.source_bytes = snapshot.database_bytes
        [(read_only, isolation)] = run_sql(connection, "source/session_mode")
        require_the_configured_one(run, source.look_within(connection))
        manifest = read_manifest(connection, source.second_session(snapshot))
        require_extensions(run, manifest)
        privileges = read_privileges(
            connection, roles=sorted(run.loaded.privileges.roles), relations=relations_of(run.loaded),
            schema=run.loaded.pack.schema, database=run.database,
        )  # fmt: skip
        if run.plan.kind == "migration":
            elsewhere = read_owned_elsewhere(connection, run.loaded.pack.owner)
            recorder.fact("owned.elsewhere", elsewhere, source="owners and privileges in the dump's snapshot")
            keep_beside(run, read_beside(connection, run.loaded.pack.owner), source="the dump's snapshot")
        recorder.note(GRANTEES_NOTE, read_grantees(connection))
        sampling = run.sampling = plan_sampling(run, connection, manifest)
        followed = run.config.sample.follow
        orphans = require_parents(connection, sampling, followed=followed) if sampling else {}
        kind = _open_dump(run, source.dump_kind(snapshot))
        dumped = run.dumped = source.dump(
            snapshot, run.places.dump, receipts=recorder, abort=recorder,
            progress=DumpProgress(
                recorder, sampling.dumped(manifest) if sampling else manifest.rows, partial(read_copying, connection)
            ),
            leave_out=sampling.leave_out if sampling else (),
        )  # fmt: skip
        if kind == "file":
            recorder.identified("file", str(run.places.dump), folder_identity(run.places.dump))
        if not dumped.returncode:
            manifest = with_moved_sequences(run, manifest, read_sequences(connection))
            if sampling:
                manifest = send_sample(
                    run, connection, sampling, manifest, orphans=orphans, listing=_whole_contents(run)
                )
    recorder.note(
        "dump", {"sha256": dumped.sha256, "size_bytes": dumped.size_bytes, "path": str(run.places.dump)}
    )
    told = next(word for word in dumped.arguments if word.startswith("--snapshot="))
    reading = SourceReading(
        read_only=read_only,
        isolation=isolation,
        snapshot=snapshot.name,
        dump_snapshot=told.removeprefix("--snapshot="),
        dump_exit_code=dumped.returncode,
        queries={name: SourceQuery(sent_sha256=sent, shipped_sha256=shipped_sha256(name))
                 for name, sent in sorted(run.source_queries.items())},
        not_reads=tuple(name for name in sorted(run.source_queries) if not is_pure_read(load(name).text)),
        staged=tuple(sorted(_staging_names(run) - staged_before)),
    )  # fmt: skip
    recorder.fact("source.reading", reading, source="the engine's own session on the source; pg_dump")
    recorder.fact("manifest.source", manifest, source="the catalogue and exact counts in the dump's snapshot")
    recorder.fact("privileges.source", privileges, source="aclexplode in the dump's snapshot")
    if dumped.returncode:
        words = one_line(dumped.words, limit_chars=_WORDS_CHARS)
        raise StepFailed(f"pg_dump ended with {dumped.returncode}: {words}", cause="source", gate="G-05")


def _open_dump(run: Rehearsal, kind: Literal["file", "folder"]) -> str:
    """Open the dump's receipt; a folder is made here, so that it is known before anything lies in it."""
    path = run.places.dump
    run.recorder.opening(kind, str(path))
    if kind == "folder":
        make_folder(path)
        run.recorder.identified(kind, str(path), folder_identity(path))
    return kind


def _require_room(run: Rehearsal, snapshot: Snapshot) -> None:
    """The size is known only now that the operator let us look: G-01's second half."""
    require_free(run, snapshot.database_bytes, what="the source")
    if run.plan.copy == "kept":
        require_place(run, needed_bytes=snapshot.database_bytes)
    major = snapshot.server_version_num // 10_000
    if major != run.programs.major:
        raise StepFailed(
            f"the source is PostgreSQL {major} and the environment {run.programs.major}; "
            f"set [environment] major = {major}",
            cause="environment",
        )


def require_the_configured_one(run: Rehearsal, look: Look) -> None:
    """Record who the source is; nothing of another server than the configured one is copied."""
    found = SourceIdentity(
        system_identifier=look.system_identifier, started_at=look.started_at, read_only=look.read_only
    )
    configured = Identifier(system_identifier=run.config.source.system_identifier)
    run.recorder.fact("source.before", found, source="pg_control_system(), pg_postmaster_start_time()")
    run.recorder.fact("source.configured", configured, source="the plan file")
    if configured.system_identifier not in ("", found.system_identifier):
        raise StepFailed(
            f"the source has system_identifier {found.system_identifier}, "
            f"the plan expects {configured.system_identifier}",
            cause="source", gate="G-06",
        )  # fmt: skip


def _staging_names(run: Rehearsal) -> set[str]:
    """Return what lies inside the source under no name of the server's own, where that can be seen."""
    source = run.living_source()
    return source.staging_names() if source is not None else set()


def provision(run: Rehearsal) -> None:
    """C-04: the empty cluster, and its identity compared with the source's before anything is written."""
    environment = run.the_environment()
    known = run.recorder.state.notes.get(UIDS_NOTE, {})
    run.recorder.note(UIDS_NOTE, {**known, **environment.made_up_users()})
    environment.provision(much=is_large(run), dump=run.places.dump)
    run.server = environment.server_log()
    created = environment.system_identifier
    run.recorder.fact("copy.created", Identifier(system_identifier=created), source="pg_control")
    before = run.recorder.state.facts.get("source.before")
    if before is not None and before["system_identifier"] == created:
        reason = f"the copy has the source's own system_identifier {created}; nothing may be written"
        raise StepFailed(reason, cause="environment", gate="G-10")
    keep_isolation(run, "isolation")


def _whole_contents(run: Rehearsal) -> str:
    """Return the archive's table of contents; one that was cut off has none."""
    listing = contents(run)
    if listing is None:
        reason = "pg_restore cannot read the archive's table of contents: it was cut off"
        raise StepFailed(reason, cause="source", gate="G-08")
    return listing


def restore(run: Rehearsal) -> None:
    """C-05: the dump restored by its owner, every error of the server's log kept, then the search."""
    environment, pack = run.the_environment(), run.loaded.pack
    assert run.dumped is not None and run.server is not None
    kind, listing = run.dumped.kind, _whole_contents(run)
    loaded: dict[str, str] = {}
    _make_owner_and_database(run)
    run.server.read()
    restored_sha256 = dump_sha256(run.places.dump, run.recorder)
    lines: list[ServerLine] = []
    with ExitStack() as looking:
        session = looking.enter_context(environment.connect(options=OUTSIDE_LOG))
        watched = WatchedRestore(run.recorder, session, run.database, source_bytes=run.source_bytes)

        def settle() -> None:
            looking.close()
            lines.extend(_log_of_restore(run))
            make_durable(run)

        done = environment.restore(
            run.places.dump, kind=kind, database=run.database, owner=pack.owner, abort=watched, meanwhile=settle,
            timeout_s=run.config.limits.step_timeout_s, parts=_parts(run, listing, loaded),
        )  # fmt: skip
    run.the_trace().append(lines, origin="server")
    errors = ((line.sqlstate, line.message) for line in lines if line.kind == "error")
    fact = Restore(
        tool="psql" if kind == "plain" else "pg_restore", exit_code=done.returncode, trailer=True,
        streamed_sha256=run.dumped.sha256, restored_sha256=restored_sha256,
        log_lines=len(lines), errors=judged_errors(run, errors), unknown_grantees=unknown_grantees(run),
    )  # fmt: skip
    run.recorder.fact("restore", fact, source="the server's log; the restoring client; the dump's bytes")
    if done.stderr.strip():
        run.recorder.note("restore.words", done.stderr[-2000:], origin="tool")
    with environment.connect(run.database) as connection:
        manifest = read_manifest(connection, _second_session(run))
    if run.sampling:
        manifest = run.sampling.counted(manifest)
        look_at_loaded(run, run.sampling, loaded)
    run.recorder.fact("manifest.copy", manifest, source="the copy's catalogue and exact counts")
    search_copy(run)


def is_large(run: Rehearsal) -> bool:
    """Tell whether there is so much to restore that it is worth preparing for."""
    files = (run.places.dump, *(run.sampling.files.values() if run.sampling else ()))
    return sum(dump_bytes(path) for path in files) >= LARGE_DUMP_BYTES


def _second_session(run: Rehearsal) -> SecondSession | None:
    """Return how a second session to the copy is had; in a container it would be one program more."""
    environment = run.the_environment()
    if environment.kind != "embedded":
        return None
    return SecondSession(open=partial(environment.connect, run.database))


def _parts(run: Rehearsal, listing: str, loaded: dict[str, str]) -> Parts | None:
    """Return the parts of an archive: rows that pg_dump did not read go before its keys and indexes.

    `loaded` gains the hash of what was loaded of each table. A small archive is restored at once.
    """
    lists: tuple[str, ...] = ()
    between: list[Callable[[], object]] = []
    if run.sampling:
        sampling = run.sampling
        before, listing = lists_around_rows(run, listing)
        lists = (before,)
        between.append(lambda: loaded.update(load_sample(run, sampling)))

    large = is_large(run)
    last = with_foreign_keys_last(listing) if large else ()
    if last:
        between.append(lambda: gather_statistics(partial(run.the_environment().connect, run.database)))
    elif run.sampling:
        last = (listing,)
    steps = iter(between)

    def next_step() -> None:
        next(steps)()

    return Parts(lists=(*lists, *last), between=next_step) if last else None


def _log_of_restore(run: Rehearsal) -> tuple[ServerLine, ...]:
    """Return the log's lines up to the end of each session of the restoring client.

    The client has ended: all its sessions began before a mark that is left now, and none is overlooked.
    """
    assert run.server is not None
    with run.the_environment().connect(run.database) as connection:
        mark = leave_mark(connection)
    lines: list[ServerLine] = []
    deadline = time.monotonic() + LOG_PATIENCE_S
    while True:
        lines += run.server.read().lines
        if restore_is_over(lines, mark, owner=run.loaded.pack.owner):
            return tuple(line for line in lines if line.pid != mark.pid)
        if time.monotonic() > deadline:
            raise StepFailed("the server's log shows no end of the restore", cause="environment", gate="G-08")
        time.sleep(_LOG_POLL_S)


def restore_is_over(lines: Sequence[ServerLine], mark: Mark, *, owner: str) -> bool:
    """Tell whether the log shows the end of every session of the client, which had ended before the mark."""
    theirs = [line for line in lines if line.user == owner]
    sessions = {line.pid for line in theirs if line.kind == "connection"}
    return mark.is_in(lines) and bool(sessions) and sessions_ended(theirs, sessions)


def _make_owner_and_database(run: Rehearsal) -> None:
    owner = sql.Identifier(run.loaded.pack.owner)
    verifier = sql.Literal(scram_verifier(run.registry.value(OWNER_SECRET)))
    with run.the_environment().connect(options=OUTSIDE_LOG) as connection:
        run_sql(connection, "environment/create_owner", parts={"role": owner, "verifier": verifier})
        run_sql(
            connection, "environment/create_database",
            parts={"database": sql.Identifier(run.database), "owner": owner},
        )  # fmt: skip


def search_copy(run: Rehearsal) -> None:
    """Between restore and our own DDL: nothing in the copy may act on what comes next."""
    words = run.config.search
    declared = Declared(
        roles=frozenset({run.loaded.pack.owner, run.the_environment().superuser, *words.roles}),
        settings=frozenset(words.settings) | declared_settings(run.loaded.privileges, run.database),
        functions=frozenset(words.security_definer),
        rules=frozenset(words.rules),
    )
    with run.the_environment().connect(run.database) as connection:
        findings = search(connection, declared)
    run.recorder.note("searched_copy", msgspec.to_builtins(findings), origin="server")
    stops = sentences((*findings.stops, *findings.needs_word))
    if stops:
        raise StepFailed(
            "the search of the copy found " + "; ".join(stops[:5])
            + ("" if len(stops) <= 5 else f"; and {len(stops) - 5} more")
            + ": remove it from the source or give the plan's word in [search]",
            cause="source",
        )  # fmt: skip
