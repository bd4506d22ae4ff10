"""C-10 and C-11 of the plan `migration`: each migration looked at around every statement, and what there is afterwards.

The harness waits before and after each statement while the engine looks at locks and storage from a session of its
own. Nothing is installed in the copy for that: a trigger of ours would change the thing under test.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import psycopg

from console.engine.migration_files import planned
from console.engine.rehearsal import Rehearsal
from console.engine.rehearsing import drain, look_once_more, prepare_scenarios, read_log, reconciled
from console.engine.statements import verbs_of
from console.engine.verifying import look_at_source, scan_records, verify
from console.environments.harness_talk import Report
from console.errors import StepFailed
from console.model.beside_facts import Beside
from console.model.event import ScenarioFinished
from console.model.migration_facts import Migrated, OwnedElsewhere, SchemaState
from console.model.text import one_line
from console.model.trace import ClientStatement, ServerLine
from console.sql import EngineConnection
from console.sql import run as run_sql
from console.witness.asked_rights import not_allowed
from console.witness.beside import UNTIMED, begun_with, give
from console.witness.beyond import read_after, read_bare_schema, read_before
from console.witness.catalogue import read_rows as read_all_rows
from console.witness.lock_clock import covered_s
from console.witness.migration import Lock, Look, Looks, Relation, Snapshot, migrated
from console.witness.migration_ends import of_others, uncommitted
from console.witness.schema_state import read_books, read_rows_below, read_schema_state
from console.witness.under_way import UnderWay

UNDEFINED_OBJECT = "42704"

LOOK_S = 0.02
"""So often are a statement's locks looked at while it runs: every 20 ms, and more seldom the longer it takes."""

UNHEARD = "-c log_statement=none -c log_min_messages=panic"
"""For the session that sends the source's settings: a value may be a secret, and the log is kept."""

_SOURCE = "both traces; pg_locks, pg_class and the database's folder, from the engine's own session"
_WHOLE = "the copy's whole catalogue, from the engine's own session"


