"""The statements of one scenario under the surface's judges: by their text and by the copy's catalogue."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache

from console.engine.rehearsal import Rehearsal
from console.model.facts import ScenarioSurface
from console.sql import pinned
from console.witness.control import other_readings
from console.witness.reconcile import Reconciliation, shortened
from console.witness.surface import CACHED_TEXTS, SurfaceVerdict, judge_for, judge_text
from console.witness.surface_catalogue import judge_catalogue
from console.witness.transactions import Transaction


@lru_cache(maxsize=CACHED_TEXTS)
def verbs_of(text: str) -> tuple[str, ...]:
    """Return the verbs of a text, by the surface's grammar."""
    return judge_text(text).verbs


def surface_of(
    run: Rehearsal, scenario: str, found: Reconciliation, done: tuple[Transaction, ...]
) -> ScenarioSurface:
    """Judge every statement that either witness saw in the scenario; nested ones by their text alone.

    What their names mean is the function's business, which the catalogue judge has looked into.
    """
    logged = [one.server for one in found.witnessed if one.server.scenario == scenario]
    texts = [(one.user, one.sql) for one in logged]
    texts += [(one.principal, one.sql) for one in found.only_client if one.scenario == scenario]
    texts += [
        (one.client.principal, one.client.sql) for one in found.explained if one.client.scenario == scenario
    ]
    refused = [
        f"{one.user}: the server's line can be read in more than one way: {shortened(one.sql)}"
        for one in logged
        if one.extended and other_readings(one.sql)
    ]
    verbs: Counter[str] = Counter()
    judge = judge_for(functions_allowed=run.loaded.pack.functions_allowed)
    for user, text in texts:
        verdict = judge(text)
        verbs.update(verdict.verbs)
        hidden = verdict if not verdict.allowed else _by_catalogue(run, text)
        if not hidden.allowed:
            refused.append(f"{user}: {hidden.reason}: {shortened(text)}")
    nested = [it for it in run.the_witnessing().lines if it.kind == "nested" and it.scenario == scenario]
    for line in nested:
        verdict = judge(line.sql)
        if not verdict.allowed:
            where = line.message.rpartition("\n")[2]
            refused.append(f"{line.user}: {verdict.reason}: {shortened(line.sql)}, run by {shortened(where)}")
    run.recorder.note(f"verbs.{scenario}", dict(verbs))
    cut_off = _cut_off(run, scenario)
    unpaired = [
        f"backend {one.pid} ({one.principal}): {shortened(one.opener.server.sql)}"
        for one in done
        if scenario_of(one) == scenario and lost_with_its_session(one) and one.pid not in cut_off
    ]
    return ScenarioSurface(
        statements=_recorded(run, scenario, found) + len(nested),
        judged=len(texts) + len(nested),
        refused=tuple(refused),
        unpaired=tuple(unpaired),
    )


def _cut_off(run: Rehearsal, scenario: str) -> set[int]:
    """Return the backends whose connection the harness broke, where the pack asked for that."""
    asked = {
        (one.id, attempt.name)
        for one in run.loaded.pack.scenario
        for attempt in one.attempt
        if attempt.fails_at is not None and attempt.fault == "connection"
    }
    struck = run.client.faults if run.client is not None else []
    return {one.pid for one in struck if one.s == scenario and (one.s, one.a) in asked}


def _by_catalogue(run: Rehearsal, text: str) -> SurfaceVerdict:
    """Judge what a text hides behind functions, views, rules and triggers, once for each text."""
    known = run.the_witnessing().by_catalogue
    if text not in known:
        connection = run.the_witnessing().connection
        with pinned(connection):
            known[text] = judge_catalogue(
                connection, text, functions_allowed=run.loaded.pack.functions_allowed
            )
    return known[text]


def _recorded(run: Rehearsal, scenario: str, found: Reconciliation) -> int:
    """Return how many statements of a scenario stand in the trace: all claims, and what only the server saw."""
    claimed = sum(one.scenario == scenario for one in run.the_witnessing().statements)
    return claimed + sum(one.scenario == scenario for one in found.only_server)


def scenario_of(transaction: Transaction) -> str:
    """Return the scenario during which the server logged a transaction's last statement."""
    return transaction.statements[-1].server.scenario


def lost_with_its_session(transaction: Transaction) -> bool:
    """Tell whether a transaction was begun and neither committed nor rolled back when its session ended."""
    if transaction.begin == "autocommit" or transaction.ended != "rollback":
        return False
    last = transaction.statements[-1].server
    return "TRANSACTION" not in verbs_of(last.sql) or transaction.statements[-1] is transaction.statements[0]
