"""C-05 to C-07 of the plan `proof`: the rollback-only transaction, its abort certificate, the database once more.

The harness sends; the engine looks on over a session and a role of its own, ends what holds locks for too long,
and asks the server what became of it. The certificate is made on every path, also when the harness died.
"""

from __future__ import annotations

import contextlib
import re
import signal
import time
from dataclasses import dataclass, field

import msgspec
import psycopg

from console.engine.proving import (
    INDEPENDENT,
    drain,
    independent,
    limits_ms,
    proving_of,
    switch_of,
    the_harness,
    words_of,
)
from console.engine.rehearsal import Rehearsal
from console.engine.verifying import look_at_source, scan_records
from console.environments.harness_process import HarnessProcess
from console.environments.harness_talk import Report
from console.environments.process import end_process
from console.errors import AbortRequested, StepFailed
from console.gates.proof_table import PROOFS
from console.harness.rollback_only import BEGIN, ROLLBACK, SET_LIMIT, SETTINGS
from console.model.gate import Facts, Gate, GateVerdict, judge
from console.model.proof_facts import Certificate, Contents, RolledBack
from console.packs import placed_sha256
from console.sql import EngineConnection
from console.sql import run as run_sql
from console.witness.abort_certificate import (
    Seen,
    advisory_locks,
    count,
    living,
    look_at_backends,
    others_since,
    rows_of,
    settings_digest,
    statuses_of,
)
from console.witness.catalogue import read_sequences

_SOURCE = f"the client's trace; {INDEPENDENT}; the harness's claim of its counts"
_GONE_PATIENCE_S, _RECONNECT_PATIENCE_S = 20.0, 30.0
_POLL_S = 0.02
_PLACEHOLDER = re.compile("%s")
CERTIFICATE_FILE = "certificate.json"


@dataclass(kw_only=True)
class _Transaction:
    """One of the harness's transactions while it is watched from outside."""

    run: Rehearsal
    connection: EngineConnection
    scenario: str
    expected: tuple[str, ...]
    roles: tuple[str, ...]
    known: frozenset[int]
    first_session: int
    seen: Seen = field(default_factory=Seen)
    strangers: dict[int, str] = field(default_factory=dict)
    open_since: float | None = None
    too_long: bool = False
    looked_inside: bool = False

    def look_inside(self, _checkpoint: str) -> None:
        """Look while the harness waits; it counts only when everything but the ROLLBACK has been sent."""
        self.look()
        sent = tuple(one.sql for one in proving_of(self.run).statements if one.scenario == self.scenario)
        self.looked_inside = sent == self.expected[: self.expected.index(ROLLBACK)]

    def look(self) -> None:
        """Look at every session of the two principals; raises StepFailed when one holds its locks for too long."""
        drain(self.run)
        own = self.pids()
        rows = run_sql(self.connection, "proof/sessions_of_roles", {"roles": list(self.roles)})
        for pid, user in rows:
            if pid not in own | self.known:
                self.strangers[pid] = user
        look_at_backends(self.connection, own | self.strangers.keys(), self.seen)
        self._limit_locks(own)

    def pids(self) -> frozenset[int]:
        """Return the backends that the client witness saw opened for this transaction."""
        client = self.run.client
        assert client is not None
        return frozenset(session.pid for session in client.sessions[self.first_session :])

    def _limit_locks(self, own: frozenset[int]) -> None:
        if self.seen.xids or self.seen.writes:
            self.open_since = self.open_since or time.monotonic()
        limit_s = self.run.config.proof.longest_lock_s
        if self.open_since is None or time.monotonic() - self.open_since < limit_s:
            return
        self.too_long = True
        for pid in own & set(living(self.connection, self.seen.users)):
            with contextlib.suppress(psycopg.Error):
                run_sql(self.connection, "proof/end_backend", {"pid": pid})
        _kill_harness(self.run)
        raise StepFailed(
            f"the transaction held its locks for more than {limit_s:g} s, and was ended", cause="subject"
        )


def run_and_roll_back(run: Rehearsal) -> None:
    """C-05: counts, then the writer's transaction and the reader's, each watched while it is open.

    Raises StepFailed at the proof that could not be carried through, after the certificate was made.
    """
    words, pack = words_of(run), run.loaded.pack
    counted = f"{pack.schema}.{words.counted}"
    gate = "P-5"
    try:
        with independent(run) as connection:
            _before(run, connection)
            _watched(run, connection, "P-5", words.writer, (counted,))
            gate = "P-6"
            _watched(run, connection, "P-6", words.reader, ())
    except (StepFailed, AbortRequested) as ended:
        _kill_harness(run)
        _certificate(run)
        _require_certificate(run)
        if isinstance(ended, StepFailed):
            raise StepFailed(ended.reason, cause=ended.cause, gate=ended.gate or gate) from ended
        raise


