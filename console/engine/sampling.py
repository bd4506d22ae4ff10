"""A copy that is not the whole source: what C-03 sends beside pg_dump's archive, and what C-05 loads of it.

Rows of tables that are masked or not taken whole are read by COPY in the dump's own snapshot; a fake is made by the
source's server, so that no masked value comes to this machine. No value ever stands in a message from here.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec
import psycopg
from psycopg import sql

from console.engine.rehearsal import Rehearsal
from console.engine.sampled import Sampling
from console.environments.cluster import folder_identity
from console.environments.process import run_program
from console.errors import SecretUnavailable, StepFailed
from console.model.catalogue import Manifest
from console.model.sample_facts import (
    LoadedColumn,
    LoadedTable,
    MadeColumn,
    PlannedTable,
    SampleLoaded,
    SamplePlanned,
    SampleSent,
    SentTable,
)
from console.model.sample_words import SAMPLE_NOTE
from console.model.text import one_line
from console.secret_store import resolve
from console.secrets import destroy_file
from console.sources.connection import ConnectionSource
from console.sql import copying, pinned, prepare
from console.sql import run as run_sql
from console.witness.masks import MASK_KEY, fakes_of, mask_keys, session_options
from console.witness.sampling import ForeignKey, TakenRows, Taking, orphans_of, read_source_tables, takings

GATE = "G-26"
_MOST_ARGUMENT_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 18
_TELL_EVERY_S = 1.0
_TABLE_DATA = re.compile(r"\d+; \d+ (\d+) TABLE DATA ")
_LARGE_OBJECT = re.compile(r"\d+; \d+ \d+ BLOB")


def learn_mask_key(run: Rehearsal) -> str:
    """Return the key's own text, known to the registry, "" for a key of this run alone.

    Raises StepFailed (environment) when the named secret cannot be had.
    """
    named = run.config.mask.secret
    if not named or not run.config.mask.columns:
        return ""
    if MASK_KEY not in run.registry.values():
        try:
            run.registry.learn(MASK_KEY, resolve(named))
        except SecretUnavailable as wrong:
            raise StepFailed(str(wrong), cause="environment") from wrong
    return run.registry.value(MASK_KEY)


def give_mask_keys(run: Rehearsal, source: ConnectionSource) -> None:
    """Let the snapshot's session be started with the keys of the masks, known to the registry before that."""
    if not run.config.mask.columns:
        return
    keys = mask_keys(learn_mask_key(run))
    for name, value in keys.items():
        run.registry.learn(name, value)
    source.snapshot_options = session_options(keys)


def plan_sampling(run: Rehearsal, connection: psycopg.Connection[Any], manifest: Manifest) -> Sampling | None:
    """Return what is taken, None where it is everything; recorded, and judged against the source's catalogue.

    Raises StepFailed (source): a name that is not there, a mask that cannot be, and rows whose parents are not taken.
    """
    if run.config.takes_all:
        return None
    with pinned(connection):
        tables = read_source_tables(connection)
        [(encoding,)] = run_sql(connection, "sample/encoding")
    found = takings(tables, run.config.sample, run.config.mask)
    named = sorted(name for name, one in found.items() if one.by_copy)
    files = {name: run.places.work / f"taken-{number}.copy" for number, name in enumerate(named)}
    sampling = Sampling(
        tables=tables, takings=found, files=files, encoding=encoding, major=run.programs.major
    )
    if sum(len(word.encode()) for word in sampling.leave_out) > _MOST_ARGUMENT_BYTES:
        reason = (
            f"pg_dump takes no more than {_MOST_ARGUMENT_BYTES} bytes of names: too many tables are left out"
        )
        raise StepFailed(reason, cause="source")
    planned = SamplePlanned(
        tables={
            name: PlannedTable(
                mode=one.mode, where=one.where, masked={column: mask.sort for column, mask in one.masks.items()}
            )
            for name, one in found.items()
        }
    )  # fmt: skip
    run.recorder.fact("sample.planned", planned, source="the plan file; the source's catalogue")
    _note(run, sampling, manifest.rows, {})
    return sampling


def require_parents(
    connection: psycopg.Connection[Any], sampling: Sampling, *, followed: bool
) -> dict[str, int]:
    """Return the rows without a parent by foreign key (each 0). Raises StepFailed that says which, and how many."""

    def ask(key: ForeignKey, places: Mapping[str, sql.Composable]) -> int:
        what = f"the look for rows of {key.child} without a parent"
        with _without_values(what, at="source"), pinned(connection):
            run_sql(connection, "sample/pin_output")
            [(orphans,)] = run_sql(connection, "sample/orphans", parts=places)
        return int(orphans)

    orphans = orphans_of(sampling.tables, sampling.takings, ask)
    words = [f"{count} rows of {name}" for name, count in orphans.items() if count]
    if words:
        more = f"; and {len(words) - 5} more" if len(words) > 5 else ""
        other = "take them out of [sample] tables" if followed else "set [sample] follow = true"
        raise StepFailed(
            "the sample takes rows whose parents it does not take: " + "; ".join(words[:5]) + more
            + f": take the parents too, write a where for these tables, or {other}",
            cause="source", gate=GATE,
        )  # fmt: skip
    return orphans


