"""The order of lines: one statement's number after the other, whatever threads and interruptions do."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from console.harness import tracer as tracer_module
from console.harness.answers import check_results
from console.harness.appender import Appender, WitnessFailed, is_anothers
from console.harness.faults import Fault, InducedFault
from console.harness.frames import OwnFrames
from console.harness.numbers import Numbers
from console.harness.redaction import Redactor
from console.harness.sessions import IDLE, Sent, Session
from console.harness.tracer import COMMAND_OK, Tracer
from console.harness.witness import _send_query_prepared
from console.witness import client
from console.witness.client import ClientTrace


class Libpq:
    """As much of a libpq connection as the tracer asks of one."""

    _encoding, transaction_status, backend_pid, user = "utf-8", IDLE, 77, b"shopper"
    finished = False

    def finish(self) -> None:
        """Close it."""
        self.finished = True


class Connection:
    """As much of a connection."""

    def __init__(self) -> None:
        self.pgconn = Libpq()


class Answer:
    """One row."""

    status, ntuples = 2, 1


@pytest.fixture
def traced(tmp_path: Path) -> Tracer:
    """Return a tracer that writes into a real file."""
    file = Appender(str(tmp_path / "client.jsonl"))
    return Tracer(
        file=file, redactor=Redactor({}), subject=OwnFrames(str(Path(__file__).parent)),
        numbers=Numbers(str(tmp_path / "client.numbers")),
    )  # fmt: skip


def opened(tracer: Tracer, connection: Any) -> Session:
    """Return the session of a connection."""
    return tracer.opened(connection)


def run(tracer: Tracer, session: Session, text: bytes) -> None:
    """Announce a statement and its answer, as the functions around psycopg do."""
    tracer.intend(session, text, (), b"", IDLE, sys._getframe())
    answers: Any = [Answer()]
    assert tracer.answered(session, session.own, answers)


class Cursor:
    """As much of a psycopg cursor, and of its connection, as sends what was prepared."""

    format = 0

    def __init__(self, session: Session) -> None:
        self._pgconn: Any = session.pgconn
        self._pipeline = None
        self._conn = self


class Prepared:
    """As much of a query."""

    types, params, formats = (), None, None

    def __init__(self, text: bytes) -> None:
        self.query = text


def _deep(frames: int, call: Callable[[], None]) -> None:
    if frames == 1:
        call()
    else:
        _deep(frames - 1, call)


def run_prepared(
    tracer: Tracer, session: Session, text: bytes, leave: Callable[..., None] = lambda *_, **__: None
) -> None:
    """Send a prepared statement and take its answer by what stands in the place of psycopg's own functions.

    It seems called for where this is called, as far below as psycopg's execute would be. `leave` is libpq's part.
    """

    def none(*_: Any, **__: Any) -> None:
        raise AssertionError("psycopg's own was asked")

    cursor = Cursor(session)
    cursor._pgconn.send_query_prepared = leave
    send = _send_query_prepared(tracer, none)
    _deep(3, partial(send, cursor, b"_pg3_0 " + text, Prepared(text)))
    check_results(tracer, none)(cursor, [Answer()])


WAYS = [(run, ("run", "work")), (run_prepared, ("work",))]
"""How statements are told of, and who called for them then."""


@pytest.mark.parametrize(("tell", "callers"), WAYS)
def test_statements_of_threads_are_numbered_as_they_are_written(
    traced: Tracer, tmp_path: Path, tell: Callable[[Tracer, Session, bytes], None], callers: tuple[str, ...]
) -> None:
    """New texts and known ones of many threads stand in the file in the order of their numbers, each answered."""
    connections: list[Any] = [Connection() for _ in range(6)]
    sessions = [opened(traced, connection) for connection in connections]

    def work(session: Session) -> None:
        for number in range(600):
            tell(traced, session, b"SELECT %d" % (number % 50))

    threads = [threading.Thread(target=work, args=(session,)) for session in sessions]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    trace = ClientTrace(tmp_path / "client.jsonl")
    statements = trace.finish()
    assert trace.irregularities == []
    assert len(statements) == 6 * 600
    assert all(statement.answered and statement.rows == 1 for statement in statements)
    assert {tuple(one.split(" (")[0] for one in s.callers) for s in statements} == {callers}


def test_what_is_sent_again_and_again_is_told_without_a_call(
    traced: Tracer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the third time on neither `intend` nor `answered` is asked, and each statement is told as before."""
    connection: Any = Connection()
    session = opened(traced, connection)
    asked: list[str] = []

    def noting(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*given: Any) -> Any:
            asked.append(name)
            return real(*given)

        return noted

    for name in ("intend", "answered"):
        monkeypatch.setattr(traced, name, noting(name, getattr(traced, name)))
    for _ in range(9):
        run_prepared(traced, session, b"SELECT 1")
    assert asked == ["intend"] * 2
    trace = ClientTrace(tmp_path / "client.jsonl")
    told = [(s.n, s.transaction, s.rows, s.answered, s.sql) for s in trace.finish()]
    assert told == [(n, n, 1, True, "SELECT 1") for n in range(1, 10)]
    assert trace.irregularities == []


