"""Whether a scenario came out as its pack expects, judged from the witnesses.

Owns the verdict on everything in `console.model.pack.Attempt`. Pure: never runs anything. What the harness
reports is a claim: it can fail a scenario and never pass one, and missing evidence fails it. A statement
that only the server saw is left to G-20, which judges the whole run.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

import msgspec

from console.errors import Cause
from console.model.pack import ANY_EXCEPTION, Attempt, Scenario
from console.model.trace import ServerLine
from console.witness import explain
from console.witness.induced import wrong_after_fault
from console.witness.reconcile import Witnessed, shortened
from console.witness.scenario_evidence import AttemptReport, ScenarioEvidence, Seen, seen_of
from console.witness.transactions import Transaction, VerbsOf

_ENVIRONMENT_CLASSES = ("57", "58", "XX", "53")
_SUBJECTS_OWN = ("57014", "53300")
"""A cancelled statement and a full connection limit are what the subject asked for."""


class ScenarioJudgement(msgspec.Struct, frozen=True, kw_only=True):
    """PASS, or FAIL with every sentence, the gravest first: its attempt, cause and culprit are given."""

    verdict: Literal["PASS", "FAIL"]
    sentences: tuple[str, ...] = ()
    failed_attempt: str | None = None
    cause: Cause | None = None
    reason: str = ""
    culprit: str = ""


class _Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong; a lower `weight` is the nearer cause."""

    sentence: str
    weight: int
    attempt: str | None = None
    cause: Cause = "subject"
    culprit: str = ""


_SERVER_SAID, _BEHAVIOUR, _CLAIM, _ROWS, _CONTEXT = range(5)


def judge_scenario(
    scenario: Scenario, evidence: ScenarioEvidence, *, tables: Collection[str], verbs_of: VerbsOf
) -> ScenarioJudgement:
    """Return the verdict on one scenario; PASS only when every expectation was seen to hold.

    `tables` are the pack's: each must have been counted before and after.
    """
    findings = _missing(evidence)
    if not findings:
        findings += _reports(scenario, evidence)
        for attempt in scenario.attempt:
            findings += _judge_attempt(scenario, attempt, evidence, verbs_of)
        findings += _outside_attempts(scenario, evidence)
        findings += _rows(scenario, evidence, tables, verbs_of)
    if not findings:
        return ScenarioJudgement(verdict="PASS")
    findings += _context(scenario, evidence)
    findings.sort(key=lambda it: it.weight)
    gravest = findings[0]
    return ScenarioJudgement(
        verdict="FAIL", sentences=tuple(it.sentence for it in findings), failed_attempt=gravest.attempt,
        cause=gravest.cause, reason=gravest.sentence,
        culprit=next((it.culprit for it in findings if it.culprit and it.attempt == gravest.attempt), ""),
    )  # fmt: skip


def _missing(evidence: ScenarioEvidence) -> list[_Finding]:
    """Say which evidence was never gathered."""
    needed = {
        "the harness's report of the attempts": evidence.attempts,
        "the witnessed statements": evidence.witnessed,
        "the transactions": evidence.transactions,
        "the sessions": evidence.sessions,
        "the server's session errors": evidence.session_errors,
        "the row counts before": evidence.rows_before,
        "the row counts after": evidence.rows_after,
    }
    return [
        _Finding(
            sentence=f"{what} of this scenario were never recorded", weight=_SERVER_SAID, cause="drydock"
        )
        for what, found in needed.items()
        if found is None
    ]


def _reports(scenario: Scenario, evidence: ScenarioEvidence) -> list[_Finding]:
    """Compare the attempts that were made with the pack's, in order."""
    made = [report.name for report in evidence.attempts or ()]
    expected = [attempt.name for attempt in scenario.attempt]
    if made == expected:
        return []
    said = (
        f"scenario {scenario.id} made the attempts {_listed(made)}, and its pack expects {_listed(expected)}"
    )
    first = next((name for name in expected if name not in made), None)
    return [_Finding(sentence=said, weight=_CLAIM, attempt=first)]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def _judge_attempt(
    scenario: Scenario, attempt: Attempt, evidence: ScenarioEvidence, verbs_of: VerbsOf
) -> list[_Finding]:
    report = next((it for it in evidence.attempts or () if it.name == attempt.name), None)
    if report is None:
        return []
    place = f"scenario {scenario.id}, attempt {attempt.name}"
    seen = seen_of(attempt.name, report, evidence)
    transactions = evidence.transactions or ()
    found = _server_errors(attempt, report, seen, transactions, place)
    found += _claims(attempt, report, place)
    behaviour = [
        *wrong_after_fault(attempt, seen, evidence.faults),
        *_presence(attempt, report, seen),
        explain.wrong_roles(seen.witnessed, attempt.principals, verbs_of),
        _foreign_session(attempt, seen),
        *_outcomes(attempt, seen),
        *(explain.other_isolation(it, attempt.isolation) for it in seen.transactions if it.wrote),
        _not_retried(attempt, seen),
    ]
    found += [
        _Finding(
            sentence=f"{place}: {it}", weight=_BEHAVIOUR, attempt=attempt.name, culprit=_last_sender(seen)
        )
        for it in behaviour
        if it
    ]
    return found


