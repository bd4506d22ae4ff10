"""C-10: the scenarios, each between two counts of the engine's own, judged from the witnesses."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack

import msgspec

from console.engine.glancing import Glances
from console.engine.isolating import keep_isolation, require_isolated
from console.engine.last_count import count_behind_scenario
from console.engine.nested_witness import watch_nested_statements
from console.engine.own_line import own_line
from console.engine.rehearsal import Rehearsal
from console.engine.statements import lost_with_its_session, scenario_of, surface_of, verbs_of
from console.engine.strays import strays
from console.engine.witnessing import Witnessing, leave_mark
from console.environments.harness_talk import Report
from console.environments.process import end_process
from console.errors import StepFailed
from console.model.event import RowsCounted, ScenarioFinished, SecretRedacted
from console.model.facts import Effects, ScenarioRows, Witnesses
from console.model.pack import Scenario
from console.model.trace import ClientStatement, ServerLine
from console.sql import EngineConnection
from console.sql import run as run_sql
from console.witness.catalogue import count_rows, feeding_sequences, leaf_tables
from console.witness.effects import catalogue_digest, read_sequences, read_tuple_effects
from console.witness.live_rows import LiveRows
from console.witness.outside import belied_by_the_server, outside_every_scenario
from console.witness.reconcile import Reconciliation, reconcile, shortened
from console.witness.scenario import ScenarioJudgement, judge_scenario
from console.witness.scenario_evidence import (
    AttemptReport,
    ScenarioEvidence,
    attempt_reports,
    gather,
    seen_of,
)
from console.witness.server_log import sessions_ended
from console.witness.transactions import Transaction, transactions

LOG_PATIENCE_S = 30.0
WITNESS_OPTIONS = "-c lock_timeout=10s"
"""For the session that counts: what a subject has left locked must not hold up the run, nor an abort, for ever."""
_LOG_POLL_S = 0.005
SURVIVOR_GRACE_S, SURVIVOR_PATIENCE_S = 2.0, 10.0
"""Children that end because the harness did get the first; the others are ended within the second."""


def prepare_scenarios(run: Rehearsal) -> None:
    """Open the engine's own session, count once, and keep what must not change."""
    watch_nested_statements(run)
    connection, closing = open_session(run)
    run.witnessing = Witnessing(connection=connection, closing=closing)
    run.recorder.record(RowsCounted(scenario="", rows=_count(run)))
    require_isolated(run)
    run.recorder.fact("effects.before", effects_of(run), source="pg_stat_user_tables; the catalogue")
    read_log(run, "")


def open_session(run: Rehearsal) -> tuple[EngineConnection, ExitStack]:
    """Return the session on the copy that counts for the scenarios, and what closes it."""
    closing = ExitStack()
    connection = closing.enter_context(run.the_environment().connect(run.database, options=WITNESS_OPTIONS))
    connection.observer = lambda ran: run.observe("copy", ran)
    return connection, closing


def run_scenario(run: Rehearsal, scenario_id: str) -> None:
    """Run one scenario; record the counts, the surface and the judgement."""
    began = time.monotonic()
    scenario = next(one for one in run.loaded.pack.scenario if one.id == scenario_id)
    before = _count(run)
    reports, failed = _perform(run, scenario, before)
    drain(run)
    after = count_behind_scenario(run)
    read_log(run, scenario_id)
    drain(run)
    run.recorder.record(RowsCounted(scenario=scenario_id, rows=after))
    rows = ScenarioRows(before=before, after=after)
    run.recorder.fact(f"rows.{scenario_id}", rows, source="the engine's own exact counts")
    found, done = reconciled(run)
    evidence = _evidence(run, scenario, reports, found, done, rows)
    surface = surface_of(run, scenario_id, found, done)
    run.recorder.fact(f"surface.{scenario_id}", surface, source="PostgreSQL's grammar over both witnesses")
    _remember_errors(run, scenario, evidence)
    judged = judge_scenario(scenario, evidence, tables=run.loaded.pack.tables, verbs_of=verbs_of)
    if failed is not None:
        judged = _failed_by_harness(judged, failed, past_the_witness=bool(found.differences))
    line = _own_line_of(run, judged, reports) if judged.verdict == "FAIL" else ""
    findings = (
        (judged.sentences[0], f"your line: {line}", *judged.sentences[1:]) if line else judged.sentences
    )
    run.recorder.record(
        ScenarioFinished(
            scenario=scenario_id, verdict=judged.verdict, duration_ms=int((time.monotonic() - began) * 1000),
            reason=judged.reason, findings=findings, culprit=judged.culprit, cause=judged.cause,
            statements=sum(one.scenario == scenario_id for one in run.the_witnessing().statements),
        ),
        origin="subject",
    )  # fmt: skip