@pytest.mark.parametrize("tell", [run, run_prepared])
def test_a_number_that_found_no_room_is_nobody_elses(
    traced: Tracer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tell: Callable[..., None]
) -> None:
    """A statement of another thread that comes while a full window is noticed leaves no gap in the numbers."""
    connections: list[Any] = [Connection(), Connection()]
    session, other = [opened(traced, connection) for connection in connections]

    def come_between(refused: Exception) -> bool:
        tell(traced, other, b"SELECT 2")
        return is_anothers(refused)

    monkeypatch.setattr(tracer_module, "is_anothers", come_between)
    for _ in range(9):
        tell(traced, session, b"SELECT 1")
        assert traced.file._window
        traced.file._window.seek(0, os.SEEK_END)
    trace = ClientTrace(tmp_path / "client.jsonl")
    assert len(trace.finish()) >= 9
    assert trace.irregularities == []


def test_a_prepared_statement_is_not_sent_after_a_line_that_cannot_be_written(traced: Tracer) -> None:
    """No trace, no execution, for what is told without a call too."""
    connection: Any = Connection()
    session, sent = opened(traced, connection), []
    for at in range(6):
        if at == 5:
            traced.file._failed("no room")
            with pytest.raises(WitnessFailed, match="cannot be written: no room"):
                run_prepared(traced, session, b"SELECT 1", leave=lambda *_, **__: sent.append("sent"))
        else:
            run_prepared(traced, session, b"SELECT 1")
    traced.sessions.clear()
    assert (connection.pgconn.finished, sent) == (True, [])


def test_nothing_is_told_after_a_line_that_cannot_be_written(traced: Tracer, tmp_path: Path) -> None:
    """After a refused line every later one is refused too, and the connection is closed."""
    connection: Any = Connection()
    session = opened(traced, connection)
    run(traced, session, b"SELECT 1")
    traced.file._failed("no room")
    for _ in range(2):
        with pytest.raises(WitnessFailed, match="cannot be written: no room"):
            run(traced, session, b"SELECT 1")
    traced.sessions.clear()
    assert connection.pgconn.finished
    assert [s.n for s in ClientTrace(tmp_path / "client.jsonl").finish()] == [1]


@pytest.mark.parametrize("room", [True, False])
def test_an_answer_that_finds_no_room_is_written_further_on_or_ends_the_session(
    traced: Tracer, tmp_path: Path, room: bool
) -> None:
    """A full window takes no outcome; where no other is to be had, the subject does not go on with the connection."""
    connection: Any = Connection()
    session = opened(traced, connection)

    def fill(*_: Any, **__: Any) -> None:
        traced.numbers.end()
        assert traced.file._window
        traced.file._window.seek(0, os.SEEK_END)
        if not room:
            traced.file._failed("no room")

    for _ in range(3):
        run_prepared(traced, session, b"SELECT 1")
    if room:
        run_prepared(traced, session, b"SELECT 1", leave=fill)
    else:
        with pytest.raises(WitnessFailed, match="cannot be written: no room"):
            run_prepared(traced, session, b"SELECT 1", leave=fill)
    traced.sessions.clear()
    trace = ClientTrace(tmp_path / "client.jsonl")
    assert [s.answered for s in trace.finish()] == [True, True, True, room]
    assert (connection.pgconn.finished, trace.irregularities) == (not room, [])


def test_transactions_are_counted_of_what_is_told_without_a_call(traced: Tracer, tmp_path: Path) -> None:
    """A new text after seven known ones outside a transaction is in the eighth."""
    connection: Any = Connection()
    session = opened(traced, connection)
    for _ in range(7):
        run_prepared(traced, session, b"SELECT 1")
    run_prepared(traced, session, b"SELECT 2")
    assert [s.transaction for s in ClientTrace(tmp_path / "client.jsonl").finish()] == list(range(1, 9))


