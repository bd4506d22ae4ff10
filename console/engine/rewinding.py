"""The copy made anew between scenarios: when a run stops for it, what it looks at before, and what it finds afterwards.

Owns the order of a rewind. Never ends anybody's session to have its way: a connection that a scenario leaves open is
that scenario's fault. What the subject did before a rewind is looked at when nobody can come any more and before it is
dropped, and what it finds afterwards is measured, never taken over from the template.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import NamedTuple

import msgspec
from psycopg import sql

from console.engine.copy_database import (
    FRESH,
    administering,
    database_oid,
    database_words,
    make_copy_anew,
    template_name,
)
from console.engine.grounding import deny_probes, found_privileges, make_context
from console.engine.isolating import require_gate
from console.engine.last_count import rows_written_since
from console.engine.rehearsal import Rehearsal
from console.engine.rehearsing import effects_of, open_session, read_log, run_scenario
from console.engine.rewind_template import (
    LOOKED_AT,
    UNTOUCHED,
    await_quiet,
    content_read_beside,
    keep_template,
    look_at_template,
)
from console.engine.verifying import verify
from console.errors import Cause, StepFailed
from console.gates.checks_scenarios import rows_left, rows_written
from console.gates.checks_witnesses import effects_on_one_copy
from console.gates.sentences import first_few, unequal
from console.model.facts import Effects
from console.model.rewind_facts import AfterScenario, Prepared, Rewound, Template
from console.model.rewinds import REWIND_NOTE
from console.model.text import one_line
from console.model.trace import ServerLine
from console.sql import run as run_sql
from console.witness.catalogue import count_rows, read_inventory, read_sequences
from console.witness.effects import digest_of_catalogue
from console.witness.reconcile import shortened

EFFECTS, ROWS = "G-20", "G-15"
LEAVE_PATIENCE_S = 5.0
"""For backends to end whose clients have closed: as long as DROP DATABASE itself waits (CountOtherDBBackends)."""
_POLL_S = 0.01
_OF_DATABASES = "pg_database"


class _LastLook(NamedTuple):
    """What a copy was when nobody could come to it any more: its effects, its rows, and those written late."""

    ended: Effects
    left: dict[str, int]
    written: dict[str, int]


def make_rewindable_context(run: Rehearsal) -> None:
    """C-08: the template where the plan rewinds, made while nothing of the subject's runs yet; then as in every run."""
    if not run.plan.rewound:
        make_context(run)
        return
    keep_template(run)
    with content_read_beside(run, "content.before"):
        make_context(run)
        await_quiet(run)


def run_scenario_on_its_copy(run: Rehearsal, scenario: str) -> None:
    """Rewind the copy where the plan says so, run the scenario, and look at the template when it is over."""
    if scenario in run.plan.rewound:
        _rewind(run, scenario)
    run_scenario(run, scenario)
    if run.plan.rewound:
        connection = run.the_witnessing().connection
        template = look_at_template(connection, template_name(run))
        found = AfterScenario(template=template, oid=database_oid(run, connection))
        run.recorder.fact(f"template.{scenario}", found, source=LOOKED_AT)


def verify_rewound(run: Rehearsal) -> None:
    """C-11: as in every run, and where the copy was rewound the template's content once more, beside it."""
    if not run.plan.rewound:
        verify(run)
        return
    with content_read_beside(run, "content.after"):
        verify(run)


