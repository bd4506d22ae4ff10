"""Where the tracer takes hold of psycopg: one table of what is replaced, each by a function below or of answers.py.

::

    BaseConnection.__init__      a session was opened (sync, async, pools, subclasses)
    Connection.close, Async…     it was closed (a dropped one is noticed by its weak reference)
    BaseCursor._execute_send     execute, COPY, stream, DECLARE; ClientCursorMixin has its own
    BaseCursor._send_prepare     Parse of a statement that psycopg prepares
    BaseCursor._send_query_prepared   its execution
    BaseConnection._exec_command BEGIN, COMMIT, SAVEPOINT, FETCH, CLOSE, DEALLOCATE ALL, …
    BasePipeline._process_results     answers in pipeline mode
    BaseCursor._check_results         answers of what a cursor executed
    execute, fetch, copy_end, copy_from   answers elsewhere, in the modules that imported them

A ClientCursor writes its values into the SQL text, which is recorded as the server logs it.
Works on exactly one release of psycopg. What goes to libpq past psycopg's cursors and connections
(`connection.pgconn.exec_`) is not seen here: the server's log sees it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Generator
from functools import wraps
from sys import _getframe
from time import monotonic_ns
from types import FrameType
from typing import Any

import psycopg
from psycopg import _copy, _copy_async, _copy_base, _cursor_base, _server_cursor_base, generators
from psycopg._connection_base import BaseConnection
from psycopg._cursor_base import BaseCursor
from psycopg._pipeline_base import BasePipeline
from psycopg._server_cursor_base import ServerCursorMixin
from psycopg.pq import ConnStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

from console.harness import answers
from console.harness.answers import Function
from console.harness.frames import Told
from console.harness.pipelines import Entry, defer
from console.harness.sessions import IDLE, UNKNOWN, Sent, Session
from console.harness.tracer import Tracer

PINNED_PSYCOPG = "3.3.9"

_OK, _ACTIVE = int(ConnStatus.OK), int(TransactionStatus.ACTIVE)
_FRAMES_OF_EXECUTE, _FEWEST_FRAMES = 5, 3
"""From what is replaced here to who called a cursor's execute, at least; to psycopg's commit or stream."""

Maker = Callable[[Tracer, Function], Function]


def driver_refusal(version: str) -> str | None:
    """Return why this psycopg cannot be traced, None when it can."""
    if version == PINNED_PSYCOPG:
        return None
    return f"psycopg {version} is installed here, and the tracer knows psycopg {PINNED_PSYCOPG} only"


def _caller(frames: int) -> FrameType:
    """Return the frame so many above the one that asks; this one where a thread begins below."""
    try:
        return _getframe(1 + frames)
    except ValueError:
        return _getframe()


def _announced(
    tracer: Tracer, session: Session, sql: bytes, *, types: tuple[int, ...] = (), prepared: bytes | None = b""
) -> Sent:
    """Record a statement whose answer no cursor checks; `prepared` is None for psycopg's own."""
    sent = Sent(prepared)
    tracer.intend_other(session, sent, sql, types, _caller(1 + _FEWEST_FRAMES))
    return sent


def _awaited(tracer: Tracer, session: Session, sent: Sent, sql: bytes, types: tuple[int, ...] = ()) -> None:
    """The same outside a pipeline: the answer is recorded where psycopg asks libpq for it."""
    tracer.intend_other(session, sent, sql, types, _caller(1 + _FEWEST_FRAMES))
    session.pending = sent
    tracer.elsewhere.add(session)


def _broke_off(tracer: Tracer, session: Session, sent: Sent, error: BaseException) -> None:
    """Record that an announced statement did not leave: libpq refused it, or a signal's handler raised before."""
    refused = isinstance(error, psycopg.Error)
    if sent.n and not sent.settled and (refused or session.pgconn.transaction_status != _ACTIVE):
        tracer.unsent(session, sent)