def _own_line_of(run: Rehearsal, judged: ScenarioJudgement, reports: tuple[Report, ...]) -> str:
    """Return the line in which the failed attempt's exception left; without one the line that the judgement names."""
    frames = [frame for one in reports if one.name == judged.failed_attempt for frame in one.frames[:1]]
    return own_line([*frames, judged.culprit, judged.reason], (run.subject_in_place(), run.loaded.folder))


def _perform(
    run: Rehearsal, scenario: Scenario, before: Mapping[str, int]
) -> tuple[tuple[Report, ...], StepFailed | None]:
    harness, witnessing = run.the_environment().harness, run.the_witnessing()
    assert harness is not None
    if witnessing.live is None:
        witnessing.live = LiveRows(witnessing.connection, run.loaded.pack.schema, before)
    glances = Glances(run, scenario.id, live=witnessing.live, before=before)

    def meanwhile() -> None:
        drain(run, everything=False)
        glances.glance()

    try:
        timeout_s = float(run.loaded.pack.scenario_timeout_s)
        return harness.run(
            scenario.id,
            timeout_s=timeout_s,
            abort=run.recorder,
            meanwhile=meanwhile,
            faults=[
                {"attempt": one.name, "at": one.fails_at, "kind": one.fault}
                for one in scenario.attempt
                if one.fails_at is not None
            ],
        ), None
    except StepFailed as failed:
        return (), failed


def _failed_by_harness(
    judged: ScenarioJudgement, failed: StepFailed, *, past_the_witness: bool
) -> ScenarioJudgement:
    """Put the harness's failure first; after the subject went past a witness, it is the subject's.

    The pack's own code fails, for instance, when a hidden session of the subject takes its connection.
    """
    return ScenarioJudgement(
        verdict="FAIL", sentences=(failed.reason, *judged.sentences), reason=failed.reason, culprit=judged.culprit,
        cause="subject" if past_the_witness else failed.cause,
    )  # fmt: skip


def _count(run: Rehearsal) -> dict[str, int]:
    pack = run.loaded.pack
    return count_rows(run.the_witnessing().connection, pack.schema, pack.tables)


def effects_of(run: Rehearsal) -> Effects:
    """Return what was done to the copy so far, by its counters, sequences and catalogue."""
    connection = run.the_witnessing().connection
    roles = sorted(run.loaded.privileges.roles)
    [(backends,)] = run_sql(connection, "effects/backends_of_roles", {"roles": roles})
    effects = read_tuple_effects(connection)
    pack = run.loaded.pack
    own = {leaf for leaves in leaf_tables(connection, pack.schema, pack.tables).values() for leaf in leaves}
    fed = feeding_sequences(connection, pack.schema, pack.tables)
    return Effects(
        harness_backends=backends,
        deleted={name: counts.deleted for name, counts in effects.items()},
        elsewhere={name: (it.inserted, it.updated) for name, it in effects.items() if name not in own},
        sequences={name: at for name, at in read_sequences(connection).items() if name not in fed},
        catalogue=catalogue_digest(connection),
    )


def drain(run: Rehearsal, *, finish: bool = False, everything: bool = True) -> list[ClientStatement]:
    """Take what the client witness claims since the last time, into the trace as well."""
    client, witnessing = run.client, run.the_witnessing()
    assert client is not None
    found = client.finish() if finish else client.drain(everything=everything)
    witnessing.statements += found
    run.the_trace().append(found, origin="subject")
    for told in client.redactions[witnessing.redactions_told :]:
        origin = f"subject {told.origin} {told.scenario} {told.attempt}".strip()
        run.recorder.record(SecretRedacted(secret=told.secret, origin=origin, form=told.form, position=0))
    witnessing.redactions_told = len(client.redactions)
    return found