def _last_sender(seen: Seen) -> str:
    """Return the subject's line that sent the attempt's last statement."""
    sent = [one.client for one in seen.witnessed if one.client and one.client.callers]
    return explain.sender(sent[-1]) if sent else ""


def _server_errors(
    attempt: Attempt, report: AttemptReport, seen: Seen, transactions: Sequence[Transaction], place: str
) -> list[_Finding]:
    """Compare the SQLSTATEs that the server raised with the expected ones, in order."""
    raised = seen.raised
    states = tuple(it.server.sqlstate if isinstance(it, Witnessed) else it.sqlstate for it in raised)
    if states == attempt.server_errors:
        return _swallowed(attempt, report, raised, place) if attempt.raises is not None else []
    for at, error in enumerate(raised):
        if at >= len(attempt.server_errors) or states[at] != attempt.server_errors[at]:
            found = [_unexpected_error(error, transactions, attempt, place)]
            return found + _swallowed(attempt, report, raised, place)
    lacking = ", ".join(attempt.server_errors[len(states) :])
    sentence = f"{place}: the server never raised the expected SQLSTATE {lacking}"
    return [_Finding(sentence=sentence, weight=_BEHAVIOUR, attempt=attempt.name, culprit=_last_sender(seen))]


def _unexpected_error(
    error: Witnessed | ServerLine, transactions: Sequence[Transaction], attempt: Attempt, place: str
) -> _Finding:
    """The server's own words come first, then the place, then the cause."""
    if isinstance(error, ServerLine):
        sentence = (
            f"{error.message} (SQLSTATE {error.sqlstate}): the server ended or refused a session in {place}"
        )
        return _Finding(
            sentence=sentence, weight=_SERVER_SAID, attempt=attempt.name, cause=_whose(error.sqlstate)
        )
    server = error.server
    said = f"{server.message} (SQLSTATE {server.sqlstate}): raised by the server in {place}"
    why = explain.opened_earlier(error, transactions)
    what = f"{said}, at {explain.described_with_sender(error)}"
    return _Finding(
        sentence=f"{what}; {why}" if why else what, weight=_SERVER_SAID, attempt=attempt.name,
        cause=_whose(server.sqlstate), culprit=explain.culprit(error, transactions),
    )  # fmt: skip


def _whose(sqlstate: str) -> Cause:
    if sqlstate not in _SUBJECTS_OWN and sqlstate.startswith(_ENVIRONMENT_CLASSES):
        return "environment"
    return "subject"


def _swallowed(
    attempt: Attempt, report: AttemptReport, raised: Sequence[Witnessed | ServerLine], place: str
) -> list[_Finding]:
    """A privilege error of the server's must come out of the subject."""
    if report.outcome != "returned":
        return []
    return [
        _Finding(
            sentence=f"{place}: {explain.swallowed(error)}",
            weight=_BEHAVIOUR,
            attempt=attempt.name,
            culprit=explain.sender(error.client) if error.client else "",
        )
        for error in raised
        if isinstance(error, Witnessed) and error.server.sqlstate == explain.DENIED
    ]


def _claims(attempt: Attempt, report: AttemptReport, place: str) -> list[_Finding]:
    """Compare what came out of the subject, as the harness tells it."""
    raised = report.type.rpartition(".")[2]
    said = f"{report.type}: {shortened(report.message)}"
    if report.outcome not in ("returned", "raised"):
        what = f"it never ended (the harness says {report.outcome})"
    elif attempt.raises is None:
        what = f"it raised {said}" if report.outcome == "raised" else ""
    elif report.outcome == "returned":
        expected = "an exception" if attempt.raises == ANY_EXCEPTION else attempt.raises
        what = f"it returned, and {expected} is expected"
    elif attempt.raises not in (ANY_EXCEPTION, report.type, raised):
        what = f"it raised {said}, and {attempt.raises} is expected"
    else:
        has = attempt.message_has is None or attempt.message_has in report.message
        what = "" if has else f"the message of {said} does not contain {attempt.message_has}"
    culprit = report.frames[0] if report.frames else ""
    if not what:
        return []
    return [_Finding(sentence=f"{place}: {what}", weight=_CLAIM, attempt=attempt.name, culprit=culprit)]


def _presence(attempt: Attempt, report: AttemptReport, seen: Seen) -> list[str | None]:
    """Judge whether it connected and whether it sent anything."""
    found: list[str | None] = []
    if report.began_at is None or report.ended_at is None:
        found.append("when it began and ended is not in the client's trace")
    if attempt.connects is False and seen.sessions:
        login = seen.sessions[0]
        found.append(f"backend {login.pid} was opened as {login.user}, and no session may be")
    if attempt.connects is True and not seen.sessions:
        found.append("the server authorized no session during it, and one must be opened")
    if attempt.silent and seen.witnessed:
        first = explain.described_with_sender(seen.witnessed[0])
        found.append(f"not one statement may be sent, and the server saw {first}")
    must_speak = attempt.principals and not attempt.silent and attempt.connects is not False
    if must_speak and not seen.witnessed and not seen.sessions:
        found.append("nothing of it ever reached the server: no session, not one statement")
    return found


