"""The copy made anew between scenarios: a template of what was prepared, and the way back to it.

Owns the template from C-08 on and when a run stops for it. Never ends anybody's session to have its way: a connection
that a scenario leaves open is that scenario's fault. What the subject did before a rewind is looked at before it is
dropped, and what it finds afterwards is measured, never taken over from the template.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import psycopg
from psycopg import sql

from console.engine.durability import undurable
from console.engine.grounding import deny_probes, found_privileges, make_context
from console.engine.isolating import require_gate
from console.engine.long_steps import unless_aborted
from console.engine.rehearsal import Rehearsal
from console.engine.rehearsing import WITNESS_OPTIONS, effects_of, open_session, read_log, run_scenario
from console.environments.cloning import shares_blocks
from console.errors import Cause, StepFailed
from console.gates.checks_rewind import without_those_per_database
from console.gates.checks_scenarios import rows_left
from console.gates.checks_witnesses import effects_on_one_copy
from console.gates.sentences import first_few, unequal
from console.model.facts import Effects
from console.model.rewind_facts import AfterScenario, Prepared, Rewound, Template
from console.model.rewinds import REWIND_NOTE
from console.model.text import one_line
from console.model.trace import ServerLine
from console.sql import EngineConnection
from console.sql import run as run_sql
from console.witness.catalogue import count_rows, read_inventory, read_sequences
from console.witness.effects import catalogue_digest
from console.witness.privileges import setting_parts
from console.witness.reconcile import shortened

FRESH, UNTOUCHED, EFFECTS, ROWS = "G-27", "G-28", "G-20", "G-15"
TEMPLATE_NAME = "drydock_prepared"
TEMPLATE_NOTE = "template"
LEAVE_PATIENCE_S = 5.0
"""For backends to end whose clients have closed: as long as DROP DATABASE itself waits (CountOtherDBBackends)."""
QUIET_PATIENCE_S = 10.0
_POLL_S = 0.01
_NOT_DONE = psycopg.errors.DiskFull, psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable
_LOOKED_AT = "pg_database, pg_stat_database, pg_stat_file"
_KEYWORDS = {"CONNECT", "CREATE", "TEMPORARY"}
"""Every privilege that there is on a database."""


def make_rewindable_context(run: Rehearsal) -> None:
    """C-08: the template where the plan rewinds, made while nothing of the subject's runs yet; then as in every run."""
    if not run.plan.rewound:
        make_context(run)
        return
    _keep_template(run)
    make_context(run)
    _await_quiet(run)


def run_scenario_on_its_copy(run: Rehearsal, scenario: str) -> None:
    """Rewind the copy where the plan says so, run the scenario, and look at the template when it is over."""
    if scenario in run.plan.rewound:
        _rewind(run, scenario)
    run_scenario(run, scenario)
    if run.plan.rewound:
        connection = run.the_witnessing().connection
        found = AfterScenario(template=_look(connection, template_name(run)), oid=_oid(run, connection))
        run.recorder.fact(f"template.{scenario}", found, source=_LOOKED_AT)


def template_name(run: Rehearsal) -> str:
    """Return the template's name, which is never the copy's own."""
    return TEMPLATE_NAME if run.database != TEMPLATE_NAME else f"{TEMPLATE_NAME}_too"


def _keep_template(run: Rehearsal) -> None:
    """Look at the prepared copy, then make the template of it while nobody is connected."""
    began, name = time.monotonic(), template_name(run)
    with run.the_environment().connect(run.database) as connection:
        rows = _count(run, connection)
        sequences = read_sequences(connection)
        catalogue = without_those_per_database(catalogue_digest(connection))
    refused = _answered("the template cannot be made", in_use="environment")
    with undurable(run), _administering(run) as connection, refused:
        [(elsewhere,)] = run_sql(connection, "rewind/own_tablespaces")
        if elsewhere:
            reason = f"the copy's server has {elsewhere} tablespaces of its own, and a template's files could be there"
            raise StepFailed(reason, cause="environment", gate=UNTOUCHED)
        words, oid = _database_words(run, connection), _oid(run, connection)
        way = _choose_way(run, connection)
        parts = {"template": sql.Identifier(name), "database": sql.Identifier(run.database)}
        unless_aborted(
            run.recorder, connection, lambda: run_sql(connection, "rewind/create_template", parts=parts)
        )
        run_sql(connection, "privileges/revoke_public_database", parts={"object": sql.Identifier(name)})
        template = _look(connection, name)
    prepared = Prepared(
        rewound=run.plan.rewound, rows=rows, sequences=sequences, catalogue=catalogue, database=words,
        oid=oid, template=template,
    )  # fmt: skip
    run.recorder.fact("prepared", prepared, source=f"exact counts; the catalogue; {_LOOKED_AT}")
    took_ms = int((time.monotonic() - began) * 1000)
    told = {"way": way, "took_ms": took_ms, "size_bytes": template.size_bytes}
    run.recorder.note(TEMPLATE_NOTE, told)