@dataclass(kw_only=True)
class MigrationWatch:
    """The looks at one migration while it runs."""

    run: Rehearsal
    connection: EngineConnection
    looks: list[Look] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)
    known: set[int] = field(default_factory=set)
    under_way: UnderWay = field(default_factory=UnderWay)
    newest: dict[int, int] = field(default_factory=dict)

    def begin(self) -> None:
        """Look before the first statement."""
        self.known = set(self._look(0, "after").files or ())
        self._keep_relations(0)

    def at_checkpoint(self, said: str) -> None:
        """Look while the harness waits before or after a statement. Raises StepFailed for any other word."""
        when, _space, number = said.partition(" ")
        if when not in ("before", "after") or not number.isdecimal():
            raise StepFailed(
                f"the harness stopped at {one_line(said)!r}, which is no statement", cause="subject"
            )
        n = int(number)
        drain(self.run, everything=False)
        look = self._look(n, "before" if when == "before" else "after")
        backend = self._backend_of(n)
        for other in self.under_way.statements(self._is_out, but=backend):
            if other != n:
                self._keep(
                    replace(look, n=other, when="during", files=None, pause_s=0.0, waiting=frozenset())
                )
        now = time.monotonic()
        if when == "after":
            self.under_way.end(n, now)
        elif backend is not None:
            self.under_way.begin(n, backend, now)
        if look.files is not None and look.files.keys() - self.known and not any(look.locks.values()):
            self._keep_relations(n)
            self.known |= look.files.keys()

    def glance(self) -> None:
        """Look at the statements under way, and take what the client witness has written."""
        drain(self.run, everything=False)
        now = time.monotonic()
        first, *others = self.under_way.statements(self._is_out) or (0,)
        if first and self.under_way.due((first, *others), now):
            look = self._look(first, "during")
            for n in others:
                self._keep(replace(look, n=n, times=1))
            self.under_way.looked(now)

    def _backend_of(self, n: int) -> int | None:
        assert self.run.client is not None
        return self.run.client.backend_of(n)

    def _is_out(self, n: int) -> bool:
        return self._backend_of(n) is not None

    def finish(self) -> None:
        """Look once more when the migration is over: what it left is committed."""
        last = max((look.n for look in self.looks), default=0)
        self._keep_relations(last)

    def _look(self, n: int, when: Literal["before", "during", "after"]) -> Look:
        began = time.monotonic()
        locks: dict[int, set[Lock]] = {}
        writing: set[int] = set()
        waiting: set[int] = set()
        engines = sorted(self.run.the_environment().engine_pids)
        for pid, writes, waits, relation, mode in run_sql(
            self.connection, "migration/locks", {"engines": engines}
        ):
            writing |= {pid} if writes else set()
            waiting |= {pid} if waits and when != "during" else set()
            locks.setdefault(pid, set()).update({(relation, mode)} if relation is not None else ())
        files = dict(run_sql(self.connection, "migration/storage_files")) if when == "after" else None
        look = Look(
            n=n, when=when, locks={pid: frozenset(held) for pid, held in locks.items()}, files=files,
            pause_s=time.monotonic() - began, writing=frozenset(writing), waiting=frozenset(waiting),
        )  # fmt: skip
        return self._keep(look)

    def _keep(self, look: Look) -> Look:
        """Keep a look; one that saw what the last one at the statement saw is counted there."""
        at = self.newest.get(look.n)
        last = self.looks[at] if at is not None else None
        if (
            last is not None
            and replace(last, pause_s=look.pause_s, times=1) == look
            and look.when == "during"
        ):
            self.looks[self.newest[look.n]] = replace(last, times=last.times + 1)
        else:
            self.newest[look.n] = len(self.looks)
            self.looks.append(look)
        return look

    def _keep_relations(self, n: int) -> None:
        rows = run_sql(self.connection, "migration/relations")
        relations = {
            oid: Relation(name=name, kind=kind, table=table, filenode=filenode, size_bytes=size_bytes)
            for oid, name, kind, table, filenode, size_bytes in rows
        }
        self.snapshots.append(Snapshot(n=n, relations=relations))


def prepare_migrations(run: Rehearsal) -> None:
    """C-10: the engine's own session, what is declared, and the whole state before the first migration."""
    _give_what_stands_beside(run)
    prepare_scenarios(run)
    run.recorder.fact(
        "migrations.planned",
        planned(run.loaded, irreversible=run.config.migration.irreversible),
        source="the pack's pack.toml; the subject's files",
    )
    state = _keep_state(run, "state.before")
    run.before_migrations = read_before(run.the_witnessing().connection, state.values)
    run.recorder.fact("beyond.before", run.before_migrations.fact(), source=_WHOLE)


def _give_what_stands_beside(run: Rehearsal) -> None:
    """Before anything is looked at, the copy gets what the source has beside its dump, where that is known."""
    if run.beside is None:
        return
    with run.the_environment().connect(run.database, options=UNHEARD) as connection:
        found = give(connection, run.beside, role=run.loaded.pack.owner, database=run.database)
    try:
        with run.the_environment().connect_as_owner(
            run.database, run.loaded.pack.owner, options=UNTIMED
        ) as connection:
            found = begun_with(connection, run.beside, found)
    except psycopg.OperationalError as wrong:
        what = f"with the source's settings no session of {run.loaded.pack.owner} begins on the copy"
        reason = f"{what}: {one_line(str(wrong))}"
        raise StepFailed(reason, cause="environment") from wrong
    run.recorder.fact("beside.copy", found, source="the copy's catalogue, read back; a session of the owner")


def _keep_state(run: Rehearsal, name: str) -> SchemaState:
    state = read_schema_state(
        run.the_witnessing().connection, roles=sorted(run.loaded.privileges.roles), schema=run.loaded.pack.schema,
        database=run.database,
    )  # fmt: skip
    run.recorder.fact(name, state, source="the copy's catalogue, exact counts, sums over every row")
    return state