def read_log(run: Rehearsal, scenario: str) -> None:
    """Read the server's log up to a mark of our own, which stands behind all that was logged before."""
    mark = leave_mark(run.the_witnessing().connection)
    _read_until(run, scenario, mark.is_in, "the engine's own mark")


def _read_until(run: Rehearsal, scenario: str, there: Callable[[list[ServerLine]], bool], what: str) -> None:
    witnessing = run.the_witnessing()
    assert run.server is not None
    deadline = time.monotonic() + LOG_PATIENCE_S
    new: list[ServerLine] = []
    while True:
        reading = run.server.read(scenario)
        new += reading.lines
        witnessing.irregularities += reading.irregularities
        if there(new):
            break
        if time.monotonic() > deadline:
            reason = f"the server's log did not show {what} within {LOG_PATIENCE_S:.0f} s"
            raise StepFailed(reason, cause="environment", gate="G-20")
        run.recorder.raise_if_requested()
        time.sleep(_LOG_POLL_S)
    new = [_redacted(run, line) for line in new if not _of_engine(run, line)]
    witnessing.lines += new
    run.the_trace().append(new, origin="server")


def _of_engine(run: Rehearsal, line: ServerLine) -> bool:
    """Tell whether a line is the engine's own; a session that the subject's roles begin may get a pid of one that was.

    The kernel gives pids anew (pid_max is 32768 in places), and each rewind has sessions of its own.
    """
    theirs = line.user in run.loaded.privileges.roles and line.user != run.loaded.pack.owner
    return line.pid in run.the_environment().engine_pids and not theirs


def _redacted(run: Rehearsal, line: ServerLine) -> ServerLine:
    """Take secrets out of what the server logged, under the names that the client witness uses."""
    if run.registry.secret_in(f"{line.sql}\0{line.message}") is None:
        return line
    text = run.registry.redact(line.sql, origin="server log")
    said = run.registry.redact(line.message, origin="server log")
    for found in run.registry.take_redactions():
        run.recorder.record(
            SecretRedacted(secret=found.secret, origin=found.origin, form=found.form, position=found.position)
        )
    if text == line.sql and said == line.message:
        return line
    return msgspec.structs.replace(line, sql=text, message=said)


def reconciled(run: Rehearsal) -> tuple[Reconciliation, tuple[Transaction, ...]]:
    """Return what both witnesses have told so far, one against the other, and the transactions that it makes."""
    witnessing, client = run.the_witnessing(), run.client
    assert client is not None
    found = reconcile(
        witnessing.statements, witnessing.lines, opened=[session.pid for session in client.sessions],
        engine_users=(),
    )  # fmt: skip
    ended = {line.session for line in witnessing.lines if line.kind == "disconnection"}
    defaults = {name: _default_isolation(role.settings) for name, role in run.loaded.privileges.roles.items()}
    done = transactions(
        found.witnessed, verbs_of=verbs_of, ended_sessions=ended,
        default_isolation={name: level for name, level in defaults.items() if level},
    )  # fmt: skip
    return found, done


def _default_isolation(settings: tuple[str, ...]) -> str:
    name = "default_transaction_isolation="
    return next((entry.removeprefix(name) for entry in settings if entry.startswith(name)), "")


def _evidence(
    run: Rehearsal,
    scenario: Scenario,
    reports: tuple[Report, ...],
    found: Reconciliation,
    done: tuple[Transaction, ...],
    rows: ScenarioRows,
) -> ScenarioEvidence:
    witnessing, client = run.the_witnessing(), run.client
    assert client is not None
    told = [
        {"name": one.name, "outcome": one.outcome, "type": one.type, "module": one.module,
         "message": one.message, "sqlstate": one.sqlstate, "frames": one.frames}
        for one in reports
    ]  # fmt: skip
    return gather(
        scenario.id, attempts=attempt_reports(scenario.id, told, client.windows), reconciliation=found,
        transactions=done, lines=witnessing.lines, statements=witnessing.statements,
        engine_users=(), rows_before=rows.before, rows_after=rows.after,
        rivals=[rival for rival in run.loaded.pack.rival if rival.scenario == scenario.id], faults=client.faults,
    )  # fmt: skip


