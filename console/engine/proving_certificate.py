"""The abort certificate: what the server says, over a new session, of every transaction that was seen.

Made on every path: at C-06, when a transaction could not be carried through, and in the teardown of a dead engine.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence

import msgspec
import psycopg

from console.engine.proof_state import SEEN_NOTE, STARTED_NOTE, Proving, Remembered, Started
from console.engine.proving import INDEPENDENT, independent, proving_of
from console.engine.rehearsal import Rehearsal
from console.environments.process import end_process
from console.errors import DrydockError, StepFailed
from console.gates.proof_table import PROOFS
from console.model.event import GateJudged
from console.model.gate import Facts, Gate, judge
from console.model.proof_facts import Certificate, Counts
from console.model.verdict import GateVerdict
from console.sql import EngineConnection
from console.witness.abort_certificate import (
    Seen,
    advisory_locks,
    count,
    living,
    others_since,
    rows_of,
    settings_digest,
    statuses_of,
    tuples_deleted,
)
from console.witness.catalogue import read_sequences

_GONE_PATIENCE_S, _RECONNECT_PATIENCE_S = 20.0, 30.0
_HARNESS_PATIENCE_S = 5.0
_POLL_S = 0.02
_COUNTERS_PATIENCE_S = 12.0
"""A session that has gone quiet reports what it deleted after ten seconds (PGSTAT_IDLE_INTERVAL)."""

_COUNTERS_POLL_S = 0.25
JUDGED = ("A-1", "P-7", "P-8")
CERTIFICATE_FILE = "certificate.json"


def row_of(gate_id: str) -> Gate:
    """Return one row of the proof."""
    return next(gate for gate in PROOFS if gate.id == gate_id)


def make_certificate(run: Rehearsal) -> None:
    """Ask the server, over a new session, what became of every transaction that was seen."""
    proving, pack, recorder = proving_of(run), run.loaded.pack, run.recorder
    before = proving.before
    if before is None or proving.certified:
        return
    seen = proving.seen
    with independent(run, patience_s=_RECONNECT_PATIENCE_S) as connection:
        left = _wait_until_gone(connection, seen)
        tables = {*proving.tables, *seen.writes, *(f"{pack.schema}.{name}" for name in pack.tables)}
        found = Certificate(
            statuses=statuses_of(connection, seen.xids),
            reached=tuple(sorted(tables)),
            rows=rows_of(connection, tables, seen.xids),
            sequences_before=proving.sequences,
            sequences_after=read_sequences(connection),
            locked=tuple(sorted(seen.sequences)),
            backends=left,
            advisory=advisory_locks(connection, seen.users),
            settings_before=proving.settings,
            settings_after=settings_digest(connection),
            settings_changed=proving.settings_changed,
            looked_inside=proving.looked_inside,
        )
        baseline = Facts(recorder.state.facts).need("proof.baseline", type(before))
        after = _count_again(run, connection, (before, baseline))
        recorder.fact("proof.certificate", found, source=INDEPENDENT)
        recorder.fact("proof.after", after, source=INDEPENDENT)
        others = others_since(connection, pack.schema, before, after, seen.xids)
        recorder.fact("proof.others", others, source=INDEPENDENT)
        since = others_since(connection, pack.schema, baseline, after, seen.xids)
        recorder.fact("proof.others_since_baseline", since, source=INDEPENDENT)
    proving.certified = True
    _write_certificate(run)


def _count_again(run: Rehearsal, connection: EngineConnection, earlier: Sequence[Counts]) -> Counts:
    """Count once more; where rows have gone, wait until the server has heard from whoever deleted them.

    They may have gone since any of the `earlier` counts; one that the plan gives has no counters to wait for.
    """
    pack = run.loaded.pack
    after = count(connection, pack.schema, pack.tables)
    deadline = time.monotonic() + _COUNTERS_PATIENCE_S
    while time.monotonic() < deadline:
        deleted = tuples_deleted(connection, pack.schema, pack.tables)
        after = msgspec.structs.replace(after, deleted=deleted)
        if all(_is_told(one, after) for one in earlier if one.snapshot):
            break
        time.sleep(_COUNTERS_POLL_S)
    return after


def _is_told(before: Counts, after: Counts) -> bool:
    """Tell whether the server has counted as many deletions as rows have gone."""
    return all(
        after.deleted.get(name, 0) - before.deleted.get(name, 0) >= rows - after.rows[name]
        for name, rows in before.rows.items()
        if name in after.rows
    )


def _wait_until_gone(connection: EngineConnection, seen: Seen) -> tuple[int, ...]:
    deadline = time.monotonic() + _GONE_PATIENCE_S
    while (left := living(connection, seen.users)) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    return left


def _write_certificate(run: Rehearsal) -> None:
    """Keep the certificate and what it is compared with as one document of the evidence."""
    facts = run.recorder.state.facts
    names = ("proof.certificate", "proof.before", "proof.after", "proof.others", "proof.write", "proof.read",
             "proof.locks")  # fmt: skip
    gates = {name: judge(row_of(name), Facts(facts)) for name in JUDGED}
    document = {
        "run": run.order.run,
        "database": run.database,
        "system_identifier": facts.get("source.before", {}).get("system_identifier", ""),
        "judged": {
            name: {"verdict": str(found.verdict), "reason": found.reason} for name, found in gates.items()
        },
        "moved": _moved(facts),
        "reached": run.recorder.state.notes.get("proof.reached"),
        "lock_modes": run.recorder.state.notes.get("proof.lock_modes"),
        **{name: facts[name] for name in names if name in facts},
    }
    folder = run.places.artefacts
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / CERTIFICATE_FILE
    path.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n")
    path.chmod(0o600)
    run.recorder.note("proof.moved", document["moved"])


def _moved(facts: dict[str, dict[str, dict[str, int]]]) -> dict[str, str]:
    """Return by table whose count moved, in words, what was shown about it."""
    before, after, others = facts["proof.before"], facts["proof.after"], facts["proof.others"]
    words = {}
    for table, rows in before["rows"].items():
        now = after["rows"].get(table, 0)
        deleted = after["deleted"].get(table, 0) - before["deleted"].get(table, 0)
        if now != rows:
            words[table] = (
                f"{rows} to {now} rows meanwhile; {others['of_others'].get(table, 0)} of "
                f"{others['new_rows'].get(table, 0)} rows that could be new were committed by other transactions, "
                f"and {deleted} rows were deleted"
            )
    return words


def require_certificate(run: Rehearsal) -> None:
    """Raise StepFailed at A-1 where something of a transaction is left: that comes before every other failure."""
    found = judge(row_of("A-1"), Facts(run.recorder.state.facts))
    if found.verdict == GateVerdict.FAIL:
        raise StepFailed(found.reason, cause="subject", gate="A-1")


def certify_what_is_uncertified(run: Rehearsal) -> None:
    """Make the certificate for an engine that died between the first counts and its own, or say why it cannot be had.

    Everything comes from the journal but the password, which is asked for where the plan file says.
    """
    state = run.recorder.state
    if run.plan.kind != "proof" or "proof.before" not in state.facts or "proof.certificate" in state.facts:
        return
    if run.taken_over:
        _end_harness(run)
        run.proving = _proving_again(run)
    try:
        if run.taken_over and run.config.source.kind == "demo":
            raise StepFailed("the demo's password died with its engine", cause="environment")
        make_certificate(run)
    except (DrydockError, psycopg.Error) as wrong:
        run.recorder.fact("proof.certificate", _unmade(str(wrong)), source="nobody")
    for name in JUDGED:
        found = judge(row_of(name), Facts(run.recorder.state.facts))
        cause = None if found.verdict == GateVerdict.PASS else row_of(name).cause
        run.recorder.record(GateJudged(gate=name, verdict=found.verdict, reason=found.reason, cause=cause))


def _end_harness(run: Rehearsal) -> None:
    """End the dead engine's harness, which may still be in the middle of a statement, by its receipt."""
    for receipt in run.recorder.state.open_receipts:
        if (receipt.kind, receipt.name) == ("process", "harness") and receipt.identity:
            end_process(receipt.identity, ask=signal.SIGKILL, patience_s=_HARNESS_PATIENCE_S)


def _proving_again(run: Rehearsal) -> Proving:
    """Return what the dead engine knew, as it had written it down before each thing could happen."""
    state = run.recorder.state
    started = msgspec.convert(state.notes[STARTED_NOTE], Started)
    told = msgspec.convert(state.notes.get(SEEN_NOTE, {}), Remembered)
    return Proving(
        before=Facts(state.facts).need("proof.before", Counts),
        tables=started.tables,
        sequences=started.sequences,
        settings=started.settings,
        seen=Seen(
            users={int(pid): user for pid, user in told.users.items()}, xids=set(told.xids), writes=set(told.writes),
            sequences=set(told.sequences), advisory=set(told.advisory),
        ),
        settings_changed=told.settings_changed,
        looked_inside=told.looked_inside,
    )  # fmt: skip


def _unmade(why: str) -> Certificate:
    """Return the certificate that says only why there is none."""
    return Certificate(
        statuses={}, reached=(), rows={}, sequences_before={}, sequences_after={}, locked=(), backends=(), advisory=(),
        settings_before="unknown", settings_after="unknown", settings_changed=(), looked_inside=False, unmade=why,
    )  # fmt: skip