def _await_quiet(run: Rehearsal) -> None:
    """Return when a change of the template's files could not fall into the second of the last one any more.

    Raises StepFailed (environment, G-28) when that does not come.
    """
    deadline = time.monotonic() + QUIET_PATIENCE_S
    name = template_name(run)
    with run.the_environment().connect() as connection:
        folder = _folder(connection, name)
        while not run_sql(connection, "rewind/template_files", {"folder": folder})[0][3]:
            if time.monotonic() > deadline:
                reason = f"the template's files still change {QUIET_PATIENCE_S:.0f} s after they were made"
                raise StepFailed(reason, cause="environment", gate=UNTOUCHED)
            run.recorder.raise_if_requested()
            time.sleep(_POLL_S)


def _rewind(run: Rehearsal, scenario: str) -> None:
    """Make the copy anew as it was prepared, and record what was dropped and what is there instead."""
    run.recorder.raise_if_requested()
    began, witnessing = time.monotonic(), run.the_witnessing()
    _require_nobody(run, scenario)
    read_log(run, "")
    seen = len(witnessing.lines)
    ended, before = effects_of(run), _look(witnessing.connection, template_name(run))
    _require_same_template(run, scenario, before)
    _require_no_effects(run, scenario, ended)
    left = _rows_left(run, scenario)
    copying_began = time.monotonic()
    way, dropped = _make_anew(run, scenario)
    copied_ms = int((time.monotonic() - copying_began) * 1000)
    witnessing.connection, witnessing.closing = open_session(run)
    witnessing.by_catalogue.clear()
    witnessing.live = None
    read_log(run, "")
    came = _visits(witnessing.lines[seen:])
    rewound = _measured(run, ended=ended, left=left, before=before, dropped=dropped, visitors=_visitors(came))
    run.recorder.fact(f"rewound.{scenario}", rewound, source=f"the engine's own looks; {_LOOKED_AT}")
    took_ms = int((time.monotonic() - began) * 1000)
    run.recorder.note(f"{REWIND_NOTE}{scenario}", {"way": way, "took_ms": took_ms, "copied_ms": copied_ms})
    if rewound.visitors:
        reason = f"{first_few(rewound.visitors)} came while the copy was rewound before {scenario}"
        raise StepFailed(reason, cause=_fault_of(run, {line.user for line in came}), gate=FRESH)
    for gate in (FRESH, UNTOUCHED):
        require_gate(run, gate)


def _visits(lines: list[ServerLine]) -> list[ServerLine]:
    """Return what anybody did between two scenarios, or tried to; the end of a session that was gone is nothing."""
    return [line for line in lines if line.user and line.kind != "disconnection"]


def _visitors(came: list[ServerLine]) -> tuple[str, ...]:
    said = (f"backend {it.pid} ({it.user}): {shortened(it.sql or it.message or it.kind)}" for it in came)
    return tuple(dict.fromkeys(one_line(words, limit_chars=300) for words in said))


def _fault_of(run: Rehearsal, users: Iterable[str]) -> Cause:
    """Return whose fault it is that somebody is there: the subject's when one of its roles is among them."""
    return "subject" if any(user in run.loaded.privileges.roles for user in users) else "environment"


def _require_no_effects(run: Rehearsal, scenario: str, ended: Effects) -> None:
    """Raise StepFailed (subject, G-20) where the copy that is to be dropped was changed as it may not be.

    What reaches beyond that copy, such as a role's own attributes, would else look like the new copy's fault.
    """
    if ended.harness_backends:
        reason = (
            f"{ended.harness_backends} sessions of the subject's roles came when the copy was to be rewound"
        )
        raise StepFailed(f"{reason} before {scenario}", cause="subject", gate=FRESH)
    facts, order = run.recorder.state.facts, list(run.plan.scenarios)
    earlier = [one for one in run.plan.rewound if order.index(one) < order.index(scenario)]
    since, began = order[0], msgspec.convert(facts["effects.before"], Effects)
    if earlier:
        since = earlier[-1]
        began = msgspec.convert(facts[f"rewound.{since}"], Rewound).began
    if faults := effects_on_one_copy(since, began, ended):
        raise StepFailed(first_few(faults), cause="subject", gate=EFFECTS)


