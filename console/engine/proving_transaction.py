"""C-05 to C-07 of the plan `proof`: the rollback-only transaction, its abort certificate, the database once more.

The harness sends; the engine looks on over a session and a role of its own, ends what holds locks for too long,
and asks the server what became of it. The certificate is made on every path, also when the harness died.
"""

from __future__ import annotations

import contextlib
import re
import time

import psycopg

from console.engine.proof_state import SEEN_NOTE, STARTED_NOTE, Started
from console.engine.proving import (
    INDEPENDENT,
    drain,
    independent,
    limits_ms,
    look_for_hazards,
    proving_of,
    switch_of,
    the_harness,
    words_of,
)
from console.engine.proving_certificate import make_certificate, require_certificate, row_of
from console.engine.proving_watch import LOOK_S, Watch, kill_harness
from console.engine.rehearsal import Rehearsal
from console.engine.verifying import look_at_source, scan_records
from console.environments.harness_talk import Report
from console.errors import AbortRequested, Cause, StepFailed
from console.harness.rollback_only import BEGIN, NUMBER, ROLLBACK, SET_LIMIT, SETTINGS
from console.model.gate import Facts, judge
from console.model.proof_facts import Contents, Locks, RolledBack
from console.model.verdict import GateVerdict
from console.packs import placed_sha256
from console.sql import EngineConnection
from console.sql import run as run_sql
from console.witness.abort_certificate import count, settings_digest
from console.witness.catalogue import read_sequences
from console.witness.held_locks import HeldLocks

_SOURCE = f"the client's trace; {INDEPENDENT}; the harness's claim of its counts"
_PLACEHOLDER = re.compile("%s")
_LOCK_STATES = ("55P03", "40P01")
"""The server's words for a lock that somebody else did not give up."""


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
        kill_harness(run)
        make_certificate(run)
        require_certificate(run)
        if isinstance(ended, StepFailed):
            raise StepFailed(ended.reason, cause=ended.cause, gate=ended.gate or gate) from ended
        raise


def _before(run: Rehearsal, connection: EngineConnection) -> None:
    """Look at the catalogue once more, since B-2 may have waited for a day, and write down what must be the same."""
    proving, pack = proving_of(run), run.loaded.pack
    look_for_hazards(run, connection)
    _require(run, "H-1")
    proving.sequences = read_sequences(connection)
    proving.settings = settings_digest(connection)
    started = Started(tables=proving.tables, sequences=proving.sequences, settings=proving.settings)
    run.recorder.note(STARTED_NOTE, started)
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
    watch = Watch(
        run=run,
        connection=connection,
        scenario=scenario,
        expected=tuple(_numbered(text) for text in _expected(run, statements, numbered=scenario == "P-5")),
        roles=roles,
        known=frozenset(known),
        first_session=len(client.sessions),
        locks=HeldLocks(free_at=time.monotonic()),
    )
    reports: tuple[Report, ...] = ()
    try:
        reports = the_harness(run).run(
            scenario, timeout_s=float(run.loaded.pack.scenario_timeout_s), abort=run.recorder, meanwhile=watch.look,
            at_checkpoint=watch.at_checkpoint, poll_s=LOOK_S,
        )  # fmt: skip
    finally:
        with contextlib.suppress(StepFailed, psycopg.Error):
            watch.settle()
        _keep(watch)
        found = _rolled_back(watch, reports, principal, expected_writes)
        run.recorder.fact("proof.write" if scenario == "P-5" else "proof.read", found, source=_SOURCE)
        run.recorder.note(SEEN_NOTE, proving.remembered())
    states = {report.sqlstate for report in reports}
    held_up = watch.locks.waited_ms > 0 and not states.isdisjoint(_LOCK_STATES)
    _require(run, scenario, cause="environment" if held_up else "subject")


def _require(run: Rehearsal, gate_id: str, *, cause: Cause = "subject") -> None:
    """Raise StepFailed in the row's own words when it does not hold: nothing further is sent."""
    found = judge(row_of(gate_id), Facts(run.recorder.state.facts))
    if found.verdict != GateVerdict.PASS:
        raise StepFailed(found.reason, cause=cause, gate=gate_id)


def _keep(watch: Watch) -> None:
    """Keep what one transaction has shown; how long its locks were held is a fact of its own."""
    run, proving = watch.run, proving_of(watch.run)
    first = watch.scenario == "P-5"
    proving.seen.add(watch.seen)
    proving.looked_inside = watch.looked_inside and (watch.numbered if first else proving.looked_inside)
    proving.locks[watch.scenario], proving.open_ms[watch.scenario] = watch.locks, watch.open_ms()
    limits, locks, now = run.config.proof, proving.locks.values(), time.monotonic()
    found = Locks(
        limit_ms=int(limits.longest_lock_s * 1000),
        wait_limit_ms=limits_ms(run)["lock_timeout"],
        looks=sum(one.looks for one in locks),
        open_ms=proving.open_ms,
        held_ms=int(max(one.at_least_s for one in locks) * 1000),
        held_at_most_ms=int(max(one.at_most_s(now) for one in locks) * 1000),
        waited_ms=max(one.waited_ms for one in locks),
    )
    run.recorder.fact("proof.locks", found, source=f"{INDEPENDENT}; the client's trace")
    modes = {relation: sorted(found) for one in locks for relation, found in one.modes.items()}
    run.recorder.note("proof.lock_modes", modes, origin="server")


def _rolled_back(
    watch: Watch, reports: tuple[Report, ...], principal: str, expected_writes: tuple[str, ...]
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
        strangers=tuple(f"backend {pid} of {user}" for pid, user in watch.unwitnessed().items()),
        user=users.pop() if len(users) == 1 else "",
        writes=tuple(sorted(watch.seen.writes)),
        expected_writes=expected_writes,
        change=_change(report),
        expected_change=len(expected_writes),
        outcome=words,
        too_long=watch.too_long,
        looked_inside=watch.looked_inside and (watch.numbered or NUMBER not in watch.expected),
    )


def _error_of(report: Report) -> str:
    if not report.type:
        return ""
    state = f" ({report.sqlstate})" if report.sqlstate else ""
    return f" {report.type}{state}: {report.message[:500]}"


def _change(report: Report) -> int:
    before, after = report.told.get("before", 0), report.told.get("after", 0)
    return after - before if isinstance(before, int) and isinstance(after, int) else 0


def _expected(run: Rehearsal, statements: tuple[str, ...], *, numbered: bool) -> list[str]:
    limits = [SET_LIMIT] * len(limits_ms(run))
    number = [NUMBER] if numbered else []
    return [*limits, SETTINGS, BEGIN, *number, *statements, ROLLBACK, SETTINGS]


def _numbered(text: str) -> str:
    """Return a text with its placeholders as the driver sends them."""
    number = iter(range(1, text.count("%s") + 1))
    return _PLACEHOLDER.sub(lambda _found: f"${next(number)}", text)


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
    make_certificate(run)


def verify_proof(run: Rehearsal) -> None:
    """C-07: the database is the same server as before, and nothing that was recorded holds a secret."""
    look_at_source(run)
    scan_records(run)
