"""What is known of one scenario: the engine gathers it, `scenario.py` judges it.

Owns which witnessed statement, transaction and session belongs to which attempt. Pure, and never judges.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from console.model.pack import Rival
from console.model.trace import ClientStatement, ServerLine
from console.witness.client_lines import InducedFault
from console.witness.client_statements import Window
from console.witness.reconcile import Reconciliation, Witnessed
from console.witness.transactions import Transaction

RIVAL_APPLICATION = "drydock-rival"
CLOCK_SLACK_S = 0.002
"""jsonlog's times are cut to milliseconds, the harness's are not."""


class AttemptReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the harness claims of one attempt, and when the trace says that it ran (None: unknown)."""

    name: str
    outcome: str
    type: str = ""
    module: str = ""
    message: str = ""
    sqlstate: str = ""
    frames: tuple[str, ...] = ()
    began_at: float | None = None
    ended_at: float | None = None


class ScenarioEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of one scenario; None means that it was never gathered.

    `witnessed`, `sessions` (connection lines) and `session_errors` hold what the server logged for the
    harness's roles between the two counts; `transactions` those of the run whose last statement
    lies there. `rivals` are the backends of deliberate interference, `faults` what the harness says that
    it induced, `differences` the reconciliation's sentences, `rows_before` and `rows_after` the engine's own
    counts by table.
    """

    attempts: tuple[AttemptReport, ...] | None = None
    witnessed: tuple[Witnessed, ...] | None = None
    transactions: tuple[Transaction, ...] | None = None
    sessions: tuple[ServerLine, ...] | None = None
    session_errors: tuple[ServerLine, ...] | None = None
    rows_before: Mapping[str, int] | None = None
    rows_after: Mapping[str, int] | None = None
    rivals: frozenset[int] = frozenset()
    faults: tuple[InducedFault, ...] = ()
    differences: tuple[str, ...] = ()


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What the witnesses saw of one attempt, rivals left out."""

    witnessed: tuple[Witnessed, ...]
    transactions: tuple[Transaction, ...]
    sessions: tuple[ServerLine, ...]
    session_errors: tuple[ServerLine, ...]

    @property
    def raised(self) -> list[Witnessed | ServerLine]:
        """Return the server's errors in order."""
        errors: list[Witnessed | ServerLine] = [one for one in self.witnessed if one.server.sqlstate]
        return sorted([*errors, *self.session_errors], key=_when)


def _when(error: Witnessed | ServerLine) -> float:
    return error.server.at if isinstance(error, Witnessed) else error.at


def rival_pids(
    lines: Iterable[ServerLine], statements: Sequence[ClientStatement], declared: Iterable[Rival]
) -> frozenset[int]:
    """Return the backends that the pack's own rivals used: declared by role and texts, and kept to them.

    Told by the name that the server logged, and by their first statement: a rival's is sent by the pack, with
    no frame of the subject below it. A subject that borrows the name is not one.
    """
    named = {line.pid for line in lines if line.application == RIVAL_APPLICATION}
    texts: dict[tuple[str, str], set[str]] = {}
    for rival in declared:
        texts.setdefault((rival.scenario, rival.role), set()).update(rival.statements)
    first: dict[int, ClientStatement] = {}
    strayed: set[int] = set()
    for one in statements:
        first.setdefault(one.pid, one)
        if one.sql not in texts.get((one.scenario, one.principal), ()):
            strayed.add(one.pid)
    return frozenset(pid for pid in named - strayed if pid in first and not first[pid].callers)


def _within(report: AttemptReport | None, at: float) -> bool:
    if report is None or report.began_at is None or report.ended_at is None:
        return False
    return report.began_at - CLOCK_SLACK_S <= at <= report.ended_at + CLOCK_SLACK_S


def _attempts_at(line: ServerLine, report: AttemptReport | None, evidence: ScenarioEvidence) -> set[str]:
    """Return the attempts to which a line without a statement may belong.

    Attempts follow each other within less than the log's clock tells apart: where several windows fit, the
    first statement of the line's session decides, and without one it counts for each of them.
    """
    known = {it.name: it for it in (*(evidence.attempts or ()), *([report] if report else []))}
    fitting = {it.name for it in known.values() if _within(it, line.at)}
    if len(fitting) < 2:
        return fitting
    first = next(
        (
            it.client.attempt
            for it in evidence.witnessed or ()
            if it.client and it.server.session == line.session
        ),
        "",
    )
    return {first} if first in fitting else fitting


def seen_of(name: str, report: AttemptReport | None, evidence: ScenarioEvidence) -> Seen:
    """Gather what belongs to an attempt: by the client's label, without one by the attempt's window."""

    def belongs(one: Witnessed) -> bool:
        if one.server.pid in evidence.rivals:
            return False
        return one.client.attempt == name if one.client else _within(report, one.server.at)

    def ours(lines: Iterable[ServerLine]) -> tuple[ServerLine, ...]:
        return tuple(
            it for it in lines if it.pid not in evidence.rivals and name in _attempts_at(it, report, evidence)
        )

    return Seen(
        witnessed=tuple(one for one in evidence.witnessed or () if belongs(one)),
        transactions=tuple(
            it for it in evidence.transactions or ()
            if it.pid not in evidence.rivals and it.attempt == name
        ),
        sessions=ours(evidence.sessions or ()), session_errors=ours(evidence.session_errors or ()),
    )  # fmt: skip


def attempt_reports(
    scenario: str, told: Iterable[Mapping[str, Any]], windows: Iterable[Window]
) -> tuple[AttemptReport, ...]:
    """Return the attempts of the harness's reply, each with its window in the client's trace.

    Raises msgspec.ValidationError when the reply has another shape.
    """
    known = {window.attempt: window for window in windows if window.scenario == scenario}
    found: list[AttemptReport] = []
    for one in told:
        report = msgspec.convert(dict(one), AttemptReport)
        window = known.get(report.name)
        began, ended = (window.began_at, window.ended_at) if window else (None, None)
        found.append(msgspec.structs.replace(report, began_at=began, ended_at=ended))
    return tuple(found)


def gather(
    scenario: str,
    *,
    attempts: Sequence[AttemptReport],
    reconciliation: Reconciliation,
    transactions: Iterable[Transaction],
    lines: Sequence[ServerLine],
    statements: Sequence[ClientStatement],
    engine_users: Collection[str],
    rows_before: Mapping[str, int],
    rows_after: Mapping[str, int],
    rivals: Iterable[Rival] = (),
    faults: Iterable[InducedFault] = (),
) -> ScenarioEvidence:
    """Return the evidence of one scenario out of everything known of the run so far.

    What belongs to the scenario is told by the mark that the engine put on the server's lines.
    """
    logins = (line for line in lines if line.kind == "connection" and line.user not in engine_users)
    return ScenarioEvidence(
        attempts=tuple(attempts),
        witnessed=tuple(it for it in reconciliation.witnessed if it.server.scenario == scenario),
        transactions=tuple(
            it for it in transactions if it.statements[-1].server.scenario == scenario
        ),
        sessions=tuple(line for line in logins if line.scenario == scenario),
        session_errors=tuple(it for it in reconciliation.session_errors if it.scenario == scenario),
        rows_before=rows_before, rows_after=rows_after, rivals=rival_pids(lines, statements, rivals),
        faults=tuple(one for one in faults if one.s == scenario),
        differences=reconciliation.sentences(scenario),
    )  # fmt: skip