def run_migration(run: Rehearsal, scenario: str) -> None:
    """Run one migration in one direction; record what it did and how it ended."""
    began = time.monotonic()
    connection = run.the_witnessing().connection
    rows, books = read_rows(connection), _books(run)
    watch = MigrationWatch(run=run, connection=connection)
    watch.begin()
    report, failed = _perform(run, scenario, watch)
    over_at = time.time()
    drain(run)
    watch.finish()
    read_log(run, scenario)
    drain(run)
    own = [one for one in run.the_witnessing().statements if one.scenario == scenario]
    earliest = run.relations_before.setdefault(scenario[:1], watch.snapshots[0])
    fact = _fact(
        run, scenario, own, report, Looks(watch.looks, watch.snapshots, rows, over_at, earliest), books
    )
    run.recorder.fact(f"migrated.{scenario}", fact, source=_SOURCE)
    reason, culprit = _reason(run, scenario, fact, failed, own)
    cause = failed.cause if failed else "subject"
    if absent := role_that_only_the_source_has(_errors(run, scenario), run.beside):
        cause = "environment"
        reason += f"; the source has the role {absent}, and the copy has those of frozen/privileges.json: name it there"
    run.recorder.record(
        ScenarioFinished(
            scenario=scenario, verdict="FAIL" if reason else "PASS", reason=reason, culprit=culprit,
            findings=(reason,) if reason else (), cause=cause if reason else None,
            duration_ms=int((time.monotonic() - began) * 1000), statements=len(own),
        ),
        origin="subject",
    )  # fmt: skip
    if not reason:
        _keep_state_after(run, scenario)


def read_rows(connection: EngineConnection) -> dict[str, int]:
    """Return the planner-independent row count of every user table by schema.name."""
    found = read_all_rows(connection)
    return found | read_rows_below(connection, found)


def _perform(run: Rehearsal, scenario: str, watch: MigrationWatch) -> tuple[Report | None, StepFailed | None]:
    harness = run.the_environment().harness
    assert harness is not None
    try:
        reports = harness.run(
            scenario, timeout_s=float(run.loaded.pack.scenario_timeout_s), abort=run.recorder,
            meanwhile=watch.glance, at_checkpoint=watch.at_checkpoint, poll_s=LOOK_S,
        )  # fmt: skip
    except StepFailed as failed:
        return None, failed
    return (reports[0] if len(reports) == 1 else None), None


def _fact(
    run: Rehearsal, scenario: str, own: list[ClientStatement], report: Report | None, looks: Looks,
    books: Mapping[str, str] | None,
) -> Migrated:  # fmt: skip
    found = migrated(own, looks, verbs_of=verbs_of)
    _reconciliation, done = reconciled(run)
    [(superuser,)] = run_sql(
        run.the_witnessing().connection, "migration/role_is_superuser", {"role": run.loaded.pack.owner}
    )
    return Migrated(
        outcome=report.outcome if report else "told nothing",
        error=f"{report.type}: {one_line(report.message, limit_chars=500)}" if report and report.type else "",
        server_errors=tuple(_said(line) for line in _errors(run, scenario)),
        superuser=superuser,
        duration_ms=round(covered_s(looks.span(one) for one in own) * 1000),
        statements=found.statements, transactions=found.transactions, held=found.held, replaced=found.replaced,
        uncommitted=uncommitted(done, scenario, looks, verbs_of=verbs_of),
        others=of_others(
            run.the_witnessing().lines, scenario, role=run.loaded.pack.owner, database=run.database
        ),
        booked=changed(books, _books(run)),
        not_allowed=_not_allowed(run, own),
    )  # fmt: skip


