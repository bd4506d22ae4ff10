"""The order of lines: one statement's number after the other, whatever threads and interruptions do."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from console.harness.appender import Appender, WitnessFailed
from console.harness.faults import Fault, InducedFault
from console.harness.frames import OwnFrames
from console.harness.redaction import Redactor
from console.harness.sessions import IDLE, Session
from console.harness.tracer import Tracer
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
    return Tracer(file=file, redactor=Redactor({}), subject=OwnFrames(str(Path(__file__).parent)))


def opened(tracer: Tracer, connection: Any) -> Session:
    """Return the session of a connection."""
    return tracer.opened(connection)


def run(tracer: Tracer, session: Session, text: bytes) -> None:
    """Announce a statement and its answer, as the functions around psycopg do."""
    tracer.intend(session, text, (), b"", IDLE, sys._getframe())
    answers: Any = [Answer()]
    assert tracer.answered(session, session.own, answers)


def test_statements_of_threads_are_numbered_as_they_are_written(traced: Tracer, tmp_path: Path) -> None:
    """New texts and known ones of many threads stand in the file in the order of their numbers, each answered."""
    connections: list[Any] = [Connection() for _ in range(6)]
    sessions = [opened(traced, connection) for connection in connections]

    def work(session: Session) -> None:
        for number in range(600):
            run(traced, session, b"SELECT %d" % (number % 50))

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
    assert {tuple(one.split(" (")[0] for one in s.callers) for s in statements} == {("run", "work")}


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
