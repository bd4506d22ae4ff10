"""The two witnesses compared: every way in which they can differ is said, and nothing else is."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.model.trace import ClientStatement, ServerLine
from console.witness.reconcile import (
    SHOWN_CHARACTERS,
    Reconciliation,
    reconcile,
    server_statements,
    shortened,
)

PID, ROLE = 41, "cutter_exec"
INSERT, SELECT = "INSERT INTO ledger VALUES ($1)", "SELECT * FROM ledger"
PLACE = "backend 41 (cutter_exec), scenario S4"


def claims(*texts: str, **every: Any) -> list[ClientStatement]:
    """Return what the client claims: one answered statement for each text."""
    first = ClientStatement(
        n=1, pid=PID, principal=ROLE, scenario="S4", attempt="mark", phase="MARK", sql="", sent_at=0.0,
        answered=True,
    )  # fmt: skip
    return [msgspec.structs.replace(first, n=at, sql=text, **every) for at, text in enumerate(texts, start=1)]


def line(number: int, kind: str, sql: str = "", **other: Any) -> ServerLine:
    """Return one line of the server's log."""
    blank = ServerLine(
        at=float(number), pid=PID, session="a.29", line=number, user=ROLE, database="d", application="",
        kind=kind, severity="ERROR" if kind == "error" else "LOG", sql=sql, scenario="S4",
    )  # fmt: skip
    return msgspec.structs.replace(blank, **other)


def logged(*texts: str) -> list[ServerLine]:
    """Return a session that the server logged, still open."""
    return [line(1, "connection"), *(line(at, "statement", it) for at, it in enumerate(texts, start=2))]


def compared(
    client: list[ClientStatement], lines: list[ServerLine], opened: tuple[int, ...] = (PID,)
) -> Reconciliation:
    """Reconcile, with postgres as the engine's user."""
    return reconcile(client, lines, opened=opened, engine_users={"postgres"})


def error(number: int, sql: str, sqlstate: str = "42501", **other: Any) -> ServerLine:
    """Return one ERROR line."""
    return line(number, "error", sql, sqlstate=sqlstate, message="permission denied", **other)


AGREEMENTS: dict[str, tuple[list[ClientStatement], list[ServerLine]]] = {
    "nothing at all": ([], logged()),
    "the same": (claims("BEGIN", INSERT, "COMMIT"), logged("BEGIN", INSERT, "COMMIT")),
    "several in one string": (claims("SELECT 1; SELECT 2"), logged("SELECT 1; SELECT 2")),
    "a NUL at the end": (claims("SELECT 1\0"), logged("SELECT 1")),
    "the engine's own": (
        claims(SELECT),
        [*logged(SELECT), line(1, "statement", "SELECT 9", user="postgres", pid=7, session="b")],
    ),
    "an error with its statement": (
        claims(SELECT, sqlstate="42501", message="permission denied"),
        [*logged(SELECT), error(3, SELECT)],
    ),
    "an error without a line of its own": (
        claims(SELECT, sqlstate="42501", message="permission denied"),
        [*logged(), error(2, SELECT, unlogged=True)],
    ),
    "an unanswered statement claims nothing": (
        claims(SELECT, answered=False),
        [*logged(SELECT), error(3, SELECT)],
    ),
}


@pytest.mark.parametrize("name", AGREEMENTS)
def test_witnesses_agree(name: str) -> None:
    """Nothing differs where both saw the same, and each of the client's statements has its partner."""
    client, lines = AGREEMENTS[name]
    found = compared(client, lines)
    assert found.sentences() == ()
    assert [it.client for it in found.witnessed] == client