def _remember_errors(run: Rehearsal, scenario: Scenario, evidence: ScenarioEvidence) -> None:
    reports: dict[str, AttemptReport] = {one.name: one for one in evidence.attempts or ()}
    for attempt in scenario.attempt:
        seen = seen_of(attempt.name, reports.get(attempt.name), evidence)
        states = tuple(
            one.sqlstate if isinstance(one, ServerLine) else one.server.sqlstate for one in seen.raised
        )
        if states:
            run.the_witnessing().raised[f"{scenario.id} {attempt.name}"] = states


def end_scenarios(run: Rehearsal) -> None:
    """End the harness, wait for the last word of each of its sessions, and reconcile everything."""
    environment, witnessing, client = run.the_environment(), run.the_witnessing(), run.client
    assert environment.harness is not None and client is not None
    environment.harness.end()
    survivors = _end_survivors(run)
    keep_isolation(run, "isolation.after")
    drain(run, finish=True)
    read_log(run, "")
    pids = {line.pid for line in witnessing.lines if line.kind == "connection"}
    if not sessions_ended(witnessing.lines, pids):
        _read_until(
            run, "", lambda new: sessions_ended([*witnessing.lines, *new], pids), "the end of each session"
        )
    found, done = reconciled(run)
    witnesses = _witnesses(run, found, done, survivors)
    run.recorder.fact("witnesses", witnesses, source="the client's trace; the server's jsonlog; /proc")
    run.recorder.fact(
        "effects.after", effects_of(run), source="pg_stat_user_tables; sequences; the catalogue"
    )


def _end_survivors(run: Rehearsal) -> list[str]:
    """End what outlived the harness and close its way to the copy, before anything is read for the last time."""
    place = run.harness_place
    if place is not None:
        run.the_environment().close_harness_way(place)
    deadline = time.monotonic() + SURVIVOR_GRACE_S
    while (found := strays(run)) and time.monotonic() < deadline:
        time.sleep(_LOG_POLL_S)
    for identity in found:
        end_process(identity, ask=signal.SIGKILL, patience_s=SURVIVOR_PATIENCE_S)
    return [f"process {identity.split(':', 1)[0]} of the subject outlived the harness" for identity in found]


def look_once_more(run: Rehearsal) -> None:
    """Read the server's log again when all else has been looked at: nobody but the engine may have come.

    Raises StepFailed at G-20 naming what came late.
    """
    witnessing = run.the_witnessing()
    before = len(witnessing.lines)
    read_log(run, "")
    late = [line for line in witnessing.lines[before:] if line.user]
    witnessing.closing.close()
    if late:
        first = late[0]
        what = first.sql or first.message or first.kind
        raise StepFailed(
            f"backend {first.pid} ({first.user}) came to the copy after the scenarios: {shortened(what)}",
            cause="subject",
            gate="G-20",
        )


def _witnesses(
    run: Rehearsal, found: Reconciliation, done: tuple[Transaction, ...], survivors: list[str]
) -> Witnesses:
    witnessing, client = run.the_witnessing(), run.client
    assert client is not None
    by_kind: dict[str, list[str]] = {"only_server": [], "only_client": [], "session": [], "other": []}
    for difference in found.differences:
        kind = difference.kind if difference.kind in by_kind else "other"
        by_kind[kind].append(difference.sentence)
    left_open = [
        f"the harness's end left a transaction of backend {one.pid} ({one.principal}) open: "
        f"{shortened(one.opener.server.sql)}"
        for one in done
        if not scenario_of(one) and lost_with_its_session(one)
    ]
    expected = {
        f"{scenario.id} {attempt.name}": attempt.server_errors
        for scenario in run.loaded.pack.scenario
        for attempt in scenario.attempt
        if attempt.server_errors
    }
    return Witnesses(
        client_statements=len(witnessing.statements),
        server_statements=len(found.witnessed),
        explained=len(found.explained),
        only_client=tuple(by_kind["only_client"]),
        only_server=tuple(by_kind["only_server"]),
        differences=(
            *by_kind["other"],
            *witnessing.irregularities,
            *client.irregularities,
            *left_open,
            *survivors,
            *outside_every_scenario(found.witnessed),
            *belied_by_the_server(done),
        ),
        unexplained_sessions=tuple(by_kind["session"]),
        errors_expected=expected,
        errors_raised=dict(witnessing.raised),
    )