def _not_allowed(run: Rehearsal, own: list[ClientStatement]) -> tuple[str, ...]:
    """Return what a migration's own statements ask a right for that the role does not have in the source."""
    words, elsewhere = run.loaded.pack.migration, _elsewhere(run)
    schema = read_bare_schema(
        run.the_witnessing().connection, run.loaded.pack.owner, elsewhere,
        own_session=words is not None and words.kind == "sql",
    )  # fmt: skip
    return not_allowed([one.sql for one in own if not one.sqlstate], elsewhere.objects, schema=schema)


def _elsewhere(run: Rehearsal) -> OwnedElsewhere:
    """Return what the role does not own in the source; nothing where nobody told, and M-8 is UNKNOWN then."""
    known = run.recorder.state.facts.get("owned.elsewhere")
    return OwnedElsewhere(**known) if known is not None else OwnedElsewhere(relations=(), objects=())


def _books(run: Rehearsal) -> dict[str, str] | None:
    words = run.loaded.pack.migration
    assert words is not None
    return read_books(run.the_witnessing().connection, words.bookkeeping, kind=words.kind)


def changed(before: Mapping[str, str] | None, after: Mapping[str, str] | None) -> tuple[str, ...] | None:
    """Return the tables whose sums differ or that only one side has; None where one side was not read."""
    if before is None or after is None:
        return None
    return tuple(sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name)))


def role_that_only_the_source_has(errors: Sequence[ServerLine], source: Beside | None) -> str:
    """Return the role that the first error says does not exist, though the source has it; "" for any other error."""
    if source is None or not errors or errors[0].sqlstate != UNDEFINED_OBJECT:
        return ""
    return next((name for name in source.roles if errors[0].message == f'role "{name}" does not exist'), "")


def _errors(run: Rehearsal, scenario: str) -> list[ServerLine]:
    return [line for line in run.the_witnessing().lines if line.kind == "error" and line.scenario == scenario]


def _said(line: ServerLine) -> str:
    return f"{one_line(line.message, limit_chars=400)} (SQLSTATE {line.sqlstate})"


def _reason(
    run: Rehearsal, scenario: str, fact: Migrated, failed: StepFailed | None, own: list[ClientStatement]
) -> tuple[str, str]:
    """Return why a migration failed, "" when it did not, and the line of the subject that sent the statement."""
    title = next(one.title for one in run.loaded.pack.scenario if one.id == scenario)
    refused = next((one for one in own if one.sqlstate), None)
    culprit = refused.callers[0] if refused is not None and refused.callers else ""
    for line in _errors(run, scenario)[:1]:
        return f"{_said(line)}: raised by the server in {title}, at {one_line(line.sql)}", culprit
    if failed is not None:
        return failed.reason, culprit
    if fact.outcome != "returned":
        return f"{title} {fact.outcome}{': ' if fact.error else ''}{fact.error}", culprit
    if not own:
        return f"{title} sent not one statement", culprit
    return "", ""


def _keep_state_after(run: Rehearsal, scenario: str) -> None:
    """Keep the whole state when the last up or the last down is over."""
    scenarios = [one.id for one in run.loaded.pack.scenario]
    following = scenarios[scenarios.index(scenario) + 1 :][:1]
    if scenario.startswith("U") and not (following and following[0].startswith("U")):
        _keep_beyond(run, "beyond.up", _keep_state(run, "state.up"))
    elif not following:
        _keep_beyond(run, "beyond.down", _keep_state(run, "state.down"))


def _keep_beyond(run: Rehearsal, name: str, state: SchemaState) -> None:
    assert run.before_migrations is not None
    elsewhere = _elsewhere(run) if "owned.elsewhere" in run.recorder.state.facts else None
    found = read_after(run.the_witnessing().connection, run.before_migrations, elsewhere, state.values)
    run.recorder.fact(name, found, source=_WHOLE)


def verify_migrations(run: Rehearsal) -> None:
    """C-11: what is there after the downs must be what was frozen; without a way back only source and records."""
    if not run.config.migration.irreversible:
        verify(run)
        return
    look_at_source(run)
    look_once_more(run)
    scan_records(run)
