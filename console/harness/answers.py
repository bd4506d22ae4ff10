"""Where the answers to statements are recorded: what console/harness/witness.py puts in the place of psycopg's own."""

from __future__ import annotations

from collections.abc import Callable, Generator
from time import monotonic_ns
from typing import Any

import psycopg
from psycopg._cursor_base import BaseCursor
from psycopg._pipeline_base import BasePipeline
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn, PGresult

from console.harness.numbers import STATEMENTS
from console.harness.pipelines import entries_of
from console.harness.sessions import Sent, Session, counted
from console.harness.tracer import COMMAND_OK, TUPLES_OK, Tracer

Function = Callable[..., Any]


def process_results(tracer: Tracer, original: Function) -> Function:
    """A pipeline's, in the order of its queue."""

    def recorded(self: BasePipeline, queued: Any, results: list[PGresult]) -> None:
        entries = entries_of(self)
        entry = entries.popleft() if entries else None
        if entry is not None and entry.sent is not None:
            tracer.answered(tracer.session(self._conn), entry.sent, results)
        original(self, queued, results)

    return recorded


def execute(tracer: Tracer, original: Function) -> Function:
    """What psycopg asks libpq for outside a pipeline, where no cursor checks it: its own statements, Parse, COPY."""
    sessions, elsewhere = tracer.sessions, tracer.elsewhere

    def answers_of(pgconn: PGconn) -> Generator[Any, Any, list[PGresult]]:
        answers: Generator[Any, Any, list[PGresult]] = original(pgconn)
        if not elsewhere:
            return answers
        session = sessions.get(pgconn)
        if session is None:
            return answers
        elsewhere.discard(session)
        sent = session.pending
        if sent is None or sent.checked:
            return answers
        return _recorded(tracer, session, sent, answers)

    return answers_of


def _recorded(
    tracer: Tracer, session: Session, sent: Sent, answers: Generator[Any, Any, list[PGresult]]
) -> Generator[Any, Any, list[PGresult]]:
    sent.left = True
    try:
        results = yield from answers
    except psycopg.Error:
        tracer.lost(session, sent)
        raise
    tracer.answered(session, sent, results)
    return results


def check_results(tracer: Tracer, original: Function) -> Function:
    """The answer of what a cursor executed: a generator around psycopg's own, as above, costs twice as much.

    psycopg has nothing against one answer of rows or a count, and is not asked. It is told here in numbers, by no call.
    """
    session_of, answered, numbers = tracer.sessions.get, tracer.answered, tracer.numbers

    def checked(self: BaseCursor[Any, Any], results: list[PGresult]) -> None:
        session = session_of(self._pgconn)
        if session is None:
            original(self, results)
            return
        sent = session.pending
        if sent is not session.own or len(results) != 1:
            if sent is None or not sent.checked or not answered(session, sent, results):
                original(self, results)
            return
        last = results[0]
        status = last.status
        if status == TUPLES_OK:
            rows = last.ntuples
        elif status == COMMAND_OK:
            rows = counted(last)
        else:
            answered(session, sent, results)
            original(self, results)
            return
        took_ns = monotonic_ns() - sent.began_ns
        at = sent.n - numbers.base
        if 0 <= at < STATEMENTS and not sent.settled:  # whoever came at a call may have ended the session
            numbers.tooks[at] = took_ns
            numbers.counts[at] = rows + 2
            session.pending = None
            sent.settled = True
        elif not answered(session, sent, results):
            original(self, results)

    return checked


def fetch(tracer: Tracer, original: Function) -> Function:
    """Cursor.stream's answers: rows one by one, then a last empty result that ends the statement."""

    def fetched(pgconn: PGconn) -> Generator[Any, Any, PGresult | None]:
        session = tracer.sessions.get(pgconn)
        sent = session.pending if session is not None else None
        try:
            result: PGresult | None = yield from original(pgconn)
        except psycopg.Error:
            if session is not None and sent is not None:
                tracer.lost(session, sent)
            raise
        if result is not None and session is not None and sent is not None:
            if result.status in (ExecStatus.SINGLE_TUPLE, ExecStatus.TUPLES_CHUNK):
                sent.rows += result.ntuples
            elif result.status == ExecStatus.TUPLES_OK:
                tracer.settle(session, sent, sent.rows + result.ntuples)
            else:
                tracer.answered(session, sent, [result])
        return result

    return fetched


def copy_ends(tracer: Tracer, original: Function) -> Function:
    """COPY's last answer: a result, or the error that psycopg made of it."""

    def ended(pgconn: PGconn, *arguments: Any) -> Generator[Any, Any, Any]:
        session = tracer.sessions.get(pgconn)
        sent = session.pending if session is not None else None
        try:
            answer = yield from original(pgconn, *arguments)
        except psycopg.Error as error:
            if session is not None and sent is not None and error.sqlstate:
                tracer.settle(session, sent, -1, error.sqlstate, error.diag.message_primary or "")
            elif session is not None and sent is not None:
                tracer.lost(session, sent)
            raise
        if session is not None and sent is not None and not isinstance(answer, memoryview):
            tracer.answered(session, sent, [answer])
        return answer

    return ended
