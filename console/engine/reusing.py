"""C-03 to C-05 of a run that takes a kept copy: its list, its files, and what is measured of it anew.

The kept files are read and hashed beside C-04 and C-05, on what was laid out of them: C-05 ends when they are found to
be what was kept. Owns nothing that it reads: the kept copy is held for so long, and never written. Reaches no source.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec
import psycopg
from psycopg import sql

from console.engine.copying import OUTSIDE_LOG, copy_source, provision, restore, search_copy
from console.engine.durability import make_durable
from console.engine.isolating import keep_isolation
from console.engine.keeping import CARRIED
from console.engine.keeping_place import require_place
from console.engine.preflight import require_free
from console.engine.rehearsal import UIDS_NOTE, Rehearsal
from console.engine.restore_errors import GRANTEES_NOTE, judged_errors, unknown_grantees
from console.engine.unrecorded import NO_ROOM
from console.environments.embedded import EmbeddedEnvironment
from console.environments.environment import OWNER_SECRET
from console.environments.keeping import Folders, differences
from console.environments.kept_reading import KeptReading
from console.errors import StepFailed
from console.gates.checks_kept import content_faults, taken_faults
from console.gates.sentences import first_few
from console.kept import DATA_FOLDER, KeptInUse, KeptList, in_use, now, read_kept, shown
from console.model.facts import Identifier, Restore
from console.model.kept_facts import KeptLaidOut, KeptTaken
from console.model.kept_words import TAKEN_NOTE
from console.plans.reusing import fits_of
from console.secrets import scram_verifier
from console.sql import run as run_sql
from console.witness.catalogue import read_manifest
from console.witness.counting import SecondSession

GATE = "G-30"
_MODE = 0o777
_MOST_NAMED = 20
_STUMBLES = (StepFailed, psycopg.Error, OSError, ValueError, LookupError)
"""What is raised over files that are missing, or torn; an abort is none of it."""


def copy_or_take(run: Rehearsal) -> None:
    """C-03: the read-only copy; or the kept one's list, where the plan takes that."""
    if run.plan.copy == "reused":
        _take(run)
        return
    if run.plan.copy == "kept":
        require_place(run, needed_bytes=1)
    copy_source(run)


def provision_or_lay_out(run: Rehearsal) -> None:
    """C-04: the empty cluster; or one that is the kept copy, with an identity and passwords of its own."""
    if run.plan.copy == "reused":
        with _judged_by_content(run):
            _lay_out(run)
    else:
        provision(run)


def restore_or_count(run: Rehearsal) -> None:
    """C-05: the restore; or what the kept copy is found to be now. Both are searched."""
    if run.plan.copy == "reused":
        with _judged_by_content(run):
            _count(run)
        _require_content(run)
    else:
        restore(run)


def _approved(run: Rehearsal) -> tuple[KeptList, str]:
    """Return the list of the copy that was approved, as long as it may be laid out, and the sha256 that was found.

    Raises StepFailed (environment, G-30) when it is not there, is another one, or is over.
    """
    assert run.order.kept is not None
    found = read_kept(Path(run.order.kept.folder))
    if found.listed is None:
        reason = f"the kept copy {found.path} cannot be taken: {found.broken}"
        raise StepFailed(reason, cause="environment", gate=GATE)
    if found.list_sha256 != run.order.kept.sha256:
        reason = f"the list of the kept copy {found.path} is not the approved one any more"
        raise StepFailed(reason, cause="environment", gate=GATE)
    if found.is_over(now()):
        raise StepFailed(
            f"the kept copy expired at {shown(found.listed.until)}", cause="environment", gate=GATE
        )
    return found.listed, found.list_sha256


def _take(run: Rehearsal) -> None:
    assert run.order.kept is not None
    path = Path(run.order.kept.folder)
    listed, list_sha256 = _approved(run)
    run.kept = listed
    found, wanted = (
        path.lstat(),
        fits_of(run.config, run.loaded, programs=run.programs.version, root=str(run.programs.root)),
    )
    taken = KeptTaken(
        folder=str(path), mode=found.st_mode & _MODE, owner_uid=found.st_uid, runner_uid=os.geteuid(),
        run=listed.run, read_at=listed.read_at, until=listed.until, taken_at=now(), fits=listed.fits,
        wanted=wanted, sha256=listed.sha256, list_sha256=list_sha256,
        approved_sha256=run.order.kept.sha256, files=len(listed.files),
        size_bytes=listed.size_bytes, source_identifier=listed.source_identifier,
        configured=run.config.source.system_identifier, kept_identifier=listed.system_identifier,
    )  # fmt: skip
    run.recorder.fact("kept.taken", taken, source=f"the list of the copy that run {listed.run} kept")
    if faults := taken_faults(taken):
        raise StepFailed(first_few(faults), cause="environment", gate=GATE)
    if missing := [name for name in CARRIED if name not in listed.facts]:
        raise StepFailed(f"the kept copy's list has no {missing[0]}", cause="environment", gate=GATE)
    require_free(run, listed.size_bytes, what="the kept copy")
    run.recorder.note(GRANTEES_NOTE, listed.grantees)
    told_by = f"run {listed.run}, which kept this copy, at {listed.read_at}"
    run.recorder.fact("manifest.source", listed.facts["manifest.source"], source=told_by)
    run.recorder.fact("privileges.source", listed.facts["privileges.source"], source=told_by)