def _rewind(run: Rehearsal, scenario: str) -> None:
    """Make the copy anew as it was prepared, and record what was dropped and what is there instead."""
    run.recorder.raise_if_requested()
    began, witnessing = time.monotonic(), run.the_witnessing()
    _require_nobody(run, scenario)
    read_log(run, "")
    seen = len(witnessing.lines)
    before = look_at_template(witnessing.connection, template_name(run))
    _require_same_template(run, scenario, before)
    last = _last_look(run, scenario)
    witnessing.closing.close()
    copying_began = time.monotonic()
    way, dropped = make_copy_anew(run, f"the copy cannot be rewound before {scenario}")
    copied_ms = int((time.monotonic() - copying_began) * 1000)
    witnessing.connection, witnessing.closing = open_session(run)
    witnessing.by_catalogue.clear()
    witnessing.live = None
    read_log(run, "")
    came = _visits(witnessing.lines[seen:])
    rewound = _measured(run, last=last, before=before, dropped=dropped, visitors=_visitors(came))
    run.recorder.fact(f"rewound.{scenario}", rewound, source=f"the engine's own looks; {LOOKED_AT}")
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


def _last_look(run: Rehearsal, scenario: str) -> _LastLook:
    """Let nobody come to the copy any more, and return what is to be dropped when nobody is there but the engine.

    Closing it changes its row in pg_database, whose digest is therefore from before. Raises StepFailed for what may not
    be so, and opens the copy again for its operator.
    """
    of_databases = digest_of_catalogue(run.the_witnessing().connection, _OF_DATABASES)
    with administering(run) as beside:
        run_sql(beside, "rewind/close_copy", parts={"database": sql.Identifier(run.database)})
    try:
        _require_nobody(run, scenario)
        ended = effects_of(run)
        ended = msgspec.structs.replace(ended, catalogue={**ended.catalogue, _OF_DATABASES: of_databases})
        _require_no_effects(run, scenario, ended)
        left, written = _rows_left(run, scenario)
    except StepFailed:
        with administering(run) as beside:
            run_sql(beside, "rewind/allow_connections", parts={"database": sql.Identifier(run.database)})
        raise
    return _LastLook(ended=ended, left=left, written=written)


def _rows_left(run: Rehearsal, scenario: str) -> tuple[dict[str, int], dict[str, int]]:
    """Count what is to be dropped, and what of it was written late.

    Raises StepFailed (subject, G-15) where rows came, went or were written after the last count.
    """
    previous = run.plan.scenarios[run.plan.scenarios.index(scenario) - 1]
    pack = run.loaded.pack
    left = count_rows(run.the_witnessing().connection, pack.schema, pack.tables)
    written = rows_written_since(run)
    faults = rows_left(previous, run.recorder.state.facts[f"rows.{previous}"]["after"], left)
    if faults := faults + rows_written(previous, left, written):
        raise StepFailed(first_few(faults), cause="subject", gate=ROWS)
    return left, written


def _require_same_template(run: Rehearsal, scenario: str, found: Template) -> None:
    """Raise StepFailed (subject, G-28) before anything is copied from a template that is not the one that was made."""
    made = msgspec.convert(run.recorder.state.facts["prepared"], Prepared).template
    if found != made:
        differences = unequal(msgspec.structs.asdict(made), msgspec.structs.asdict(found))
        reason = first_few(f"before {scenario} the template's {it}" for it in differences)
        raise StepFailed(reason, cause="subject", gate=UNTOUCHED)


def _measured(
    run: Rehearsal, *, last: _LastLook, before: Template, dropped: str, visitors: tuple[str, ...]
) -> Rewound:
    """Return the fact of one rewind, with all that the new copy is found to be."""
    pack = run.loaded.pack
    with run.the_environment().connect(run.database) as connection:
        privileges = found_privileges(run, connection)
        probes = deny_probes(run, connection)
        inventory = read_inventory(connection, pack.schema, pack.tables)
        sequences = read_sequences(connection)
        words = database_words(run, connection)
        made = database_oid(run, connection)
    after = look_at_template(run.the_witnessing().connection, template_name(run))
    return Rewound(
        ended=last.ended, left=last.left, written=last.written, began=effects_of(run), sequences=sequences,
        database=words, privileges=privileges, probes=probes, inventory=inventory, before=before, after=after,
        dropped=dropped, made=made, visitors=visitors,
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