def _execute_send(tracer: Tracer, original: Function) -> Function:
    def execute_send(
        self: BaseCursor[Any, Any], query: Any, *, force_extended: bool = False, binary: bool | None = None
    ) -> None:
        connection = self._conn
        pgconn = connection.pgconn
        state = pgconn.transaction_status
        if state == UNKNOWN:
            original(self, query, force_extended=force_extended, binary=binary)
            return
        session = tracer.sessions.get(pgconn) or tracer.opened(connection)
        sql, types = query.query, query.types
        pipeline = connection._pipeline
        if pipeline:
            original(self, query, force_extended=force_extended, binary=binary)
            defer(
                pipeline, Entry(), lambda: _announced(tracer, session, sql, types=types),
                answers_queued=len(pipeline.result_queue),
            )  # fmt: skip
            return
        tracer.give_up(session)
        sent = session.own
        if binary is not None or force_extended:  # COPY, stream, or a server cursor
            declares = sql.startswith(b"DECLARE") and isinstance(self, ServerCursorMixin)
            sent = Sent(None if declares else b"")
        try:
            if sent.checked:
                tracer.intend(session, sql, types, b"", state, _caller(_FRAMES_OF_EXECUTE))
            else:
                _awaited(tracer, session, sent, sql, types)
            original(self, query, force_extended=force_extended, binary=binary)
        except BaseException as error:
            _broke_off(tracer, session, sent, error)
            raise

    return execute_send


def _send_prepare(tracer: Tracer, original: Function) -> Function:
    def send_prepare(self: BaseCursor[Any, Any], name: bytes, query: Any) -> None:
        connection = self._conn
        if connection.pgconn.status != _OK:
            original(self, name, query)
            return
        session = tracer.sessions.get(connection.pgconn) or tracer.opened(connection)
        sql, types = query.query, query.types

        def announce() -> Sent:
            sent = _announced(tracer, session, sql, types=types, prepared=name)
            sent.preparing = True
            return sent

        pipeline = connection._pipeline
        if pipeline:
            original(self, name, query)
            entry = Entry()
            defer(pipeline, entry, announce, answers_queued=len(pipeline.result_queue) - 1)
            pipeline.__dict__["_drydock_preparing"] = (name, entry)
            return
        tracer.give_up(session)
        sent = Sent(name)
        sent.preparing = True
        try:
            _awaited(tracer, session, sent, sql, types)
            original(self, name, query)
        except BaseException as error:
            _broke_off(tracer, session, sent, error)
            raise

    return send_prepare


def _send_query_prepared(tracer: Tracer, original: Function) -> Function:
    """The execution of what was prepared, and so of all that is executed often: each step counts.

    The commonest case is sent here as psycopg's own function would, and told in numbers, by no call; the others are
    their own.
    """
    session_of, numbers, intend = tracer.sessions.get, tracer.numbers, tracer.intend
    rarely = _send_query_prepared_rarely(tracer, original)

    def send_query_prepared(
        self: BaseCursor[Any, Any], name: bytes, pgq: Any, *, binary: bool | None = None
    ) -> None:
        pgconn = self._pgconn
        session = session_of(pgconn)
        if session is None or session.pending is not None or binary is not None or self._conn._pipeline:
            rarely(self, name, pgq, binary=binary)
            return
        state = pgconn.transaction_status
        if state == UNKNOWN:
            rarely(self, name, pgq, binary=binary)
            return
        try:
            frame = _getframe(_FRAMES_OF_EXECUTE)
        except ValueError:
            frame = _getframe()
        sent = session.own
        left = frame.f_trace
        known = left if type(left) is Told else None
        try:
            began_ns = monotonic_ns()
            try:  # without a call, or a handler's LookupError would be taken for ours, and a number given twice
                if known is None:
                    raise LookupError
                like = session.again[known, frame.f_lasti, name, state]
                n = numbers.last + 1
                at = n - numbers.base
                if at < 0:
                    raise LookupError
                numbers.afters[at] = began_ns - session.opened_ns
                numbers.likes[at] = like
                numbers.last = n
                sent.n = n
                sent.began_ns = began_ns
                sent.settled = False
                session.pending = sent
                if state == IDLE:
                    session.transactions += 1
            except LookupError:
                intend(session, pgq.query, pgq.types, name, state, frame)
                numbers.turn(sent.n + 1)
            pgconn.send_query_prepared(name, pgq.params, param_formats=pgq.formats, result_format=self.format)
        except BaseException as error:
            _broke_off(tracer, session, sent, error)
            raise

    return send_query_prepared


