"""C-13: the teardown, the closing looks at what had to stay the same, and what is left of the run.

Works from the journal alone, so that a watchdog or `drydock recover` can do it for a dead engine.
"""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable
from functools import partial

from console.engine.digest import remove_scratch
from console.engine.docker_removal import DOCKER_KINDS, DockerRemover, quietly_closed
from console.engine.failure import engine_failure
from console.engine.gathering import gather_logs
from console.engine.keeping_place import kept_left
from console.engine.protecting import PROTECTED_BY, look_again_at_protected, protected_names
from console.engine.proving_certificate import certify_what_is_uncertified
from console.engine.rehearsal import UIDS_NOTE, Rehearsal
from console.engine.removal import remove_part, still_exists
from console.engine.stand_ins import SOURCE, gone_stand_ins, seen_before, stand_ins
from console.engine.strays import strays
from console.engine.verifying import scan_once_more, seal_before_teardown
from console.environments.owner import hold_uid, remove_things, things_of
from console.environments.process import end_process
from console.errors import StepFailed
from console.model.fact import StepEnd
from console.model.facts import Left, SourceIdentity, Starts, SubjectState
from console.model.run_state import Receipt
from console.packs import tree_sha256
from console.repository import read_repository
from console.sources.archive import is_dump_folder
from console.sources.demo import DemoSource
from console.witness.catalogue import read_manifest

_PROCESS_KINDS = ("process", "socket", "cluster", "folder")
_STRAY_PATIENCE_S = 10.0


def tear_down(run: Rehearsal) -> None:
    """Remove the rehearsal, look at source and neighbours, remove the demo, say what is left.

    A stage that fails is recorded as the engine's own failure and the next one still follows.
    """
    for stage in STAGES:
        try:
            stage(run)
        except Exception as broken:  # noqa: BLE001 - a copy of production must not stay because a log could not be kept
            run.recorder.record(engine_failure(broken))


def _end_harness(run: Rehearsal) -> None:
    if run.environment is not None and run.environment.harness is not None:
        run.environment.harness.end()


def _keep_logs(run: Rehearsal) -> None:
    """Keep the logs of a run that never came to C-11; what is not there was never made."""
    if run.environment is not None:
        run.environment.keep_logs()
    gather_logs(run)


def _let_go(run: Rehearsal) -> None:
    """Let go of every way into the environment: what it consists of is removed next."""
    if run.witnessing is not None:
        run.witnessing.closing.close()
    if run.environment is not None:
        run.environment.close()


def _remove_rehearsal(run: Rehearsal) -> None:
    remove_part(run.recorder, "rehearsal")


def _remove_demo(run: Rehearsal) -> None:
    remove_part(run.recorder, "demo")


def _end_every_stray(run: Rehearsal) -> None:
    for identity in strays(run, demo=True):
        end_process(identity, ask=signal.SIGKILL, patience_s=_STRAY_PATIENCE_S)


def _remove_belongings(run: Rehearsal) -> None:
    """Remove what the run's own users left in the places that everybody may write to, and in System V memory."""
    remove_things(_own_uids(run))


def _own_uids(run: Rehearsal) -> set[int]:
    """Return the users made up for this run; for a dead engine's, those that no living run has taken since."""
    noted = {uid for uid in run.recorder.state.notes.get(UIDS_NOTE, {}).values() if uid is not None}
    if not run.taken_over:
        return noted
    for uid in noted - run.leases.keys():
        lease = hold_uid(uid)
        if lease is not None:
            run.leases[uid] = lease
    return noted & run.leases.keys()


def _remove_scratch(run: Rehearsal) -> None:
    remove_scratch(run.places.scratch)


def end_strays(run: Rehearsal) -> None:
    """End processes of this run that no receipt names: orphans that came to us, users made for it."""
    for identity in strays(run):
        end_process(identity, ask=signal.SIGKILL, patience_s=_STRAY_PATIENCE_S)


def _look_again(run: Rehearsal) -> None:
    """The closing looks; one that cannot be had leaves its gate UNKNOWN, and the rest still happens."""
    recorder = run.recorder
    facts = recorder.state.facts
    if run.taken_over and "starts" in facts and stand_ins(recorder.state):
        return  # whoever looked went on to remove the demo, and may have died before it said so
    gone = gone_stand_ins(recorder.state) if run.taken_over else ()
    after: dict[str, str] = {}
    if "protected.before" in facts:
        protected = look_again_at_protected(run, without=gone)
        if protected is not None:
            after = {name: found.started_at for name, found in protected.objects.items() if found is not None}
            if not gone:
                recorder.fact("protected.after", protected, source=PROTECTED_BY)
    if "source.before" in facts and SOURCE not in gone:
        after |= _look_at_source(run)
    maker = _end_of(run, "C-01" if _first_look_sees_one(run) else "C-03")
    before = seen_before(recorder.state)
    gone = tuple(name for name in gone if name in before)
    starts = Starts(maker=maker, before=before, after=after, gone=gone)
    recorder.fact("starts", starts, source="first and last look")


def _first_look_sees_one(run: Rehearsal) -> bool:
    """Tell whether C-01 has a start time to record: names that it looked for and did not find have none."""
    seen = run.recorder.state.facts.get("protected.before")
    return bool(protected_names(run)) if seen is None else any(seen["objects"].values())


def _look_at_source(run: Rehearsal) -> dict[str, str]:
    try:
        source = run.living_source()
        if source is None:
            raise StepFailed("a dump file has no living source", cause="drydock")
        look = source.look()
    except StepFailed as failed:
        run.recorder.note("source.closing", str(failed), origin="tool")
        return {}
    identity = SourceIdentity(
        system_identifier=look.system_identifier, started_at=look.started_at, read_only=look.read_only
    )
    run.recorder.fact("source.closing", identity, source="the source's identity after the teardown")
    return {SOURCE: look.started_at}


