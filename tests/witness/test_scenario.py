"""The verdict on one scenario: what the witnesses saw decides, and what is missing fails it."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from console.model.pack import Attempt, Scenario
from console.model.trace import ClientStatement, ServerLine
from console.witness.reconcile import ServerStatement, Witnessed
from console.witness.scenario import ScenarioJudgement, judge_scenario
from console.witness.scenario_evidence import CLOCK_SLACK_S, AttemptReport, ScenarioEvidence
from console.witness.transactions import transactions

INSERT, SET = "INSERT INTO entry VALUES ($1)", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"
LINE = "insert (a.py:1)"
PLACE = "scenario S4, attempt mark"
TABLES = ("entry", "history")


def verbs_of(sql: str) -> tuple[str, ...]:
    """Return the first word."""
    return tuple(re.findall(r"^\s*(\w+)", sql.upper()))


def one(at: int, sql: str, *, sqlstate: str = "", attempt: str | None = "mark", **other: Any) -> Witnessed:
    """Return one statement at second `at`; no attempt means that no client claims it."""
    server = ServerStatement(
        at=float(at), pid=other.get("pid", 41), session=str(other.get("pid", 41)), line=at,
        user=other.get("user", "cutter_exec"), sql=sql, sqlstate=sqlstate, scenario="S4",
        message="permission denied" if sqlstate else "", severity="ERROR" if sqlstate else "LOG",
    )  # fmt: skip
    client = ClientStatement(
        n=at, pid=server.pid, principal=server.user, scenario="S4", attempt=attempt or "", phase="MARK",
        sql=sql, sent_at=float(at), callers=(LINE,), implicit=sql in ("BEGIN", "COMMIT", "ROLLBACK"),
        answered=True, sqlstate=sqlstate,
    )  # fmt: skip
    return Witnessed(server=server, client=client if attempt is not None else None)


def server_line(kind: str, at: float, **other: Any) -> ServerLine:
    """Return one line of backend 41 in scenario S4."""
    blank = ServerLine(
        at=at, pid=41, session="41", line=1, user="cutter_exec", database="d", application="", kind=kind,
        severity="LOG", scenario="S4",
    )  # fmt: skip
    return msgspec.structs.replace(blank, **other)


REPORT = AttemptReport(name="mark", outcome="returned", began_at=1.0, ended_at=99.0)
ATTEMPT = Attempt(name="mark", principals=("cutter_exec",), commits=1, isolation="serializable")
SCENARIO = Scenario(id="S4", title="MARK", kind="happy", attempt=(ATTEMPT,), rows={"entry": 1})
WRITES = (one(2, "BEGIN"), one(3, SET), one(4, INSERT), one(5, "COMMIT"))
REFUSED = (one(2, "BEGIN"), one(3, SET), one(4, INSERT, sqlstate="42501"), one(5, "ROLLBACK"))


LATER = tuple(one(it.server.line + 1, it.server.sql, sqlstate=it.server.sqlstate) for it in REFUSED)


def evidence(*statements: Witnessed, report: AttemptReport = REPORT, **other: Any) -> ScenarioEvidence:
    """Return complete evidence over these statements; one row of entry was added."""
    folded = transactions(statements, verbs_of=verbs_of, default_isolation={})
    whole: dict[str, Any] = {
        "attempts": (report,), "witnessed": statements, "transactions": folded, "sessions": (),
        "session_errors": (), "rows_before": {"entry": 0, "history": 0},
        "rows_after": {"entry": 1, "history": 0}, **other,
    }  # fmt: skip
    return ScenarioEvidence(**whole)


def judged(
    found: ScenarioEvidence, attempt: Attempt = ATTEMPT, scenario: Scenario = SCENARIO
) -> ScenarioJudgement:
    """Judge with the two tables, the scenario holding the one attempt."""
    scenario = msgspec.structs.replace(scenario, attempt=(attempt,))
    return judge_scenario(scenario, found, tables=TABLES, verbs_of=verbs_of)


def expecting(**other: Any) -> Attempt:
    """Return the attempt with other expectations."""
    return msgspec.structs.replace(ATTEMPT, **other)


NOTHING: dict[str, Any] = {"rows_after": {"entry": 0, "history": 0}}
NEGATIVE = Scenario(id="S4", title="-", kind="negative", attempt=())
DENIED = expecting(raises="PhaseStop", message_has="42501", server_errors=("42501",), commits=0, rolls_back=1)
STOPPED = msgspec.structs.replace(REPORT, outcome="raised", type="PhaseStop", message="stop: 42501")
SILENT = expecting(silent=True, connects=False, commits=0, principals=())
LOGIN = server_line("connection", 2.0)


def test_passes() -> None:
    """One commit at the right level by the right role, with the right rows, is a PASS without a sentence."""
    assert judged(evidence(*WRITES)) == ScenarioJudgement(verdict="PASS")


HOLDS: dict[str, tuple[ScenarioEvidence, Attempt]] = {
    "a refusal as expected": (evidence(*REFUSED, report=STOPPED, **NOTHING), DENIED),
    "silence": (evidence(**NOTHING), SILENT),
    "a rival's writes do not count": (
        evidence(one(2, INSERT, pid=77, user="rival"), **NOTHING, rivals=frozenset({77})),
        expecting(commits=0, principals=()),
    ),
    "a session and no statement": (
        evidence(sessions=(LOGIN,), **NOTHING),
        expecting(commits=0, connects=True),
    ),
    "another attempt's session": (
        evidence(sessions=(server_line("connection", 99.0 + 2 * CLOCK_SLACK_S),), **NOTHING),
        SILENT,
    ),
    "an expected error that the subject may swallow": (
        evidence(*REFUSED, **NOTHING),
        expecting(commits=0, rolls_back=1, server_errors=("42501",)),
    ),
    "a whole retry": (
        evidence(one(1, "SELECT 1"), *LATER, one(8, "SELECT 1"), **NOTHING),
        expecting(commits=0, rolls_back=1, server_errors=("42501",), needs_retry=True),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOLDS)
def test_holds(name: str) -> None:
    """What the pack expects passes, refusals and silence too."""
    found, attempt = HOLDS[name]
    assert judged(found, attempt, NEGATIVE).sentences == ()


SPLIT = (*WRITES[:3], one(5, "COMMIT"), one(6, "BEGIN"), one(7, SET), one(8, INSERT), one(9, "COMMIT"))
WEAK = (one(2, "BEGIN"), one(4, INSERT), one(5, "COMMIT"))
LOGIN_ERROR = server_line("error", 3.0, severity="FATAL", sqlstate="28P01", message="password failed")

FAILS: dict[str, tuple[ScenarioEvidence, Attempt, str]] = {
    "an unexpected error": (
        evidence(*REFUSED, report=STOPPED, **NOTHING),
        ATTEMPT,
        f"permission denied (SQLSTATE 42501): raised by the server in {PLACE}, at statement 4, {INSERT}, "
        f"sent by {LINE} in phase MARK",
    ),
    "a refused login": (
        evidence(session_errors=(LOGIN_ERROR,), **NOTHING),
        expecting(commits=0),
        f"password failed (SQLSTATE 28P01): the server ended or refused a session in {PLACE}",
    ),
    "an error that never came": (
        evidence(*WRITES[:3], one(5, "ROLLBACK"), report=STOPPED, **NOTHING),
        DENIED,
        f"{PLACE}: the server never raised the expected SQLSTATE 42501",
    ),
    "a swallowed error": (
        evidence(*REFUSED, **NOTHING),
        DENIED,
        f"{PLACE}: the server raised 42501 (permission denied) at statement 4, {INSERT}, sent by {LINE} in "
        "phase MARK, and the subject returned as if nothing had happened",
    ),
    "two commits": (
        evidence(*SPLIT),
        ATTEMPT,
        f"{PLACE}: transactions with writes committed: 2, expected 1: statement 5, COMMIT, sent by {LINE} in "
        f"phase MARK (transaction 1) and statement 9, COMMIT, sent by {LINE} in phase MARK (transaction 2)",
    ),
    "a weaker level": (
        evidence(*WEAK),
        ATTEMPT,
        f"{PLACE}: transaction 1 of backend 41 ran at read committed, lower than the expected serializable, "
        f"which begins with statement 4, {INSERT}, sent by {LINE} in phase MARK",
    ),
    "another role": (
        evidence(*WRITES),
        expecting(principals=("cutter_verify",)),
        f"{PLACE}: the write was sent as cutter_exec, and only cutter_verify may appear: statement 4, "
        f"{INSERT}, sent by {LINE} in phase MARK",
    ),
    "another role's session": (
        evidence(sessions=(server_line("connection", 2.0, user="cutter_ro"),), **NOTHING),
        expecting(commits=0),
        f"{PLACE}: backend 41 was opened as cutter_ro, and only cutter_exec may appear",
    ),
    "a session where none may be": (
        evidence(sessions=(LOGIN,), **NOTHING),
        SILENT,
        f"{PLACE}: backend 41 was opened as cutter_exec, and no session may be",
    ),
    "no session where one must be": (
        evidence(**NOTHING),
        expecting(commits=0, connects=True),
        f"{PLACE}: the server authorized no session during it, and one must be opened",
    ),
    "a statement where silence is asked": (
        evidence(one(2, "SELECT 1"), **NOTHING),
        expecting(silent=True, commits=0),
        f"{PLACE}: not one statement may be sent, and the server saw statement 2, SELECT 1, sent by {LINE} "
        "in phase MARK",
    ),
    "a hidden statement where silence is asked": (
        evidence(one(2, "SELECT 1", attempt=None), **NOTHING),
        expecting(silent=True, commits=0),
        f"{PLACE}: not one statement may be sent, and the server saw line 2 of backend 41, SELECT 1, which "
        "no client statement explains",
    ),
    "only words": (
        evidence(**NOTHING),
        expecting(commits=0),
        f"{PLACE}: nothing of it ever reached the server: no session, not one statement",
    ),
    "no rollback": (
        evidence(*WRITES),
        expecting(rolls_back=1),
        f"{PLACE}: transactions with writes or errors rolled back: 0, expected 1",
    ),
    "left open": (
        evidence(*WRITES[:3], **NOTHING),
        expecting(commits=0),
        f"{PLACE}: the transaction opened by statement 3, {SET}, sent by {LINE} in phase MARK had writes or "
        "errors and was never ended",
    ),
    "no whole retry": (
        evidence(one(1, "SELECT 1"), *LATER, one(8, "SELECT 2"), **NOTHING),
        expecting(commits=0, rolls_back=1, server_errors=("42501",), needs_retry=True),
        f"{PLACE}: the phase was not tried again as a whole after the failure of statement 4, {SET}",
    ),
    "a retry without a failure": (
        evidence(*WRITES),
        expecting(needs_retry=True),
        f"{PLACE}: no transaction met an error, so nothing was tried again",
    ),
    "it raised": (
        evidence(*WRITES, report=STOPPED),
        ATTEMPT,
        f"{PLACE}: it raised PhaseStop: stop: 42501",
    ),
    "it returned": (
        evidence(*WRITES),
        expecting(raises="PhaseStop"),
        f"{PLACE}: it returned, and PhaseStop is expected",
    ),
    "it raised something else": (
        evidence(*WRITES, report=STOPPED),
        expecting(raises="ConfigMissing"),
        f"{PLACE}: it raised PhaseStop: stop: 42501, and ConfigMissing is expected",
    ),
    "it said something else": (
        evidence(*WRITES, report=STOPPED),
        expecting(raises="PhaseStop", message_has="23505"),
        f"{PLACE}: the message of PhaseStop: stop: 42501 does not contain 23505",
    ),
    "it never ended": (
        evidence(*WRITES, report=msgspec.structs.replace(REPORT, outcome="running")),
        ATTEMPT,
        f"{PLACE}: it never ended (the harness says running)",
    ),
    "its window is unknown": (
        evidence(*WRITES, report=msgspec.structs.replace(REPORT, ended_at=None)),
        ATTEMPT,
        f"{PLACE}: when it began and ended is not in the client's trace",
    ),
    "another attempt": (
        evidence(*WRITES, report=msgspec.structs.replace(REPORT, name="other")),
        ATTEMPT,
        "scenario S4 made the attempts other, and its pack expects mark",
    ),
    "a write outside every attempt": (
        evidence(*WRITES, one(9, INSERT, attempt="")),
        ATTEMPT,
        f"scenario S4: the transaction opened by statement 9, {INSERT}, sent by {LINE} in phase MARK wrote "
        "outside every attempt",
    ),
    "too many rows": (
        evidence(*WRITES, rows_after={"entry": 2, "history": 0}),
        ATTEMPT,
        "scenario S4: entry changed by +2 rows, expected +1",
    ),
    "rows of another table": (
        evidence(*WRITES, rows_after={"entry": 1, "history": -1}),
        ATTEMPT,
        "scenario S4: history changed by -1 rows, expected +0",
    ),
}


@pytest.mark.parametrize("name", FAILS)
def test_fails(name: str) -> None:
    """Each planted fault fails the scenario with its own sentence first, by the subject's fault."""
    found, attempt, sentence = FAILS[name]
    scenario = NEGATIVE if found.rows_after == NOTHING["rows_after"] else SCENARIO
    result = judged(found, attempt, scenario)
    assert (result.verdict, result.reason, result.cause) == ("FAIL", sentence, "subject")