def _send_query_prepared_rarely(tracer: Tracer, original: Function) -> Function:
    """The same in a pipeline, after its Parse, which has announced it, or in a session that is unknown or broken."""

    def send_query_prepared(
        self: BaseCursor[Any, Any], name: bytes, pgq: Any, *, binary: bool | None
    ) -> None:
        connection = self._conn
        state = connection.pgconn.transaction_status
        if state == UNKNOWN:
            original(self, name, pgq, binary=binary)
            return
        session = tracer.sessions.get(connection.pgconn) or tracer.opened(connection)
        if connection._pipeline:
            original(self, name, pgq, binary=binary)
            _defer_prepared(tracer, session, connection._pipeline, name, pgq)
            return
        sent = session.pending
        if sent is None or sent.settled or sent.checked or sent.prepared != name:
            tracer.give_up(session)
            sent = session.own
        try:
            if sent is session.own:
                tracer.intend(session, pgq.query, pgq.types, name, state, _caller(1 + _FRAMES_OF_EXECUTE))
            sent.checked = True
            original(self, name, pgq, binary=binary)
        except BaseException as error:
            _broke_off(tracer, session, sent, error)
            raise

    return send_query_prepared


def _defer_prepared(tracer: Tracer, session: Session, pipeline: Any, name: bytes, pgq: Any) -> None:
    preparing = pipeline.__dict__.pop("_drydock_preparing", (b"", None))
    entry = preparing[1] if preparing[0] == name else None
    sql, types = pgq.query, pgq.types
    announce = None if entry else lambda: _announced(tracer, session, sql, types=types, prepared=name)
    defer(pipeline, entry or Entry(), announce, answers_queued=len(pipeline.result_queue))


def _exec_command(tracer: Tracer, original: Function) -> Function:
    def exec_command(
        self: BaseConnection[Any], command: Any, *arguments: Any, **options: Any
    ) -> Generator[Any, Any, PGresult | None]:
        result: PGresult | None
        if self.pgconn.status != _OK:
            result = yield from original(self, command, *arguments, **options)
            return result
        session = tracer.sessions.get(self.pgconn) or tracer.opened(self)
        if isinstance(command, str):
            command = command.encode(self.pgconn._encoding)
        elif not isinstance(command, bytes):
            command = command.as_bytes(self)
        pipeline = self._pipeline
        if pipeline:
            result = yield from original(self, command, *arguments, **options)
            defer(
                pipeline, Entry(), lambda: _announced(tracer, session, command, prepared=None),
                answers_queued=len(pipeline.result_queue) - 1,
            )  # fmt: skip
            return result
        tracer.give_up(session)
        sent = Sent()
        try:
            _awaited(tracer, session, sent, command)
            result = yield from original(self, command, *arguments, **options)
        except BaseException as error:
            if not sent.left:
                _broke_off(tracer, session, sent, error)
            raise
        return result

    return exec_command


def _opens(tracer: Tracer, original: Function) -> Function:
    def init(self: BaseConnection[Any], pgconn: PGconn) -> None:
        original(self, pgconn)
        tracer.opened(self)

    return init


def _close(tracer: Tracer, original: Function) -> Function:
    def close(self: psycopg.Connection[Any]) -> None:
        pgconn = self.pgconn
        original(self)
        if self.closed:
            tracer.closed(pgconn)

    return close


def _close_async(tracer: Tracer, original: Function) -> Function:
    async def close(self: psycopg.AsyncConnection[Any]) -> None:
        pgconn = self.pgconn
        await original(self)
        if self.closed:
            tracer.closed(pgconn)

    return close


_CLIENT_CURSOR = importlib.import_module("psycopg.client_cursor").ClientCursorMixin

REPLACED: tuple[tuple[Any, str, Maker], ...] = (
    (BaseConnection, "__init__", _opens),
    (psycopg.Connection, "close", _close),
    (psycopg.AsyncConnection, "close", _close_async),
    (BaseCursor, "_execute_send", _execute_send),
    (_CLIENT_CURSOR, "_execute_send", _execute_send),
    (BaseCursor, "_send_prepare", _send_prepare),
    (BaseCursor, "_send_query_prepared", _send_query_prepared),
    (BaseConnection, "_exec_command", _exec_command),
    (BaseCursor, "_check_results", answers.check_results),
    (BasePipeline, "_process_results", answers.process_results),
    (_cursor_base, "execute", answers.execute),
    (_server_cursor_base, "execute", answers.execute),
    (generators, "execute", answers.execute),
    (_cursor_base, "fetch", answers.fetch),
    (_copy, "copy_end", answers.copy_ends),
    (_copy_async, "copy_end", answers.copy_ends),
    (_copy_base, "copy_from", answers.copy_ends),
)


def install(tracer: Tracer) -> None:
    """Trace every connection that psycopg makes in this process from now on."""
    for owner, name, make in REPLACED:
        original = getattr(owner, name)
        setattr(owner, name, wraps(original)(make(tracer, original)))