def _foreign_session(attempt: Attempt, seen: Seen) -> str | None:
    for login in seen.sessions:
        if login.user not in attempt.principals and attempt.connects is not False:
            may = f"only {', '.join(attempt.principals)}" if attempt.principals else "no role"
            return f"backend {login.pid} was opened as {login.user}, and {may} may appear"
    return None


def _outcomes(attempt: Attempt, seen: Seen) -> list[str | None]:
    """Count the commits and rollbacks that concern rows, and what was left open."""
    committed = [it for it in seen.transactions if it.wrote and it.ended == "commit"]
    undone = [it for it in seen.transactions if (it.wrote or it.errors) and it.ended == "rollback"]
    found: list[str | None] = [explain.split_phase(committed, attempt.commits)]
    if len(committed) < attempt.commits:
        found.append(f"transactions with writes committed: {len(committed)}, expected {attempt.commits}")
    uncounted = attempt.fails_at is not None and not attempt.rolls_back
    if len(undone) != attempt.rolls_back and not uncounted:
        said = "transactions with writes or errors rolled back"
        found.append(f"{said}: {len(undone)}, expected {attempt.rolls_back}")
    for it in seen.transactions:
        if it.ended == "left open" and (it.wrote or it.errors):
            opener = explain.described_with_sender(it.opener)
            found.append(f"the transaction opened by {opener} had writes or errors and was never ended")
    return found


def _not_retried(attempt: Attempt, seen: Seen) -> str | None:
    """Ask that the attempt's first own statement was sent again after its failed transaction had ended."""
    failed = [it for it in seen.transactions if it.errors and it.ended == "rollback"]
    own = [one for one in seen.witnessed if one.client and not one.client.implicit]
    if not attempt.needs_retry:
        return None
    if not failed or not own:
        return "no transaction met an error, so nothing was tried again"
    end = failed[0].statements[-1].server.at
    again = [one for one in own if one.server.at >= end and one.server.sql == own[0].server.sql]
    if any((one.server.session, one.server.line) != _place_of(own[0]) for one in again):
        return None
    return (
        f"the phase was not tried again as a whole after the failure of {explain.described(failed[0].opener)}"
    )


def _place_of(one: Witnessed) -> tuple[str, int]:
    return one.server.session, one.server.line


def _outside_attempts(scenario: Scenario, evidence: ScenarioEvidence) -> list[_Finding]:
    """Nothing that the client claims may write or fail outside the attempts."""
    names = {attempt.name for attempt in scenario.attempt}
    found: list[_Finding] = []
    for it in evidence.transactions or ():
        claimed = any(one.client for one in it.statements) and it.pid not in evidence.rivals
        if claimed and it.attempt not in names and (it.wrote or it.errors):
            what = "wrote" if it.wrote else f"met {', '.join(it.errors)}"
            opener = explain.described_with_sender(it.opener)
            said = f"scenario {scenario.id}: the transaction opened by {opener} {what} outside every attempt"
            found.append(_Finding(sentence=said, weight=_BEHAVIOUR))
    return found


def _context(scenario: Scenario, evidence: ScenarioEvidence) -> list[_Finding]:
    """Say what a failed scenario's reader must know besides; alone it is for G-20 to judge."""
    loose = [one for one in evidence.witnessed or () if one.client is None]
    said = [f"scenario {scenario.id}: {explain.unexplained(one)}" for one in loose]
    return [_Finding(sentence=it, weight=_CONTEXT) for it in (*said, *evidence.differences)]


def _rows(
    scenario: Scenario, evidence: ScenarioEvidence, tables: Collection[str], verbs_of: VerbsOf
) -> list[_Finding]:
    """Compare the engine's counts before and after with the pack's matrix; a table unnamed there: 0."""
    before, after = evidence.rows_before or {}, evidence.rows_after or {}
    found: list[_Finding] = []
    moved: list[str] = []
    for table in sorted({*before, *after, *scenario.rows, *tables}):
        if table not in before or table not in after:
            sentence = f"scenario {scenario.id}: the rows of {table} were not counted before and after"
            found.append(_Finding(sentence=sentence, weight=_ROWS, cause="drydock"))
            continue
        change, expected = after[table] - before[table], scenario.rows.get(table, 0)
        if change != expected:
            moved.append(table)
            sentence = f"scenario {scenario.id}: {table} changed by {change:+d} rows, expected {expected:+d}"
            found.append(_Finding(sentence=sentence, weight=_ROWS))
    found += _replayed(scenario, evidence, moved, verbs_of)
    return found


def _replayed(
    scenario: Scenario, evidence: ScenarioEvidence, moved: Collection[str], verbs_of: VerbsOf
) -> list[_Finding]:
    if scenario.kind != "replay" or not moved:
        return []
    own = [one for one in evidence.witnessed or () if one.server.pid not in evidence.rivals]
    again = explain.inserted_again(own, moved, verbs_of)
    if again is None:
        return []
    return [_Finding(sentence=f"scenario {scenario.id}: {again}", weight=_BEHAVIOUR)]