def _count_demo_again(run: Rehearsal) -> None:
    """The demo's production is ours to count: every row of it, as before the copy and now."""
    source = run.source
    counted = run.recorder.state.facts.get("manifest.source")
    if run.taken_over or not isinstance(source, DemoSource) or counted is None:
        return
    try:
        with source.connect() as connection:
            after = read_manifest(connection).rows
    except StepFailed as failed:
        run.recorder.note("demo.rows", str(failed), origin="tool")
        return
    run.recorder.note(
        "demo.rows", {"before": counted["rows"], "after": after, "same": counted["rows"] == after}
    )


def _record_what_is_left(run: Rehearsal) -> None:
    recorder = run.recorder
    secrets = _left(run, _holds_secrets, maker="C-02", without_receipt=())
    recorder.fact("left.secrets", secrets, source="each receipt, looked up by exact name and identity")
    unnamed = (*(f"process {identity}" for identity in strays(run, demo=True)), *things_of(_own_uids(run)))
    unnamed += _folders_without_receipt(run)
    processes = _left(run, _is_no_secret, maker="C-01", without_receipt=unnamed)
    recorder.fact(
        "left.processes", processes, source="each receipt, looked up by exact name and identity; /proc"
    )
    if run.plan.copy == "kept":
        recorder.fact("left.kept", kept_left(run), source="its receipt, looked up by exact name and identity")
    if run.config.environment.kind == "docker":
        _record_objects_left(run)
    recorder.note("cpu", _cpu_seconds())
    recorder.fact("subject.after", subject_state(run), source="the subject's files; git")


def _folders_without_receipt(run: Rehearsal) -> tuple[str, ...]:
    """Return the run's own folders that are there and no receipt names: a journal was cut off, or scratch stays.

    One that was there before the run (G-02) is somebody else's.
    """
    state = run.recorder.state
    known = {receipt.name for receipt in state.receipts.values()}
    before = state.facts.get("names", {}).get("exists", {})
    own = (str(run.places.work), str(run.places.demo), str(run.places.scratch))
    named = (path for path in own if path not in known and not before.get(f"folder {path}"))
    return tuple(f"folder {path}" for path in named if os.path.lexists(path))


def _record_objects_left(run: Rehearsal) -> None:
    """Look each docker object of the run up again; an engine that is away leaves N-1 to N-3 UNKNOWN."""
    with quietly_closed(DockerRemover(run.recorder)) as remover:
        for kind in DOCKER_KINDS:
            try:
                left = _left(
                    run, partial(_is_of_kind, kind), maker="C-04", without_receipt=remover.unnamed(kind),
                    exists=remover.exists,
                )  # fmt: skip
            except StepFailed as away:
                run.recorder.note(f"left.{kind}s", str(away), origin="tool")
                continue
            run.recorder.fact(f"left.{kind}s", left, source="each receipt, inspected by exact name and id")


def _cpu_seconds() -> dict[str, float]:
    """Return the processor time of the engine itself, and of every program it waited for."""
    own, theirs = os.times(), resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "engine_s": round(own.user + own.system, 3),
        "programs_s": round(theirs.ru_utime + theirs.ru_stime, 3),
    }


def _holds_secrets(receipt: Receipt) -> bool:
    return receipt.kind == "file" or is_dump_folder(receipt.kind, receipt.name)


def _is_of_kind(kind: str, receipt: Receipt) -> bool:
    return receipt.kind == kind


def _is_no_secret(receipt: Receipt) -> bool:
    return receipt.kind in _PROCESS_KINDS and not _holds_secrets(receipt)


def _left(
    run: Rehearsal, wanted: Callable[[Receipt], bool], *, maker: str, without_receipt: tuple[str, ...],
    exists: Callable[[Receipt], bool] = still_exists,
) -> Left:  # fmt: skip
    receipts = [receipt for receipt in run.recorder.state.receipts.values() if wanted(receipt)]
    named = {f"{one.kind} {one.name} {one.identity or ''}".strip(): one for one in receipts}
    return Left(
        maker=_end_of(run, maker), receipts=len(receipts), without_receipt=without_receipt,
        exists={name: exists(one) for name, one in named.items()},
        not_removed={name: one.trouble for name, one in named.items() if one.trouble},
    )  # fmt: skip


def _end_of(run: Rehearsal, step: str) -> StepEnd:
    state = run.recorder.state
    if step not in state.steps_started:
        return "not begun"
    finished = state.steps_finished.get(step)
    return "finished" if finished is not None and not finished.failed else "not finished"


def subject_state(run: Rehearsal) -> SubjectState:
    """Return the subject's tree and repository as they are now."""
    repository = read_repository(run.subject)
    return SubjectState(
        tree_sha256=tree_sha256(run.subject),
        branch=repository.branch,
        head=repository.head,
        status=repository.status,
    )


STAGES: tuple[Callable[[Rehearsal], None], ...] = (
    _end_harness,
    end_strays,
    certify_what_is_uncertified,
    _keep_logs,
    seal_before_teardown,
    _let_go,
    _remove_rehearsal,
    _look_again,
    _count_demo_again,
    _remove_demo,
    _end_every_stray,
    _remove_belongings,
    _remove_scratch,
    _record_what_is_left,
    scan_once_more,
)
"""The teardown in its order: each stage follows whatever became of the one before."""
