"""C-03 to C-05 of a run that takes a kept copy: its list, its files, and what is measured of it anew.

Owns nothing that it reads: the kept copy is held while its files are read, and never written. Reaches no source.
"""

from __future__ import annotations

import contextlib
import os
import time
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from psycopg import sql

from console.engine.copying import OUTSIDE_LOG, copy_source, provision, restore, search_copy
from console.engine.durability import make_durable
from console.engine.isolating import keep_isolation
from console.engine.keeping import CARRIED
from console.engine.keeping_place import require_place
from console.engine.preflight import require_free
from console.engine.rehearsal import UIDS_NOTE, Rehearsal
from console.engine.restore_errors import GRANTEES_NOTE, judged_errors, unknown_grantees
from console.environments.embedded import EmbeddedEnvironment
from console.environments.environment import OWNER_SECRET
from console.environments.keeping import Folders, Listing, differences
from console.errors import StepFailed
from console.gates.checks_kept import taken_faults
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
        _lay_out(run)
    else:
        provision(run)


def restore_or_count(run: Rehearsal) -> None:
    """C-05: the restore; or what the kept copy is found to be now. Both are searched."""
    if run.plan.copy == "reused":
        _count(run)
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
    """Copy the kept files, each compared with the list as it is read, before a server starts on them."""
    assert run.order.kept is not None
    environment, recorder = run.the_environment(), run.recorder
    listed, _sha256 = _approved(run)
    assert isinstance(environment, EmbeddedEnvironment)
    known = recorder.state.notes.get(UIDS_NOTE, {})
    recorder.note(UIDS_NOTE, {**known, **environment.made_up_users()})
    kept, took_ms = Path(run.order.kept.folder), 0
    made: Listing | None = None

    def fill(data: Path) -> None:
        nonlocal made, took_ms
        began = time.monotonic()
        with _held(kept):
            made = Folders(recorder).laid_out(kept / DATA_FOLDER, data, uid=environment.uid)
        took_ms = int((time.monotonic() - began) * 1000)
        _record_content(run, listed, made)

    environment.provision_kept(fill)
    assert made is not None
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
def _held(kept: Path) -> Any:
    try:
        with in_use(kept):
            yield
    except (KeptInUse, FileNotFoundError) as gone:
        raise StepFailed(f"the kept copy is being removed: {gone}", cause="environment", gate=GATE) from gone


def _record_content(run: Rehearsal, listed: KeptList, made: Listing) -> None:
    """Record what was laid out. Raises StepFailed (environment, G-30) when that is not what was kept."""
    other = differences(listed.files, made.files)
    fact = KeptLaidOut(
        files=len(made.files), size_bytes=made.size_bytes, sha256=made.sha256, differences=other[:20]
    )
    run.recorder.fact("kept.laid_out", fact, source="each file's bytes as they were copied")
    if other or made.sha256 != listed.sha256:
        what = first_few(other) if other else "its folders are others"
        raise StepFailed(f"the kept copy is not what was kept: {what}", cause="environment", gate=GATE)


def _count(run: Rehearsal) -> None:
    """Measure the copy anew; of the restore stands what the run that made it recorded, allowed by this run's pack.

    The kept one may be gone by now: what was laid out of it is this run's own.
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