def _before(run: Rehearsal, connection: EngineConnection) -> None:
    proving, pack = proving_of(run), run.loaded.pack
    proving.sequences = read_sequences(connection)
    proving.settings = settings_digest(connection)
    proving.before = count(connection, pack.schema, pack.tables)
    run.recorder.fact("proof.before", proving.before, source=INDEPENDENT)


def _watched(
    run: Rehearsal,
    connection: EngineConnection,
    scenario: str,
    principal: str,
    expected_writes: tuple[str, ...],
) -> None:
    words, proving, client = words_of(run), proving_of(run), run.client
    assert client is not None
    roles = (words.writer, words.reader)
    known = {pid for pid, _user in run_sql(connection, "proof/sessions_of_roles", {"roles": list(roles)})}
    statements = proving.writes if scenario == "P-5" else proving.reads
    watch = _Transaction(
        run=run,
        connection=connection,
        scenario=scenario,
        expected=tuple(_numbered(text) for text in _expected(run, statements)),
        roles=roles,
        known=frozenset(known),
        first_session=len(client.sessions),
    )
    reports: tuple[Report, ...] = ()
    try:
        reports = the_harness(run).run(
            scenario, timeout_s=float(run.loaded.pack.scenario_timeout_s), abort=run.recorder, meanwhile=watch.look,
            at_checkpoint=watch.look_inside,
        )  # fmt: skip
    finally:
        with contextlib.suppress(StepFailed, psycopg.Error):
            watch.look()
        _remember(proving.seen, watch.seen)
        proving.looked_inside = watch.looked_inside and (scenario == "P-5" or proving.looked_inside)
        found = _rolled_back(watch, reports, principal, expected_writes)
        run.recorder.fact("proof.write" if scenario == "P-5" else "proof.read", found, source=_SOURCE)
    _require(run, scenario)


def _require(run: Rehearsal, gate_id: str) -> None:
    """Raise StepFailed in the row's own words when it does not hold: nothing further is sent."""
    found = judge(_row(gate_id), Facts(run.recorder.state.facts))
    if found.verdict != GateVerdict.PASS:
        raise StepFailed(found.reason, cause="subject", gate=gate_id)


def _row(gate_id: str) -> Gate:
    return next(gate for gate in PROOFS if gate.id == gate_id)


def _remember(whole: Seen, new: Seen) -> None:
    whole.users |= new.users
    whole.xids |= new.xids
    whole.writes |= new.writes
    whole.sequences |= new.sequences
    whole.advisory |= new.advisory


def _rolled_back(
    watch: _Transaction, reports: tuple[Report, ...], principal: str, expected_writes: tuple[str, ...]
) -> RolledBack:
    proving, client = proving_of(watch.run), watch.run.client
    assert client is not None
    report = reports[0] if len(reports) == 1 else Report(name="", outcome="told nothing")
    sent = [one for one in proving.statements if one.scenario == watch.scenario]
    sessions = client.sessions[watch.first_session :]
    users = {watch.seen.users.get(session.pid, ("", ""))[0] for session in sessions}
    changed = report.told.get("settings_changed") or ()
    proving.settings_changed += tuple(str(name) for name in changed)
    words = f"{report.outcome}{_error_of(report)}"
    return RolledBack(
        principal=principal,
        expected=watch.expected,
        sent=tuple(one.sql for one in sent),
        sessions=tuple(session.principal for session in sessions),
        strangers=tuple(f"backend {pid} of {user}" for pid, user in watch.strangers.items()),
        user=users.pop() if len(users) == 1 else "",
        writes=tuple(sorted(watch.seen.writes)),
        expected_writes=expected_writes,
        change=_change(report),
        expected_change=len(expected_writes),
        outcome=words,
        too_long=watch.too_long,
        looked_inside=watch.looked_inside,
    )


def _error_of(report: Report) -> str:
    if not report.type:
        return ""
    state = f" ({report.sqlstate})" if report.sqlstate else ""
    return f" {report.type}{state}: {report.message[:500]}"


def _change(report: Report) -> int:
    before, after = report.told.get("before", 0), report.told.get("after", 0)
    return after - before if isinstance(before, int) and isinstance(after, int) else 0


