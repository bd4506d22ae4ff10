"""Where the tracer takes hold of psycopg: one table of what is replaced, each by a function below.

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
from collections import deque
from collections.abc import Callable, Generator
from functools import wraps
from typing import Any

import psycopg
from psycopg import _copy, _copy_async, _copy_base, _cursor_base, _server_cursor_base, generators
from psycopg._connection_base import BaseConnection
from psycopg._cursor_base import BaseCursor
from psycopg._pipeline_base import BasePipeline
from psycopg._server_cursor_base import ServerCursorMixin
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.pq.abc import PGconn, PGresult

from console.harness.tracer import Sent, Session, Tracer

PINNED_PSYCOPG = "3.3.9"

_OK = int(ConnStatus.OK)
_FRAMES_OF_EXECUTE, _FEWEST_FRAMES = 7, 5
"""From OwnFrames.callers_json to who called a cursor's execute, at least; to psycopg's commit or stream."""

Function = Callable[..., Any]
Maker = Callable[[Tracer, Function], Function]


def driver_refusal(version: str) -> str | None:
    """Return why this psycopg cannot be traced, None when it can."""
    if version == PINNED_PSYCOPG:
        return None
    return f"psycopg {version} is installed here, and the tracer knows psycopg {PINNED_PSYCOPG} only"


class _Deferred:
    """A pipeline's command that is recorded at the moment psycopg hands it to libpq."""

    __slots__ = ("announce", "command", "entry")

    def __init__(self, entry: _Entry, announce: Callable[[], Sent] | None, command: Function) -> None:
        self.entry = entry
        self.announce = announce
        self.command = command

    def __call__(self) -> None:
        if self.announce is not None:
            self.entry.sent = self.announce()
        self.command()


class _Entry:
    """One statement of a pipeline; `sent` once it was announced."""

    __slots__ = ("sent",)

    def __init__(self) -> None:
        self.sent: Sent | None = None


def _entries(pipeline: Any) -> deque[_Entry | None]:
    """Return what the tracer expects of the pipeline's next answers, in step with its result queue."""
    found: deque[_Entry | None] | None = pipeline.__dict__.get("_drydock_entries")
    if found is None:
        found = pipeline._drydock_entries = deque()
    return found


def _defer(pipeline: Any, entry: _Entry, announce: Callable[[], Sent] | None, *, answers_queued: int) -> None:
    """Let the pipeline's last command record itself, and expect its answer after `answers_queued` others."""
    commands = pipeline.command_queue
    commands[-1] = _Deferred(entry, announce, commands[-1])
    entries = _entries(pipeline)
    entries.extend([None] * (answers_queued - len(entries)))
    entries.append(entry)


def _leave(tracer: Tracer, session: Session, sent: Sent, send: Callable[[], None]) -> None:
    """Hand an announced statement to libpq; a refusal by libpq is recorded as never sent."""
    session.pending = sent
    try:
        send()
    except psycopg.Error:
        tracer.unsent(session, sent)
        raise
    sent.left = True


def _execute_send(tracer: Tracer, original: Function) -> Function:
    def execute_send(
        self: BaseCursor[Any, Any], query: Any, *, force_extended: bool = False, binary: bool | None = None
    ) -> None:
        connection = self._conn
        if connection.pgconn.status != _OK:
            original(self, query, force_extended=force_extended, binary=binary)
            return
        session = tracer.sessions.get(id(connection.pgconn)) or tracer.opened(connection)
        pipeline = connection._pipeline
        if pipeline:
            original(self, query, force_extended=force_extended, binary=binary)
            sql, types = query.query, query.types
            _defer(
                pipeline, _Entry(), lambda: tracer.intend(session, sql, types),
                answers_queued=len(pipeline.result_queue),
            )  # fmt: skip
            return
        sql = query.query
        checked = binary is None and not force_extended  # neither COPY nor stream nor a server cursor
        depth = _FRAMES_OF_EXECUTE if checked else _FEWEST_FRAMES
        declares = sql.startswith(b"DECLARE") and isinstance(self, ServerCursorMixin)
        sent = session.pending = tracer.intend(session, sql, query.types, b"", declares, depth)
        try:
            original(self, query, force_extended=force_extended, binary=binary)
        except psycopg.Error:
            tracer.unsent(session, sent)
            raise
        sent.left, sent.checked = True, checked

    return execute_send


def _send_prepare(tracer: Tracer, original: Function) -> Function:
    def send_prepare(self: BaseCursor[Any, Any], name: bytes, query: Any) -> None:
        connection = self._conn
        if connection.pgconn.status != _OK:
            original(self, name, query)
            return
        session = tracer.sessions.get(id(connection.pgconn)) or tracer.opened(connection)
        sql, types = query.query, query.types

        def announce() -> Sent:
            sent = tracer.intend(session, sql, types, prepared=name)
            sent.preparing = True
            return sent

        pipeline = connection._pipeline
        if pipeline:
            original(self, name, query)
            entry = _Entry()
            _defer(pipeline, entry, announce, answers_queued=len(pipeline.result_queue) - 1)
            pipeline.__dict__["_drydock_preparing"] = (name, entry)
            return
        _leave(tracer, session, announce(), lambda: original(self, name, query))

    return send_prepare


