"""C-11 and C-12: the verification battery over the living copy, and the artefacts that are kept."""

from __future__ import annotations

from pathlib import Path

from console.engine.gathering import gather_logs, written_by_the_subject
from console.engine.grounding import deny_probes, found_privileges
from console.engine.rehearsal import Rehearsal
from console.engine.rehearsing import look_once_more
from console.errors import StepFailed
from console.evidence.bundle import gather_documents, seal_first
from console.evidence.scan import scan_files
from console.model.event import GateJudged, SecretRedacted
from console.model.facts import Baseline, Redactions, Scan, ScenarioRows, SourceIdentity
from console.model.gate import Facts, judge
from console.model.rewinds import scenarios_since_rewind
from console.model.verdict import GateVerdict
from console.packs import tree_files
from console.sql import EngineConnection
from console.witness.catalogue import count_rows, leaf_tables, read_inventory

FIRST_SEAL_NOTE = "first_seal"
LEAK_GATE = "G-23"
SCAN_SOURCE = "a search for every form of every secret"
LARGEST_SEARCHED_BYTES = 4 << 30
"""A file above it is not searched, and then nothing is said to be clean."""


def verify(run: Rehearsal) -> None:
    """C-11: catalogue, baseline, privileges and source once more, and the scan of the records."""
    recorder, pack = run.recorder, run.loaded.pack
    with run.the_environment().connect(run.database) as connection:
        inventory = read_inventory(connection, pack.schema, pack.tables)
        found = count_rows(connection, pack.schema, pack.tables)
        expected, told_by = _expected_rows(run, connection)
        privileges = found_privileges(run, connection)
        probes = deny_probes(run, connection)
    recorder.fact("inventory.copy", inventory, source="the copy's catalogue after the scenarios")
    ran = tuple(recorder.state.scenarios)
    baseline = Baseline(ran=ran, expected=expected, found=found)
    recorder.fact("baseline", baseline, source=f"the engine's own exact counts; expected: {told_by}")
    recorder.fact("privileges.after", privileges, source="aclexplode in the copy after the scenarios")
    recorder.fact("privileges.probes_after", probes, source="each ungranted cell, tried and rolled back")
    look_at_source(run)
    look_once_more(run)
    scan_records(run)


def _expected_rows(run: Rehearsal, connection: EngineConnection) -> tuple[dict[str, int], str]:
    """Return the rows that each table must have now, and who says so.

    A table that is as the source has the rows of the manifest, taken in the dump's own snapshot; a dump file
    without a manifest is all that is known of its source, so that the restored copy's first count stands in.
    """
    pack = run.loaded.pack
    since = scenarios_since_rewind(run.plan.scenarios, run.plan.rewound)
    if not pack.as_the_source:
        return pack.expected_rows({}), "the pack's baseline"
    manifest = run.recorder.state.facts.get("manifest.source")
    if manifest is None:
        first = ScenarioRows(**run.recorder.state.facts[f"rows.{pack.scenario[0].id}"])
        return pack.expected_rows(
            first.before, since=since
        ), "the copy before the first scenario, and the scenarios"
    leaves = leaf_tables(connection, pack.schema, pack.as_the_source)
    source = {name: sum(manifest["rows"].get(one, 0) for one in below) for name, below in leaves.items()}
    return pack.expected_rows(source, since=since), "the source in the dump's snapshot, and the scenarios"


def scan_records(run: Rehearsal) -> None:
    """Keep the logs, and search everything that was recorded so far for secrets."""
    recorder = run.recorder
    run.the_environment().keep_logs()
    not_kept = gather_logs(run)
    run.the_trace().seal()
    recorder.fact("scan.records", _scan(run, _records(run), troubles=not_kept), source=SCAN_SOURCE)
    recorder.fact("redactions", _redactions(recorder.state.redactions), source="the registry")


def look_at_source(run: Rehearsal) -> None:
    """A living source is looked at before the teardown; one that does not answer is not untouched."""
    source = run.living_source()
    if source is None:
        return
    try:
        look = source.look()
    except StepFailed as failed:
        raise StepFailed(failed.reason, cause=failed.cause, gate="G-21") from failed
    identity = SourceIdentity(
        system_identifier=look.system_identifier, started_at=look.started_at, read_only=look.read_only
    )
    run.recorder.fact("source.after", identity, source="the source's identity before the teardown")