def send_sample(
    run: Rehearsal, connection: psycopg.Connection[Any], sampling: Sampling, manifest: Manifest, *,
    orphans: dict[str, int], listing: str,
) -> Manifest:  # fmt: skip
    """Fetch what pg_dump did not read, in the same snapshot; return what the copy must contain."""
    heirs = sampling.heirs
    own = {name: _own_rows(connection, sampling, name) for name in heirs}
    there = {**sampling.counted(manifest).rows, **own}
    sent = {name: _sent(run, connection, sampling, name, there=there.get(name, 0)) for name in sampling.files}
    taken = {
        name: sent[name].rows if name in sent else 0 if one.mode == "none" else there.get(name, 0)
        for name, one in sampling.takings.items()
    }
    names = {oid: name for name, oid in sampling.tables.oids.items()}
    fact = SampleSent(
        there={name: there.get(name, 0) for name in sampling.takings}, taken=taken, sent=sent, orphans=orphans,
        dumped=tuple(sorted(names.get(oid, f"with oid {oid}") for oid in _found(_TABLE_DATA, listing))),
        large_objects=len(_found(_LARGE_OBJECT, listing)),
    )  # fmt: skip
    run.recorder.fact("sample.sent", fact, source="COPY and counts in the dump's snapshot; pg_dump's archive")
    _note(run, sampling, there, taken)
    rows = {name: taken[name] + sum(taken[heir] for heir in heirs.get(name, ())) for name in taken}
    return msgspec.structs.replace(manifest, rows=rows)


def _own_rows(connection: psycopg.Connection[Any], sampling: Sampling, name: str) -> int:
    """Return the rows of one table alone; a manifest counts those of its heirs as well."""
    table = sql.Identifier(*sampling.tables.parts[name])
    with pinned(connection):
        [(rows,)] = run_sql(connection, "sample/count_own", parts={"table": table})
    return int(rows)


def _found(wanted: re.Pattern[str], listing: str) -> list[str]:
    return [
        entry[1] if wanted.groups else entry[0]
        for line in listing.split("\n")
        if (entry := wanted.match(line))
    ]


def _sent(
    run: Rehearsal, connection: psycopg.Connection[Any], sampling: Sampling, name: str, *, there: int
) -> SentTable:
    one, path = sampling.takings[name], sampling.files[name]
    parts: dict[str, sql.Composable] = {"taken_rows": TakenRows(sampling.tables, sampling.takings).of(name)}
    columns = [sql.Identifier("fake" if column in one.masks else "taken", column) for column in one.columns]
    file = "sample/copy_rows"
    if one.masks:
        file, parts["fake_rows"] = "sample/copy_masked", fakes_of(one.masks)
    prepared = prepare(file, {**parts, "columns": sql.SQL(", ").join(columns)})
    run.recorder.opening("file", str(path))
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    total, rows, told_at = hashlib.sha256(), 0, time.monotonic()
    with _without_values(f"the rows of {name}", at="source"), pinned(connection):
        run_sql(connection, "sample/pin_output")
        with os.fdopen(os.open(path, flags, 0o600), "wb") as written, copying(connection, prepared) as stream:
            run.recorder.identified("file", str(path), folder_identity(path))
            for piece in stream:
                data = bytes(piece)
                written.write(data)
                total.update(data)
                rows += data.count(b"\n")  # COPY's text format writes one a row, and no other
                run.recorder.raise_if_requested()
                if time.monotonic() - told_at >= _TELL_EVERY_S:
                    run.recorder.progress("C-03", done=rows, total=there, unit="rows")
                    told_at = time.monotonic()
        made = {column: _made(connection, one, column, parts["taken_rows"]) for column in one.masks}
    return SentTable(where=one.where, rows=rows, sha256=total.hexdigest(), masked=made)


def _made(connection: psycopg.Connection[Any], one: Taking, column: str, rows: sql.Composable) -> MadeColumn:
    mask = one.masks[column]
    parts = {"column": sql.Identifier(column), "taken_rows": rows, "fake_rows": fakes_of({column: mask})}
    [(values, unchanged, digest)] = run_sql(connection, mask.check, parts=parts)
    return MadeColumn(sort=mask.sort, values=values, unchanged=unchanged, digest=digest)