def test_no_statement_is_like_one_that_was_told_too_long_ago(
    traced: Tracer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is sent from one place over and over refers to what is read of it now, whatever came between."""
    monkeypatch.setattr(tracer_module, "MOST_ALIKE", 3)
    monkeypatch.setattr(client, "MOST_ALIKE", 6)
    connection: Any = Connection()
    session = opened(traced, connection)
    for text in [b"SELECT 1"] * 4 + [b"SELECT %d" % number for number in range(2, 12)] + [b"SELECT 1"] * 4:
        run_prepared(traced, session, text)
    trace = ClientTrace(tmp_path / "client.jsonl")
    statements = trace.finish()
    assert (trace.irregularities, len(statements)) == ([], 18)
    assert [one.sql for one in statements[-4:]] == ["SELECT 1"] * 4


def test_what_is_sent_from_one_place_is_told_with_the_label_of_its_time(
    traced: Tracer, tmp_path: Path
) -> None:
    """Another attempt sends the same from the same line, and all of it is held for the first one's."""
    connection: Any = Connection()
    session, scenarios = opened(traced, connection), [name for name in ("S1", "S2", "S1") for _ in range(4)]
    for number, scenario in enumerate(scenarios):
        if number % 4 == 0:
            traced.label(s=scenario)
        run_prepared(traced, session, b"SELECT 1")
    assert [one.scenario for one in ClientTrace(tmp_path / "client.jsonl").finish()] == scenarios


def test_a_password_learned_later_is_taken_out_of_what_is_sent_from_the_same_place(
    traced: Tracer, tmp_path: Path
) -> None:
    """The text was told in full before it was a password's, and is only referred to from then on."""
    connection: Any = Connection()
    session = opened(traced, connection)
    for number in range(8):
        if number == 4:
            traced.learn({"shopper": "correct-horse-battery"})
        run_prepared(traced, session, b"SELECT 'correct-horse-battery'")
    texts = [one.sql for one in ClientTrace(tmp_path / "client.jsonl").finish()]
    assert ["correct-horse-battery" in text for text in texts] == [True] * 4 + [False] * 4


def test_a_fault_strikes_at_what_is_sent_from_the_same_place(traced: Tracer) -> None:
    """What is told in numbers is counted for no fault, and the attempt that was to fail succeeds."""
    connection: Any = Connection()
    session, sent = opened(traced, connection), list[int]()
    traced.label(s="S1", a="writes")

    def send() -> None:
        for number in range(12):
            if number == 5:
                traced.induce({"writes": Fault(attempt="writes", at=3, kind="error")})
            run_prepared(traced, session, b"SELECT 1")
            sent.append(number)

    with pytest.raises(InducedFault, match="at statement 3 of the attempt writes"):
        send()
    assert len(sent) == 7


def test_who_waits_for_every_statement_is_told_of_its_answer(traced: Tracer) -> None:
    """Where statements are looked at one by one, both looks are had for prepared ones."""
    connection: Any = Connection()
    session, looks = opened(traced, connection), []
    traced.label(s="S1")
    traced.look_at_each(lambda when, number: looks.append((when, number)))
    for _ in range(4):
        run_prepared(traced, session, b"SELECT 1")
    assert looks == [(when, number) for number in range(1, 5) for when in ("before", "after")]


@pytest.mark.parametrize("state", ["settled", "preparing"])
def test_an_answer_that_is_no_statements_goes_to_psycopg(traced: Tracer, state: str) -> None:
    """What is settled already, or waits for its Parse, has no outcome to be told."""
    connection: Any = Connection()
    session, asked = opened(traced, connection), []
    run_prepared(traced, session, b"SELECT 1")
    pending, answer = session.own if state == "settled" else Sent(b"a", checked=True), Answer()
    answer.status, answer.command_tuples = COMMAND_OK, 0  # type: ignore[attr-defined]
    pending.settled = state == "settled"
    pending.preparing = state == "preparing"
    session.pending = pending
    check_results(traced, lambda _, results: asked.append(results))(Cursor(session), [answer])
    assert (asked, session.pending) == ([[answer]], pending)


@pytest.mark.parametrize("kind", ["error", "connection"])
def test_a_fault_strikes_at_a_statement_that_was_told_before(
    traced: Tracer, tmp_path: Path, kind: str
) -> None:
    """A repeated statement is counted for a fault like a new one; numbers and transactions go on after it."""
    connection: Any = Connection()
    session = opened(traced, connection)
    traced.label(s="S1", a="writes")
    for _ in range(3):
        run(traced, session, b"SELECT 1")
    traced.induce({"writes": Fault(attempt="writes", at=2, kind=kind)})
    run(traced, session, b"SELECT 1")
    with pytest.raises(InducedFault, match="at statement 2 of the attempt writes"):
        run(traced, session, b"SELECT 1")
    assert connection.pgconn.finished == (kind == "connection")
    for _ in range(3):
        run(traced, session, b"SELECT 1")
    trace = ClientTrace(tmp_path / "client.jsonl")
    statements = trace.finish()
    assert trace.irregularities == []
    assert [(fault.n, fault.sql, fault.kind) for fault in trace.faults] == [(2, "SELECT 1", kind)]
    assert [s.n for s in statements] == [1, 2, 3, 4, 5, 6, 7]
    assert [s.transaction for s in statements] == [1, 2, 3, 4, 5, 6, 7]
    assert (tmp_path / "client.jsonl").read_bytes().count(b'"again"') == 4