def _records(run: Rehearsal) -> list[Path]:
    """Return journal, trace, engine log, the gathered logs, and every file that the subject could write."""
    kept = tree_files(run.places.artefacts)
    named = [run.places.run / name for name in ("journal.jsonl", "trace.jsonl", "engine.log", "order.json")]
    return [*(path for path in named if path.exists()), *kept, *written_by_the_subject(run)]


def _everything_kept(run: Rehearsal) -> list[Path]:
    """Return every regular file of the run's folder but what the teardown destroys."""
    passing = {run.places.secrets.name, run.places.scratch.name}
    return sorted(
        path
        for path in run.places.run.rglob("*")
        if path.is_file() and path.relative_to(run.places.run).parts[0] not in passing
    )


def _scan(run: Rehearsal, paths: list[Path], *, troubles: list[str]) -> Scan:
    secrets = run.registry.values()
    too_large = [path for path in paths if path.stat().st_size > LARGEST_SEARCHED_BYTES]
    scanned = scan_files([path for path in paths if path not in too_large], secrets, root=run.places.run)
    troubles = [*troubles, *(f"{path}: larger than {LARGEST_SEARCHED_BYTES} bytes" for path in too_large)]
    return Scan(
        secrets_known=len(secrets),
        secrets_searched=len(secrets),
        files_kept=len(paths),
        files_scanned=scanned.files,
        bytes_scanned=scanned.bytes,
        limit_hit=bool(too_large or scanned.limits),
        findings=(*scanned.everything, *troubles),
    )


def _redactions(found: tuple[SecretRedacted, ...]) -> Redactions:
    def of(origin: str) -> tuple[str, ...]:
        return tuple(
            f"{one.origin} {one.secret} {one.form} {one.position}"
            for one in found
            if one.origin.startswith(origin)
        )

    return Redactions(subject=of("subject"), server=of("server"), tool=of("tool"))


def gather(run: Rehearsal) -> None:
    """C-12: the documents beside the logs, their manifest, the scan, the first seal."""
    folder, recorder = run.places.run, run.recorder
    artefacts = gather_documents(folder, recorder.state)
    recorder.fact("scan.artefacts", _scan(run, _everything_kept(run), troubles=[]), source=SCAN_SOURCE)
    trace = run.trace.seal() if run.trace is not None else ""
    sealed = seal_first(
        folder, run.state_folder, recorder.state, artefacts=artefacts, head=recorder.head, trace=trace
    )
    recorder.note(FIRST_SEAL_NOTE, sealed)


def seal_before_teardown(run: Rehearsal) -> None:
    """Gather and seal what a run left that never came to C-12; one that knew no secret yet is not searched."""
    state = run.recorder.state
    if FIRST_SEAL_NOTE in state.notes or state.created is None:
        return
    artefacts = gather_documents(run.places.run, state)
    sealed = seal_first(
        run.places.run, run.state_folder, state, artefacts=artefacts, head=run.recorder.head,
        trace=run.trace.seal() if run.trace is not None else "",
    )  # fmt: skip
    run.recorder.note(FIRST_SEAL_NOTE, sealed)


def scan_once_more(run: Rehearsal) -> None:
    """Search all that is kept after the teardown; a leak that C-12 could not see yet fails G-23 now."""
    if not run.registry.values():
        return
    found = _scan(run, _everything_kept(run), troubles=[])
    if not found.findings and not found.limit_hit and "scan.artefacts" in run.recorder.state.facts:
        return
    run.recorder.fact("scan.artefacts", found, source=SCAN_SOURCE)
    gate = run.plan.gate(LEAK_GATE)
    judged = judge(gate, Facts(run.recorder.state.facts))
    if judged.verdict != GateVerdict.PASS:
        run.recorder.record(
            GateJudged(gate=gate.id, verdict=judged.verdict, reason=judged.reason, cause=gate.cause)
        )