@pytest.mark.parametrize("table", TABLES)
def test_uncounted_table_fails(table: str) -> None:
    """A table that was not counted on both sides is never taken for unchanged."""
    whole = {"entry": 1, "history": 0}
    less = {name: rows for name, rows in whole.items() if name != table}
    result = judged(evidence(*WRITES, rows_after=less))
    assert (result.verdict, result.cause) == ("FAIL", "drydock")
    assert result.reason == f"scenario S4: the rows of {table} were not counted before and after"


MISSING = {
    "attempts": "the harness's report of the attempts",
    "witnessed": "the witnessed statements",
    "transactions": "the transactions",
    "sessions": "the sessions",
    "session_errors": "the server's session errors",
    "rows_before": "the row counts before",
    "rows_after": "the row counts after",
}


@pytest.mark.parametrize("name", MISSING)
def test_missing_evidence_fails(name: str) -> None:
    """Evidence that was never gathered fails the scenario, whatever the rest says."""
    result = judged(msgspec.structs.replace(evidence(*WRITES), **{name: None}))
    assert (result.verdict, result.cause) == ("FAIL", "drydock")
    assert result.reason == f"{MISSING[name]} of this scenario were never recorded"


def test_harness_that_only_prints_pass_fails() -> None:
    """A report that all went well, with no statement and no row behind it, fails in every respect."""
    assert judged(evidence(**NOTHING)).sentences == (
        f"{PLACE}: nothing of it ever reached the server: no session, not one statement",
        f"{PLACE}: transactions with writes committed: 0, expected 1",
        "scenario S4: entry changed by +0 rows, expected +1",
    )