DISAGREEMENTS: dict[str, tuple[list[ClientStatement], list[ServerLine], str, str]] = {
    "written past the witness": (
        claims(SELECT),
        logged(SELECT, INSERT),
        "only_server",
        f"{PLACE}: the server logged a statement that the client witness never recorded: {INSERT}",
    ),
    "never sent": (
        claims(SELECT, INSERT),
        logged(SELECT),
        "only_client",
        f"{PLACE}: statement 2, {INSERT}: the server never logged it",
    ),
    "another text": (
        claims(SELECT, "SELECT 1", "COMMIT"),
        logged(SELECT, INSERT, "COMMIT"),
        "text",
        f"{PLACE}: statement 2, SELECT 1: the server logged another text in its place: {INSERT}",
    ),
    "another order": (
        claims("SELECT 1", "SELECT 2"),
        logged("SELECT 2", "SELECT 1"),
        "order",
        f"{PLACE}: statement 2, SELECT 2: the server saw it before one that was sent earlier",
    ),
    "sent once, logged twice": (
        claims(INSERT),
        logged(INSERT, INSERT),
        "only_server",
        f"{PLACE}: the server logged a statement that the client witness never recorded: {INSERT}",
    ),
    "hidden behind a NUL": (
        claims(f"{SELECT}\0; {INSERT}"),
        logged(SELECT),
        "text",
        f"{PLACE}: statement 1, {SELECT}␀; {INSERT}: the text was cut at a NUL, and the server never saw its "
        f"rest: ; {INSERT}",
    ),
    "an invented error": (
        claims(SELECT, sqlstate="42501"),
        logged(SELECT),
        "sqlstate",
        f"{PLACE}: statement 1, {SELECT}: the client claims SQLSTATE 42501, which the server never raised",
    ),
    "a concealed error": (
        claims(SELECT),
        [*logged(SELECT), error(3, SELECT)],
        "sqlstate",
        f"{PLACE}: statement 1, {SELECT}: the server raised 42501 (permission denied), and the client claims "
        "success",
    ),
    "another error": (
        claims(SELECT, sqlstate="42P01"),
        [*logged(SELECT), error(3, SELECT)],
        "sqlstate",
        f"{PLACE}: statement 1, {SELECT}: the server raised 42501 (permission denied), and the client claims "
        "SQLSTATE 42P01",
    ),
    "another role": (
        claims(SELECT, principal="cutter_verify"),
        logged(SELECT),
        "principal",
        f"backend 41 (cutter_verify), scenario S4: statement 1, {SELECT}: the server says that it came from "
        "cutter_exec",
    ),
    "an unknown session": (
        claims(SELECT),
        [*logged(SELECT), line(1, "connection", pid=42, session="b")],
        "session",
        "backend 42 (cutter_exec), scenario S4: the server authorized a session that the client witness "
        "never opened; it sent 0 statements",
    ),
    "the same pid a second time": (
        claims(SELECT),
        [*logged(SELECT), line(1, "connection", session="b")],
        "session",
        f"{PLACE}: the server authorized a session that the client witness never opened; it sent 1 statement",
    ),
}


@pytest.mark.parametrize("name", DISAGREEMENTS)
def test_difference_is_said(name: str) -> None:
    """Each planted difference is found once, as what it is, naming pid, role, scenario and statement."""
    client, lines, kind, sentence = DISAGREEMENTS[name]
    found = compared(client, lines).differences
    assert [(it.kind, it.sentence) for it in found] == [(kind, sentence)]


def test_claimed_session_must_exist() -> None:
    """A session that only the client knows is a difference."""
    found = compared([], [], opened=(PID,))
    assert found.sentences() == (
        "backend 41 (no role), outside every scenario: the client claims a session that the server never "
        "authorized",
    )


SKIPPED: dict[str, tuple[dict[str, Any], list[ServerLine], str]] = {
    "its pipeline had failed": (
        {"message": "pipeline aborted"},
        [*logged(), error(2, "SELECT 1/0", "22012", unlogged=True)],
        "the server skipped it, because an earlier statement of its pipeline had failed",
    ),
    "its session had ended": (
        {"answered": False},
        [*logged("SELECT 1/0"), line(3, "error", severity="FATAL", sqlstate="57P01", message="terminating")],
        "the session had ended before it arrived",
    ),
}


@pytest.mark.parametrize("name", SKIPPED)
def test_unseen_statement_is_explained(name: str) -> None:
    """A statement that never arrived is in order after a failed pipeline or a lost session."""
    how, lines, why = SKIPPED[name]
    (first,) = claims("SELECT 1/0", answered=False)
    (lost,) = claims(INSERT, **how)
    lost = msgspec.structs.replace(lost, n=2)
    found = compared([first, lost], lines)
    assert found.sentences() == ()
    assert [(it.client.n, it.why) for it in found.explained] == [(2, why)]