def _send_query_prepared(tracer: Tracer, original: Function) -> Function:
    sessions, intend = tracer.sessions, tracer.intend

    def send_query_prepared(
        self: BaseCursor[Any, Any], name: bytes, pgq: Any, *, binary: bool | None = None
    ) -> None:
        connection = self._conn
        pgconn = connection.pgconn
        if pgconn.status != _OK:
            original(self, name, pgq, binary=binary)
            return
        session = sessions.get(id(pgconn)) or tracer.opened(connection)
        if connection._pipeline:
            original(self, name, pgq, binary=binary)
            _defer_prepared(tracer, session, connection._pipeline, name, pgq)
            return
        sent = session.pending
        if sent is None or sent.settled or sent.prepared != name:
            sent = session.pending = intend(session, pgq.query, pgq.types, name, False, _FRAMES_OF_EXECUTE)
        try:
            original(self, name, pgq, binary=binary)
        except psycopg.Error:
            tracer.unsent(session, sent)
            raise
        sent.left = sent.checked = True

    return send_query_prepared


def _defer_prepared(tracer: Tracer, session: Session, pipeline: Any, name: bytes, pgq: Any) -> None:
    preparing = pipeline.__dict__.pop("_drydock_preparing", (b"", None))
    entry = preparing[1] if preparing[0] == name else None
    sql, types = pgq.query, pgq.types
    announce = None if entry else lambda: tracer.intend(session, sql, types, prepared=name)
    _defer(pipeline, entry or _Entry(), announce, answers_queued=len(pipeline.result_queue))


def _exec_command(tracer: Tracer, original: Function) -> Function:
    def exec_command(
        self: BaseConnection[Any], command: Any, *arguments: Any, **options: Any
    ) -> Generator[Any, Any, PGresult | None]:
        result: PGresult | None
        if self.pgconn.status != _OK:
            result = yield from original(self, command, *arguments, **options)
            return result
        session = tracer.sessions.get(id(self.pgconn)) or tracer.opened(self)
        if isinstance(command, str):
            command = command.encode(self.pgconn._encoding)
        elif not isinstance(command, bytes):
            command = command.as_bytes(self)
        pipeline = self._pipeline
        if pipeline:
            result = yield from original(self, command, *arguments, **options)
            _defer(
                pipeline, _Entry(), lambda: tracer.intend(session, command, implicit=True),
                answers_queued=len(pipeline.result_queue) - 1,
            )  # fmt: skip
            return result
        sent = session.pending = tracer.intend(session, command, implicit=True)
        try:
            result = yield from original(self, command, *arguments, **options)
        except psycopg.Error:
            if not sent.left:
                tracer.unsent(session, sent)
            raise
        return result

    return exec_command


def _process_results(tracer: Tracer, original: Function) -> Function:
    def process_results(self: BasePipeline, queued: Any, results: list[PGresult]) -> None:
        entries = _entries(self)
        entry = entries.popleft() if entries else None
        if entry is not None and entry.sent is not None:
            tracer.answered(tracer.session(self._conn), entry.sent, results)
        original(self, queued, results)

    return process_results


def _execute(tracer: Tracer, original: Function) -> Function:
    sessions = tracer.sessions

    def execute(pgconn: PGconn) -> Generator[Any, Any, list[PGresult]]:
        session = sessions.get(id(pgconn))
        sent = session.pending if session is not None else None
        answers: Generator[Any, Any, list[PGresult]] = original(pgconn)
        if session is None or sent is None or sent.checked:
            return answers
        return _recorded(tracer, session, sent, answers)

    return execute


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


def _check_results(tracer: Tracer, original: Function) -> Function:
    """The answer of what a cursor executed: a generator around psycopg's own, as above, costs twice as much."""
    sessions, answered = tracer.sessions, tracer.answered

    def check_results(self: BaseCursor[Any, Any], results: list[PGresult]) -> None:
        session = sessions.get(id(self._pgconn))
        sent = session.pending if session is not None else None
        if session is not None and sent is not None and sent.checked:
            answered(session, sent, results)
        original(self, results)

    return check_results


def _fetch(tracer: Tracer, original: Function) -> Function:
    """Cursor.stream's answers: rows one by one, then a last empty result that ends the statement."""

    def fetch(pgconn: PGconn) -> Generator[Any, Any, PGresult | None]:
        session = tracer.sessions.get(id(pgconn))
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

    return fetch


def _copy_ends(tracer: Tracer, original: Function) -> Function:
    """COPY's last answer: a result, or the error that psycopg made of it."""

    def copy_ends(pgconn: PGconn, *arguments: Any) -> Generator[Any, Any, Any]:
        session = tracer.sessions.get(id(pgconn))
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

    return copy_ends


def _opens(tracer: Tracer, original: Function) -> Function:
    def init(self: BaseConnection[Any], pgconn: PGconn) -> None:
        original(self, pgconn)
        tracer.opened(self)

    return init


def _close(tracer: Tracer, original: Function) -> Function:
    def close(self: psycopg.Connection[Any]) -> None:
        key = id(self.pgconn)
        original(self)
        if self.closed:
            tracer.closed(key)

    return close


def _close_async(tracer: Tracer, original: Function) -> Function:
    async def close(self: psycopg.AsyncConnection[Any]) -> None:
        key = id(self.pgconn)
        await original(self)
        if self.closed:
            tracer.closed(key)

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
    (BaseCursor, "_check_results", _check_results),
    (BasePipeline, "_process_results", _process_results),
    (_cursor_base, "execute", _execute),
    (_server_cursor_base, "execute", _execute),
    (generators, "execute", _execute),
    (_cursor_base, "fetch", _fetch),
    (_copy, "copy_end", _copy_ends),
    (_copy_async, "copy_end", _copy_ends),
    (_copy_base, "copy_from", _copy_ends),
)


def install(tracer: Tracer) -> None:
    """Trace every connection that psycopg makes in this process from now on."""
    for owner, name, make in REPLACED:
        original = getattr(owner, name)
        setattr(owner, name, wraps(original)(make(tracer, original)))