@contextmanager
def _without_values(what: str, *, at: str) -> Iterator[None]:
    """Turn a server's refusal into a sentence that holds none of its values.

    Its own words may hold one in any class of errors (a value taken for a name, a RAISE of a function's): what the
    protocol tells apart is told, the names of table, column and constraint. An error with a place in the statement is
    one of its grammar and names, found before any row was read.
    """
    try:
        yield
    except UnicodeEncodeError:
        reason = f"{what}: the {at}'s encoding does not have a character of the plan's words"
        raise StepFailed(reason, cause="source", gate=GATE) from None
    except psycopg.Error as wrong:
        state = wrong.sqlstate or ""
        told = f"SQLSTATE {state}" if state else "the connection was lost"
        names = (wrong.diag.table_name, wrong.diag.column_name, wrong.diag.constraint_name)
        about = ", ".join(name for name in names if name)
        if state[:2] == "42" and wrong.diag.statement_position:
            about = wrong.diag.message_primary or about
        reason = f"{what}: the {at} refuses ({told}){': ' if about else ''}{about}"
        raise StepFailed(one_line(reason, limit_chars=500), cause="source", gate=GATE) from None


def lists_around_rows(run: Rehearsal, listing: str) -> tuple[str, str]:
    """Return the archive's table of contents up to its rows, and after them, as lists for pg_restore.

    pg_restore itself says which is which: it knows every sort of entry.
    """
    program = run.programs.path("pg_restore")
    before = run_program(
        [program, "--list", "--section=pre-data", "--section=data", str(run.places.dump)],
        name="pg_restore --list of sections", scratch=run.places.scratch, receipts=run.recorder, abort=run.recorder,
    )  # fmt: skip
    first = [line for line in before.stdout.decode("utf-8", "replace").split("\n") if line[:1].isdigit()]
    known = {line.partition(";")[0] for line in first}
    rest = [
        line for line in listing.split("\n") if line[:1].isdigit() and line.partition(";")[0] not in known
    ]
    if before.returncode or not first:
        reason = "pg_restore cannot read the sections of the archive"
        raise StepFailed(reason, cause="environment", gate="G-08")
    return "\n".join(first) + "\n", "\n".join(rest) + "\n"


def load_sample(run: Rehearsal, sampling: Sampling) -> dict[str, str]:
    """Load what was sent, as the copy's owner, before keys and indexes are there; return its hash by table.

    What was loaded is destroyed at once, as the dump is.
    """
    hashes: dict[str, str] = {}
    with run.the_environment().connect_as_owner(run.database, run.loaded.pack.owner) as connection:
        run_sql(connection, "sample/set_encoding", {"encoding": sampling.encoding})
        for name, path in sampling.files.items():
            columns = [sql.Identifier(column) for column in sampling.takings[name].columns]
            parts = {
                "table": sql.Identifier(*sampling.tables.parts[name]), "columns": sql.SQL(", ").join(columns),
            }  # fmt: skip
            total = hashlib.sha256()
            with _without_values(f"what was taken of {name}", at="copy"), pinned(connection):
                run_sql(connection, "sample/pin_output")
                with path.open("rb") as taken, copying(connection, prepare("sample/load", parts)) as stream:
                    while piece := taken.read(_CHUNK_BYTES):
                        run.recorder.raise_if_requested()
                        total.update(piece)
                        stream.write(piece)
            hashes[name] = total.hexdigest()
            identity = folder_identity(path)
            destroy_file(path)
            run.recorder.closed("file", str(path), identity=identity, how="overwritten and removed")
    return hashes


def look_at_loaded(run: Rehearsal, sampling: Sampling, hashes: Mapping[str, str]) -> None:
    """Record what stands in the copy's loaded tables: rows, and the sum over each masked column."""
    with run.the_environment().connect(run.database) as connection, pinned(connection):
        run_sql(connection, "sample/pin_output")
        tables = {
            name: LoadedTable(
                rows=_own_rows(connection, sampling, name), sha256=hashes[name],
                masked={column: _loaded(connection, sampling, name, column) for column in sampling.takings[name].masks},
            )
            for name in sampling.files if name in hashes
        }  # fmt: skip
    run.recorder.fact("sample.loaded", SampleLoaded(tables=tables), source="the copy's own counts and sums")


def _loaded(connection: psycopg.Connection[Any], sampling: Sampling, name: str, column: str) -> LoadedColumn:
    table = sql.Identifier(*sampling.tables.parts[name])
    parts = {"table": table, "column": sql.Identifier(column)}
    [(values, digest)] = run_sql(connection, "sample/copied", parts=parts)
    return LoadedColumn(values=values, digest=digest)


def _note(run: Rehearsal, sampling: Sampling, there: Mapping[str, int], taken: Mapping[str, int]) -> None:
    """Say for screens and reports what this copy is; the facts beside it are what is judged."""
    tables = {
        name: {
            "mode": one.mode, "where": one.where, "there": there.get(name, 0), "taken": taken.get(name),
            "masked": {column: f"{mask.sort} ({mask.type})" for column, mask in one.masks.items()},
        }
        for name, one in sampling.takings.items() if not one.by_pg_dump
    }  # fmt: skip
    value = {
        "tables": len(sampling.takings),
        "whole": sum(one.mode == "whole" for one in sampling.takings.values()),
        "key": "of this run alone" if not run.config.mask.secret else f"the secret {run.config.mask.secret}",
        "other_than_whole": tables,
    }
    run.recorder.note(SAMPLE_NOTE, value)