def _rows_left(run: Rehearsal, scenario: str) -> dict[str, int]:
    """Count what is to be dropped. Raises StepFailed (subject, G-15) where rows came or went after the last count."""
    previous = run.plan.scenarios[run.plan.scenarios.index(scenario) - 1]
    left = _count(run, run.the_witnessing().connection)
    if faults := rows_left(previous, run.recorder.state.facts[f"rows.{previous}"]["after"], left):
        raise StepFailed(first_few(faults), cause="subject", gate=ROWS)
    return left


def _require_same_template(run: Rehearsal, scenario: str, found: Template) -> None:
    """Raise StepFailed (subject, G-28) before anything is copied from a template that is not the one that was made."""
    made = msgspec.convert(run.recorder.state.facts["prepared"], Prepared).template
    if found != made:
        differences = unequal(msgspec.structs.asdict(made), msgspec.structs.asdict(found))
        reason = first_few(f"before {scenario} the template's {it}" for it in differences)
        raise StepFailed(reason, cause="subject", gate=UNTOUCHED)


def _measured(
    run: Rehearsal,
    *,
    ended: Effects,
    left: dict[str, int],
    before: Template,
    dropped: str,
    visitors: tuple[str, ...],
) -> Rewound:
    """Return the fact of one rewind, with all that the new copy is found to be."""
    pack = run.loaded.pack
    with run.the_environment().connect(run.database) as connection:
        privileges = found_privileges(run, connection)
        probes = deny_probes(run, connection)
        inventory = read_inventory(connection, pack.schema, pack.tables)
        sequences = read_sequences(connection)
        words = _database_words(run, connection)
        made = _oid(run, connection)
    after = _look(run.the_witnessing().connection, template_name(run))
    return Rewound(
        ended=ended, left=left, began=effects_of(run), sequences=sequences, database=words, privileges=privileges,
        probes=probes, inventory=inventory, before=before, after=after, dropped=dropped, made=made, visitors=visitors,
    )  # fmt: skip


def _require_nobody(run: Rehearsal, scenario: str) -> None:
    """Return when no session is left in the copy, nor one of the subject's roles anywhere.

    Raises StepFailed (G-27) naming those that stay: the subject's fault when one of its roles is among them.
    """
    connection, roles = run.the_witnessing().connection, sorted(run.loaded.privileges.roles)
    deadline = time.monotonic() + LEAVE_PATIENCE_S
    while left := run_sql(connection, "rewind/sessions", {"database": run.database, "roles": roles}):
        if time.monotonic() > deadline:
            break
        run.recorder.raise_if_requested()
        time.sleep(_POLL_S)
    else:
        return
    order = run.plan.scenarios
    previous = order[order.index(scenario) - 1]
    told = first_few(_session_words(*one) for one in left)
    raise StepFailed(
        f"{LEAVE_PATIENCE_S:.0f} s after {previous} the copy cannot be rewound before {scenario}, because somebody is "
        f"still connected: {told}; close every connection at the end of a scenario",
        cause=_fault_of(run, [one[1] for one in left]), gate=FRESH,
    )  # fmt: skip


def _session_words(pid: int, role: str, state: str, since_s: int, in_transaction: bool) -> str:
    open_ = ", with a transaction open" if in_transaction else ""
    return f"backend {pid} ({one_line(role, limit_chars=63)}) {state} for {since_s} s{open_}"


def _make_anew(run: Rehearsal, scenario: str) -> tuple[str, str]:
    """Drop the copy's database and make it anew; return how it was copied, and the oid of the dropped one.

    It is open again only when the server is as durable as before.
    """
    database = sql.Identifier(run.database)
    what = f"the copy cannot be rewound before {scenario}"
    with _administering(run) as connection:
        run_sql(connection, "rewind/close_copy", parts={"database": database})
    _require_nobody(run, scenario)
    run.the_witnessing().closing.close()
    with undurable(run), _administering(run) as connection, _answered(what, in_use="subject"):
        dropped = _oid(run, connection)
        words = _database_words(run, connection)
        settings = run_sql(connection, "rewind/database_settings", {"database": run.database})
        grants = run_sql(connection, "rewind/database_grants", {"database": run.database})
        way = _choose_way(run, connection)
        run_sql(connection, "rewind/drop_copy", parts={"database": database})
        made = {
            "database": database, "template": sql.Identifier(template_name(run)),
            "owner": sql.Identifier(words["owner"]), "limit": sql.Literal(int(words["datconnlimit"])),
        }  # fmt: skip
        unless_aborted(
            run.recorder, connection, lambda: run_sql(connection, "rewind/create_copy", parts=made)
        )
        if words["privileges"]:
            _grant(run, connection, grants)
        _set(run, connection, settings)
    with _administering(run) as connection:
        run_sql(connection, "rewind/allow_connections", parts={"database": database})
    return way, dropped