def _lay_out(run: Rehearsal) -> None:
    """Copy the kept files, and let them be read while a server starts on what was copied."""
    assert run.order.kept is not None
    environment, recorder = run.the_environment(), run.recorder
    listed, _sha256 = _approved(run)
    assert isinstance(environment, EmbeddedEnvironment)
    known = recorder.state.notes.get(UIDS_NOTE, {})
    recorder.note(UIDS_NOTE, {**known, **environment.made_up_users()})
    kept, took_ms = Path(run.order.kept.folder), 0

    def fill(data: Path) -> None:
        nonlocal took_ms
        began = time.monotonic()
        with contextlib.ExitStack() as held:
            held.enter_context(_held(kept))
            laid_out = Folders(recorder).laid_out(kept / DATA_FOLDER, data, uid=environment.uid)
            run.kept_reading = KeptReading(kept / DATA_FOLDER, laid_out, abort=recorder, held=held.pop_all())
        took_ms = int((time.monotonic() - began) * 1000)

    environment.provision_kept(fill)
    assert run.kept_reading is not None
    made = run.kept_reading.laid_out
    run.server = environment.server_log()
    created = environment.system_identifier
    recorder.fact("copy.created", Identifier(system_identifier=created), source="pg_control")
    if created in (listed.source_identifier, listed.system_identifier):
        reason = f"the copy has the system_identifier {created} of another server; nothing may be written"
        raise StepFailed(reason, cause="environment", gate="G-10")
    told = {
        "run": listed.run, "read_at": listed.read_at, "until": shown(listed.until), "shared": made.shared,
        "size_bytes": made.size_bytes, "took_ms": took_ms,
    }  # fmt: skip
    recorder.note(TAKEN_NOTE, told)
    keep_isolation(run, "isolation")


@contextlib.contextmanager
def _held(kept: Path) -> Iterator[None]:
    try:
        with in_use(kept):
            yield
    except (KeptInUse, FileNotFoundError) as gone:
        raise StepFailed(f"the kept copy is being removed: {gone}", cause="environment", gate=GATE) from gone
    except OSError as wrong:
        if wrong.errno in NO_ROOM:
            raise
        raise StepFailed(
            f"the kept copy cannot be copied: {wrong}", cause="environment", gate=GATE
        ) from wrong
    except StepFailed as other:
        raise StepFailed(other.reason, cause=other.cause, gate=other.gate or GATE) from other


@contextlib.contextmanager
def _judged_by_content(run: Rehearsal) -> Iterator[None]:
    """Do the block on a copy whose content is not known yet: what fails in it may be due to that, and is told so.

    Raises StepFailed (environment, G-30) then in the place of what the block raised.
    """
    try:
        yield
    except _STUMBLES as stumbled:
        if run.kept_reading is not None:
            _require_content(run, cause=stumbled)
        raise


def _require_content(run: Rehearsal, *, cause: Exception | None = None) -> None:
    """Record what the kept files are. Raises StepFailed (environment, G-30) when they are not what was kept."""
    reading, listed, recorder = run.kept_reading, run.kept, run.recorder
    assert reading is not None
    assert listed is not None
    try:
        found, written = reading.result()
    except OSError as wrong:
        raise StepFailed(f"the kept copy cannot be read: {wrong}", cause="environment", gate=GATE) from wrong
    fact = KeptLaidOut(
        files=len(reading.laid_out.files), size_bytes=reading.laid_out.size_bytes, sha256=found.sha256,
        differences=(*differences(listed.files, found.files), *written)[:_MOST_NAMED],
    )  # fmt: skip
    recorder.fact("kept.laid_out", fact, source="each kept file's bytes, read after it was copied")
    taken = msgspec.convert(recorder.state.facts["kept.taken"], KeptTaken)
    if faults := content_faults(taken, fact):
        raise StepFailed(first_few(faults), cause="environment", gate=GATE) from cause


def _count(run: Rehearsal) -> None:
    """Measure the copy anew; of the restore stands what the run that made it recorded, allowed by this run's pack.

    Its bytes are this run's own: the kept one is read meanwhile, or was and may be gone.
    """
    environment, listed = run.the_environment(), run.kept
    assert run.server is not None and listed is not None
    owner = sql.Identifier(run.loaded.pack.owner)
    verifier = sql.Literal(scram_verifier(run.registry.value(OWNER_SECRET)))
    with environment.connect(options=OUTSIDE_LOG) as connection:
        parts = {"role": owner, "verifier": verifier}
        run_sql(connection, "environment/set_verifier", parts=parts)
    run.server.read()
    told = msgspec.convert(listed.facts["restore"], Restore)
    errors = judged_errors(run, ((one.sqlstate, one.object) for one in told.errors))
    fact = msgspec.structs.replace(told, errors=errors, unknown_grantees=unknown_grantees(run))
    run.recorder.fact("restore", fact, source=f"run {listed.run}, which restored and kept this copy")
    make_durable(run)
    with environment.connect(run.database) as connection:
        second = SecondSession(open=partial(environment.connect, run.database))
        manifest = read_manifest(connection, second)
    run.recorder.fact("manifest.copy", manifest, source="the copy's catalogue and exact counts")
    search_copy(run)