def test_server_words_come_before_everything() -> None:
    """An unexpected error of the server's heads the sentences, with the line to look at."""
    result = judged(evidence(*REFUSED, report=STOPPED, **NOTHING))
    assert result.reason.startswith("permission denied (SQLSTATE 42501): raised by the server")
    assert (result.failed_attempt, result.culprit) == ("mark", LINE)
    assert len(result.sentences) == 5


@pytest.mark.parametrize(
    ("sqlstate", "cause"),
    [
        ("42501", "subject"), ("53100", "environment"), ("53300", "subject"), ("57014", "subject"),
        ("57P01", "environment"), ("58030", "environment"), ("XX000", "environment"), ("40001", "subject"),
    ],
)  # fmt: skip
def test_whose_fault(sqlstate: str, cause: str) -> None:
    """A full disk, a stopped server and an internal error are the environment's, the rest the subject's."""
    found = evidence(one(2, INSERT, sqlstate=sqlstate), report=STOPPED, **NOTHING)
    assert judged(found).cause == cause


def test_hidden_write_alone_is_left_to_g20() -> None:
    """A statement of no client does not fail a scenario, and is told where the scenario fails otherwise."""
    hidden = one(9, INSERT, attempt=None, pid=50)
    assert judged(evidence(*WRITES, hidden)).verdict == "PASS"
    failed = judged(evidence(*WRITES, hidden, rows_after={"entry": 2, "history": 0}, differences=("a gap",)))
    assert failed.sentences == (
        "scenario S4: entry changed by +2 rows, expected +1",
        f"scenario S4: backend 50 (cutter_exec) executed {INSERT}, which no client statement explains: a "
        "connection past the witness",
        "a gap",
    )


def test_replay_that_wrote_again_names_the_write() -> None:
    """A replay whose rows changed names the statement that wrote them."""
    replay = Scenario(id="S10", title="-", kind="replay", attempt=())
    assert judged(evidence(*WRITES), ATTEMPT, replay).sentences == (
        f"scenario S10: the replay wrote again: statement 4, {INSERT}, sent by {LINE} in phase MARK",
        "scenario S10: entry changed by +1 rows, expected +0",
    )