def test_a_skipped_statement_is_never_the_one_that_failed() -> None:
    """Where two pipelines of a session fail at the same text, what each skipped stands for nothing that was logged."""
    texts = [INSERT, INSERT, INSERT, "ROLLBACK"] * 2
    hows: tuple[dict[str, Any], ...] = ({}, {"sqlstate": "23505"}, {"message": "pipeline aborted"}, {}) * 2
    client = [msgspec.structs.replace(claim, **how) for claim, how in zip(claims(*texts), hows, strict=True)]
    lines = logged()
    for number in (2, 6):
        lines += [
            line(number, "execute", INSERT), line(number + 1, "execute", INSERT), error(number + 2, INSERT, "23505"),
            line(number + 3, "statement", "ROLLBACK"),
        ]  # fmt: skip
    found = compared(client, lines)
    assert found.sentences() == ()
    assert [it.client.n for it in found.explained] == [3, 7]


def test_a_statement_that_ran_and_is_said_to_be_skipped_is_a_difference() -> None:
    """Nothing that the server logged is excused by the client's word that the server skipped it."""
    failed, ran = claims("SELECT 1/0", INSERT)
    failed = msgspec.structs.replace(failed, sqlstate="22012")
    ran = msgspec.structs.replace(ran, message="pipeline aborted")
    found = compared(
        [failed, ran], [*logged("SELECT 1/0"), error(3, "SELECT 1/0", "22012"), line(4, "execute", INSERT)]
    )
    assert [it.kind for it in found.differences] == ["only_server"]


@pytest.mark.parametrize("name", SKIPPED)
def test_claimed_success_is_never_explained(name: str) -> None:
    """A statement that claims success and never arrived is a difference, whatever else went wrong."""
    _how, lines, _why = SKIPPED[name]
    (first,) = claims("SELECT 1/0", answered=False)
    (invented,) = claims(INSERT, rows=1)
    found = compared([first, msgspec.structs.replace(invented, n=2)], lines)
    assert [it.n for it in found.only_client] == [2]
    assert [it.kind for it in found.differences] == ["only_client"]


def test_refused_login_is_an_error_and_no_session() -> None:
    """A session that the server authorized and refused at once is not one that the client hid."""
    lines = [
        line(1, "connection"),
        line(2, "error", severity="FATAL", sqlstate="53300", message="too many connections"),
    ]
    found = compared([], lines, opened=())
    assert found.sentences() == ()
    assert [it.sqlstate for it in found.session_errors] == ["53300"]


def test_same_text_fails_after_it_succeeded() -> None:
    """An error in Bind is a second execution of a text that had succeeded, not the first one's error."""
    lines = [*logged(SELECT), error(3, SELECT, "22012", unlogged=True)]
    statements, _errors = server_statements(lines)
    assert [it.sqlstate for it in statements] == ["", "22012"]


def test_error_after_sync_belongs_to_the_last_statement() -> None:
    """An error that the server logs without a text is its session's last statement's."""
    statements, errors = server_statements([*logged(SELECT), error(3, "", "23505")])
    assert ([it.sqlstate for it in statements], errors) == (["23505"], [])


@pytest.mark.parametrize("length", [SHOWN_CHARACTERS - 1, SHOWN_CHARACTERS, SHOWN_CHARACTERS + 1])
def test_shortened(length: int) -> None:
    """A text of up to 120 characters is whole, a longer one is cut to 120."""
    text = shortened("x" * length)
    assert len(text) == min(length, SHOWN_CHARACTERS)
    assert text.endswith("…") is (length > SHOWN_CHARACTERS)


TEXTS = st.lists(st.sampled_from(["A", "B", "C"]), max_size=9)


@settings(max_examples=300, deadline=None)
@given(TEXTS, TEXTS)
def test_agreement_means_equality(mine: list[str], theirs: list[str]) -> None:
    """The witnesses agree exactly when both lists are the same, and nothing is matched twice or lost."""
    found = compared(claims(*mine), logged(*theirs))
    assert (found.differences == ()) is (mine == theirs)
    partners = [it.client.n for it in found.witnessed if it.client]
    assert len(partners) == len(set(partners))
    assert len(partners) + len(found.only_client) + len(found.explained) == len(mine)
    assert all(it.client.sql == it.server.sql for it in found.witnessed if it.client)