def _set(run: Rehearsal, connection: EngineConnection, settings: list[tuple[Any, ...]]) -> None:
    """Give the database the settings that the dropped one had, of roles in it and of everybody."""
    for role, entry in settings:
        parts = {"database": sql.Identifier(run.database), **setting_parts(entry)}
        if role:
            parts |= {"role": sql.Identifier(role)}
        file = "privileges/set_role_setting_in_database" if role else "rewind/set_database_setting"
        run_sql(connection, file, parts=parts)


def _grant(run: Rehearsal, connection: EngineConnection, grants: list[tuple[Any, ...]]) -> None:
    """Give the database the privileges that the dropped one had; what cannot be given so, G-27 finds missing."""
    database = sql.Identifier(run.database)
    run_sql(connection, "privileges/revoke_public_database", parts={"object": database})
    for grantee, privilege in grants:
        if privilege in _KEYWORDS:
            to = sql.SQL("PUBLIC") if grantee == "PUBLIC" else sql.Identifier(grantee)
            parts = {"privilege": sql.SQL(privilege), "object": database, "grantee": to}
            run_sql(connection, "privileges/grant_database", parts=parts)


@contextmanager
def _administering(run: Rehearsal) -> Iterator[EngineConnection]:
    """Open a session beside the copy's database; what it sends is in the trace, and ends within a step's time."""
    limit_ms = int(run.config.limits.step_timeout_s * 1000)
    options = f"{WITNESS_OPTIONS} -c statement_timeout={limit_ms}"
    with run.the_environment().connect(options=options) as connection:
        connection.observer = lambda ran: run.observe("copy", ran)
        yield connection


@contextmanager
def _answered(what: str, *, in_use: Cause) -> Iterator[None]:
    """Give what the server refuses its cause: somebody is connected, there is no room, it takes too long."""
    try:
        yield
    except psycopg.errors.ObjectInUse as refused:
        reason = f"{what}: {one_line(str(refused), limit_chars=300)}"
        raise StepFailed(reason, cause=in_use, gate=FRESH) from refused
    except _NOT_DONE as failed:
        reason = f"{what}: {one_line(str(failed), limit_chars=300)}"
        raise StepFailed(reason, cause="environment", gate=FRESH) from failed


def _choose_way(run: Rehearsal, connection: EngineConnection) -> str:
    """Let this session copy files in the cheapest way that server and file system have, and return its words."""
    methods = [method for (method,) in run_sql(connection, "rewind/copy_methods")]
    if "clone" not in methods:
        return f"FILE_COPY, every block copied (PostgreSQL {connection.info.server_version // 10_000} cannot clone)"
    run_sql(connection, "rewind/set_copy_method", parts={"method": sql.Literal("clone")})
    how = "blocks shared where the engine's file system can"
    if run.the_environment().kind == "embedded":
        shared = shares_blocks(run.places.work)
        how = (
            "blocks shared"
            if shared
            else "every block copied by the kernel: the file system cannot share them"
        )
    return f"FILE_COPY, file_copy_method = clone, {how}"


def _database_words(run: Rehearsal, connection: EngineConnection) -> dict[str, str]:
    return dict(run_sql(connection, "rewind/database_words", {"database": run.database}))


def _count(run: Rehearsal, connection: EngineConnection) -> dict[str, int]:
    return count_rows(connection, run.loaded.pack.schema, run.loaded.pack.tables)


def _oid(run: Rehearsal, connection: EngineConnection) -> str:
    [(oid,)] = run_sql(connection, "rewind/database_oid", {"database": run.database})
    return str(oid)


def _folder(connection: EngineConnection, name: str) -> str:
    [(oid, *_others)] = run_sql(connection, "rewind/template", {"template": name})
    return f"base/{oid}"


def _look(connection: EngineConnection, name: str) -> Template:
    """Return the template as it is now. Raises StepFailed (subject, G-28) when it is gone."""
    found = run_sql(connection, "rewind/template", {"template": name})
    if not found:
        raise StepFailed(f"the template {name} is gone", cause="subject", gate=UNTOUCHED)
    [(oid, version, connectable, is_template, of_superuser, grantees, settings, sessions)] = found
    try:
        [(files, size_bytes, sha256, _quiet)] = run_sql(
            connection, "rewind/template_files", {"folder": f"base/{oid}"}
        )
    except psycopg.errors.UndefinedFile as gone:
        reason = f"files of the template {name} are gone: {one_line(str(gone), limit_chars=200)}"
        raise StepFailed(reason, cause="subject", gate=UNTOUCHED) from gone
    return Template(
        name=name, oid=oid, version=version, connectable=connectable, is_template=is_template,
        of_superuser=of_superuser, grantees=tuple(grantees), settings=settings, sessions=sessions, files=files,
        size_bytes=size_bytes, sha256=sha256,
    )  # fmt: skip