def _expected(run: Rehearsal, statements: tuple[str, ...]) -> list[str]:
    limits = [SET_LIMIT] * len(limits_ms(run))
    return [*limits, SETTINGS, BEGIN, *statements, ROLLBACK, SETTINGS]


def _numbered(text: str) -> str:
    """Return a text with its placeholders as the driver sends them."""
    number = iter(range(1, text.count("%s") + 1))
    return _PLACEHOLDER.sub(lambda _found: f"${next(number)}", text)


def _kill_harness(run: Rehearsal) -> None:
    """End the harness by force: its sockets close, and the server rolls back whatever it had open."""
    harness = run.the_environment().harness
    if isinstance(harness, HarnessProcess):
        end_process(harness.identity, ask=signal.SIGKILL, patience_s=5.0)
        harness.end()


def certify(run: Rehearsal) -> None:
    """C-06: the kill-switch once more, the harness's end, the abort certificate and the counts."""
    proving, place = proving_of(run), run.harness_place
    assert place is not None
    run.recorder.fact(
        "proof.switch_after", switch_of(run, "P-9"), source="the module's source; the harness's claim"
    )
    the_harness(run).end()
    contents = Contents(before=proving.subject_sha256, after=placed_sha256(place.subject))
    run.recorder.fact("proof.contents", contents, source="the files in the harness's place")
    drain(run)
    _certificate(run)


def _certificate(run: Rehearsal) -> None:
    """Ask the server, over a new session, what became of every transaction that was seen."""
    proving, pack, recorder = proving_of(run), run.loaded.pack, run.recorder
    before = proving.before
    if before is None or proving.certified:
        return
    seen = proving.seen
    with independent(run, patience_s=_RECONNECT_PATIENCE_S) as connection:
        left = _wait_until_gone(connection, seen)
        tables = {*(proving.reached.tables if proving.reached else ()), *seen.writes}
        tables |= {f"{pack.schema}.{name}" for name in pack.tables}
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
        after = count(connection, pack.schema, pack.tables)
        recorder.fact("proof.certificate", found, source=INDEPENDENT)
        recorder.fact("proof.after", after, source=INDEPENDENT)
        others = others_since(connection, pack.schema, before, after, seen.xids)
        recorder.fact("proof.others", others, source=INDEPENDENT)
        baseline = Facts(recorder.state.facts).need("proof.baseline", type(before))
        since = others_since(connection, pack.schema, baseline, after, seen.xids)
        recorder.fact("proof.others_since_baseline", since, source=INDEPENDENT)
    proving.certified = True
    _write_certificate(run)


def _wait_until_gone(connection: EngineConnection, seen: Seen) -> tuple[int, ...]:
    deadline = time.monotonic() + _GONE_PATIENCE_S
    while (left := living(connection, seen.users)) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    return left


def _write_certificate(run: Rehearsal) -> None:
    """Keep the certificate and what it is compared with as one document of the evidence."""
    facts = run.recorder.state.facts
    names = ("proof.certificate", "proof.before", "proof.after", "proof.others", "proof.write", "proof.read")
    gates = {gate.id: judge(gate, Facts(facts)) for gate in PROOFS if gate.id in ("A-1", "P-7", "P-8")}
    document = {
        "run": run.order.run,
        "database": run.database,
        "system_identifier": facts.get("source.before", {}).get("system_identifier", ""),
        "judged": {
            name: {"verdict": str(found.verdict), "reason": found.reason} for name, found in gates.items()
        },
        "moved": _moved(facts),
        "reached": run.recorder.state.notes.get("proof.reached"),
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
    before, after = facts["proof.before"]["rows"], facts["proof.after"]["rows"]
    others = facts["proof.others"]
    return {
        table: f"{rows} to {after.get(table)} rows meanwhile; {others['of_others'].get(table, 0)} of "
        f"{others['new_rows'].get(table, 0)} new rows were committed by other transactions"
        for table, rows in before.items()
        if after.get(table) != rows
    }


def _require_certificate(run: Rehearsal) -> None:
    """Raise StepFailed at A-1 where something of a transaction is left: that comes before every other failure."""
    found = judge(_row("A-1"), Facts(run.recorder.state.facts))
    if found.verdict == GateVerdict.FAIL:
        raise StepFailed(found.reason, cause="subject", gate="A-1")


def verify_proof(run: Rehearsal) -> None:
    """C-07: the database is the same server as before, and nothing that was recorded holds a secret."""
    look_at_source(run)
    scan_records(run)
