"""The client witness: what it knows of each session, and the lines it writes about statements.

A statement's line is written before the statement leaves; when that fails, the connection is closed
and WitnessFailed is raised. Never records a bound value, only the names of the values' types.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from json.encoder import encode_basestring_ascii as quote
from time import monotonic_ns, time_ns
from types import FrameType
from typing import Any

import psycopg
from psycopg import pq
from psycopg._connection_base import BaseConnection
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

from console.harness.appender import Appender, WitnessFailed
from console.harness.faults import Fault, InducedFault
from console.harness.frames import OwnFrames
from console.harness.redaction import Redactor

PIPELINE_ABORTED = "pipeline aborted"
"""The message of a statement that the server skipped because an earlier one of its pipeline failed."""

_TX = ("idle", "intrans", "intrans", "inerror", "unknown")
"""By libpq's PGTransactionStatusType; ACTIVE (pipelines: answers outstanding) is inside a transaction."""

IDLE, UNKNOWN = int(TransactionStatus.IDLE), int(TransactionStatus.UNKNOWN)
_FATAL_ERROR, _TUPLES_OK = int(ExecStatus.FATAL_ERROR), int(ExecStatus.TUPLES_OK)
_COMMAND_OK = int(ExecStatus.COMMAND_OK)
_PIPELINE_ABORTED = int(ExecStatus.PIPELINE_ABORTED)
_COPYING = (int(ExecStatus.COPY_IN), int(ExecStatus.COPY_OUT), int(ExecStatus.COPY_BOTH))
MOST_ALIKE, _LONGEST_TEXT_BYTES, LONGEST_KEPT_BYTES = 2000, 4000, 16_000
_SQLSTATE, _PRIMARY = pq.DiagnosticField.SQLSTATE, pq.DiagnosticField.MESSAGE_PRIMARY


_Kind = tuple[bytes, tuple[int, ...], bytes, bool, int, str]
"""Of statements that are told alike: text, types, prepared name, whether psycopg's own, state, and callers."""


class Sent:
    """One statement on its way; `n` is its number, as its lines tell it.

    `left` when libpq has it, `preparing` until its Parse was answered, `checked` when its answer comes to the
    cursor's `_check_results`: should it not come, `lost` is recorded with the next statement or the session's end.
    """

    __slots__ = ("began_ns", "checked", "left", "n", "prepared", "preparing", "rows", "settled")

    def __init__(self, prepared: bytes = b"", *, checked: bool = False) -> None:
        self.n = ""
        self.prepared = prepared
        self.began_ns = self.rows = 0
        self.preparing = self.left = self.settled = False
        self.checked = checked


class Session:
    """One traced connection: its number, backend, transactions begun, and the statement under way.

    `own` is that of every statement whose answer is checked: there is one at a time, and to make one takes longer than
    to find the session. `alike` says of each kind which statement told of it first.
    """

    __slots__ = (
        "alike", "connection", "head", "opened_ns", "own", "pending", "pgconn", "since", "transactions", "types",
    )  # fmt: skip

    def __init__(self, connection: Any, pgconn: PGconn, head: str, opened_ns: int) -> None:
        self.connection = connection
        self.pgconn = pgconn
        self.head = head
        self.opened_ns = opened_ns
        self.transactions = 0
        self.since = ""
        self.own = Sent(checked=True)
        self.pending: Sent | None = None
        self.types: dict[tuple[int, ...], str] = {(): ""}
        self.alike: dict[_Kind, str] = {}

    def begin(self) -> None:
        """Count one more transaction."""
        self.transactions += 1
        self.since = f'{self.transactions},"after":'


class Tracer:
    """Records every statement of the process; one a harness."""

    def __init__(self, *, file: Appender, redactor: Redactor, subject: OwnFrames) -> None:
        self.file = file
        self._redactor = redactor
        self._subject = subject
        self.sessions: dict[PGconn, Session] = {}
        self.elsewhere: set[Session] = set()
        """Those whose statement is not `checked`: who asks for answers elsewhere looks here first."""
        self._lock = threading.Lock()
        self._statements = 0
        self._connections = 0
        self._labels = {"s": "", "a": "", "p": ""}
        self._where = self._where_json()
        self._process = ""
        self.faults: dict[str, Fault] = {}
        self.pause: Callable[[str, int], None] | None = None
        os.register_at_fork(after_in_child=self._forked)

    def _forked(self) -> None:
        """In a forked child: count afresh and mark each line, so that nothing looks like the parent's."""
        self._lock = threading.Lock()
        self.pause = None
        self.sessions.clear()
        self.elsewhere.clear()
        self._statements = self._connections = 0
        self._process = f',"proc":{os.getpid()}'

    def _where_json(self) -> str:
        return ",".join(f'"{key}":{quote(value)}' for key, value in self._labels.items())

    def label(self, **labels: str) -> None:
        """Set what the next lines say of scenario (s), attempt (a) and phase (p)."""
        self._labels.update({key: self.redact(value, "label") for key, value in labels.items()})
        self._where = self._where_json()
        self._tell_all_anew()

    def _tell_all_anew(self) -> None:
        """Refer to no earlier statement: a thread about to write one took its session's before it looked at labels."""
        for session in list(self.sessions.values()):
            session.alike = {}

    def labelled(self, key: str) -> str:
        """Return the present scenario (s), attempt (a) or phase (p), empty outside one."""
        return self._labels[key]

    def window(self, event: str) -> None:
        """Write that the present attempt begins or ends."""
        place = f'"s":{quote(self._labels["s"])},"a":{quote(self._labels["a"])}'
        self.file.append(f'{{"e":"{event}",{place},"at":{time_ns()}e-9{self._process}}}\n'.encode())

    def redact(self, text: str, origin: str) -> str:
        """Return `text` without passwords; each find is a line of its own.

        Never raises: a line that cannot be written is the file's failure, which ends the run anyway.
        """
        clean, roles = self._redactor.redact(text)
        for role in roles:
            place = f'"s":{quote(self._labels["s"])},"a":{quote(self._labels["a"])}'
            line = f'{{"e":"redacted","secret":{quote(role)},"origin":{quote(origin)},"form":"plain",{place}'
            with suppress(WitnessFailed):
                self.file.append(f"{line}{self._process}}}\n".encode())
        return clean

    def learn(self, passwords: Mapping[str, str]) -> None:
        """Take these passwords out of every text from now on."""
        self._redactor = Redactor(passwords)
        self._tell_all_anew()

    # sessions

    def opened(self, connection: BaseConnection[Any]) -> Session:
        """Record a new session; the connection is closed when that fails."""
        pgconn = connection.pgconn
        with self._lock:
            self._connections += 1
            number = self._connections
        user = quote(self.redact(pgconn.user.decode("utf-8", "backslashreplace"), "user name"))
        head = f'"c":{number},"pid":{pgconn.backend_pid},"user":{user}'
        opened_ns = monotonic_ns()
        try:
            self.file.append(f'{{"e":"open",{head},"at":{time_ns()}e-9{self._process}}}\n'.encode())
        except WitnessFailed:
            pgconn.finish()
            raise
        gone = weakref.ref(connection, lambda _: self.closed(pgconn))
        session = self.sessions[pgconn] = Session(gone, pgconn, head, opened_ns)
        return session

    def session(self, connection: BaseConnection[Any]) -> Session:
        """Return the session of a connection, recorded now when nobody has (a fork's, a subclass's)."""
        return self.sessions.get(connection.pgconn) or self.opened(connection)

    def closed(self, pgconn: PGconn) -> None:
        """Record that the session of this libpq connection was closed or dropped."""
        session = self.sessions.pop(pgconn, None)
        if session is not None:
            self.elsewhere.discard(session)
            if session.pending is not None and session.pending.checked:
                self.lost(session, session.pending)
            head = session.head.rpartition(',"user":')[0]
            self.file.append(f'{{"e":"close",{head},"at":{time_ns()}e-9{self._process}}}\n'.encode())

    # statements

    def intend(
        self,
        session: Session,
        sent: Sent,
        kind: tuple[bytes, tuple[int, ...], bytes, bool, int],
        frame: FrameType,
    ) -> None:
        """Record that a statement is about to leave, called for in `frame`; runs once for each.

        Raises WitnessFailed, with the connection closed, when it could not be recorded.
        """
        pending = session.pending
        if pending is not None and pending.checked:
            self.lost(session, pending)
        sql, types, prepared, implicit, state = kind
        if state == IDLE:
            session.begin()
        callers = self._subject.callers_json(frame)
        if self.faults and callers and not implicit:
            self._fail_on_purpose(session, sql, callers)
        told = (sql, types, prepared, implicit, state, callers)
        like = session.alike.get(told)
        first = None if like else self._first(session, told)
        with self._lock:
            self._statements += 1
            sent.n = n = str(self._statements)
            sent.began_ns = began_ns = monotonic_ns()
            if first is None:
                after_ns = began_ns - session.opened_ns
                line = f'{{"e":"again","n":{n}{like}{session.since}{after_ns}e-9{self._process}}}\n'
            else:
                line = first(n)
            try:
                self.file.put(line.encode())
            except (ValueError, WitnessFailed):
                self._append_or_close(session, line)
        if self.pause is not None:
            self._pause("before", n)
        sent.settled = False

    def _first(self, session: Session, kind: _Kind) -> Callable[[str], str]:
        """Return how to tell all of a statement, given its number; short clean ones are referred to by those alike."""
        sql, types, prepared, implicit, state, callers = kind
        alike, where = session.alike, self._where
        clean, same = self._clean(session, sql)
        names = session.types.get(types)
        if names is None:
            names = self._type_names(session, types)
        own, name = "true" if implicit else "false", quote(prepared.decode("utf-8", "replace"))
        part = (
            f'{session.head},{where},"sql":{clean},"types":[{names}],"implicit":{own},"prepared":{name},'
            f'"tx":"{_TX[state]}","t":{session.transactions},"callers":[{callers}]'
        )

        def line(n: str) -> str:
            kept = ""
            if same and len(sql) < _LONGEST_TEXT_BYTES and len(part) < LONGEST_KEPT_BYTES:
                if len(alike) >= MOST_ALIKE:
                    alike.clear()
                alike[kind] = f',"like":{n},"t":'
                kept = ',"kept":true'
            return f'{{"e":"send","n":{n},{part},"at":{time_ns()}e-9{kept}{self._process}}}\n'

        return line

    def _clean(self, session: Session, sql: bytes) -> tuple[str, bool]:
        """Return a text without passwords as JSON, and whether that is all of it, in ASCII."""
        plain = sql.decode(session.pgconn._encoding, "backslashreplace")
        clean = self.redact(plain, "statement")
        return quote(clean), clean == plain and sql.isascii()

    def _fail_on_purpose(self, session: Session, sql: bytes, callers: str) -> None:
        """Raise InducedFault in the place of the statement that a fault waits for, and write down which it was."""
        attempt = self._labels["a"]
        fault = self.faults.get(attempt)
        number = fault.strikes(sql.decode("utf-8", "replace")) if fault else 0
        if fault is None or not number:
            return
        del self.faults[attempt]
        place = f'"s":{quote(self._labels["s"])},"a":{quote(attempt)},"n":{number},"pid":{session.pgconn.backend_pid}'
        text, _ = self._clean(session, sql)
        line = f'{{"e":"fault",{place},"sql":{text},"callers":[{callers}],"kind":{quote(fault.kind)}'
        self._append_or_close(session, f"{line}{self._process}}}\n")
        if fault.kind == "connection":
            session.pgconn.finish()
        raise InducedFault(
            f"a fault was induced at statement {number} of the attempt {attempt} ({fault.kind})"
        )

    def _pause(self, when: str, number: str) -> None:
        """Wait until somebody has looked at the server, where a scenario's statements are looked at one by one."""
        if self.pause is not None and self._labels["s"]:
            self.pause(when, int(number))

    def _type_names(self, session: Session, oids: tuple[int, ...]) -> str:
        connection = session.connection()
        registry = ((connection and connection._adapters) or psycopg.adapters).types
        names = ",".join(quote(_type_name(registry, oid)) for oid in oids)
        session.types[oids] = names
        return names

    def unsent(self, session: Session, sent: Sent) -> None:
        """Record that an announced statement did not leave: libpq refused it."""
        session.pending = None
        sent.settled = True
        self._append_or_close(session, f'{{"e":"unsent","n":{sent.n}{self._process}}}\n')

    def lost(self, session: Session, sent: Sent) -> None:
        """Record that no answer will come: the connection broke, or psycopg gave up waiting."""
        if session.pending is sent:
            session.pending = None
        if not sent.settled:
            sent.settled = True
            self._append_or_close(session, f'{{"e":"lost","n":{sent.n}{self._process}}}\n')

    def answered(self, session: Session, sent: Sent, results: Sequence[PGresult]) -> bool:
        """Record the server's answer; tell whether it is rows or a count. COPY and Parse are answered later."""
        if sent.settled or not results:
            return False
        last = results[-1]
        status = last.status
        if status == _TUPLES_OK or (status == _COMMAND_OK and not sent.preparing):
            rows = last.ntuples if status == _TUPLES_OK else last.command_tuples
            us = (monotonic_ns() - sent.began_ns) // 1000
            session.pending, sent.settled = None, True
            line = f'{{"e":"done","n":{sent.n},"us":{us},"rows":{-1 if rows is None else rows}{self._process}}}\n'
            try:
                self.file.put(line.encode())
            except (ValueError, WitnessFailed):
                self._append_or_close(session, line)
            if self.pause is not None:
                self._pause("after", sent.n)
            return True
        if status == _FATAL_ERROR:
            encoding = session.pgconn._encoding
            message = (last.error_field(_PRIMARY) or b"").decode(encoding, "replace")
            state = (last.error_field(_SQLSTATE) or b"").decode("ascii", "replace")
            self.settle(session, sent, -1, state, message)
        elif status == _PIPELINE_ABORTED:
            self.settle(session, sent, -1, "", PIPELINE_ABORTED)
        elif sent.preparing:
            sent.preparing = False
        elif status not in _COPYING:
            rows = last.command_tuples
            self.settle(session, sent, -1 if rows is None else rows)
        return False

    def settle(self, session: Session, sent: Sent, rows: int, sqlstate: str = "", message: str = "") -> None:
        """Record the outcome of a statement; the connection is closed when that fails."""
        if session.pending is sent:
            session.pending = None
        if sent.settled:
            return
        sent.settled = True
        us = (monotonic_ns() - sent.began_ns) // 1000
        line = f'{{"e":"done","n":{sent.n},"us":{us},"rows":{rows}'
        if message or sqlstate:
            told = quote(self.redact(message, "server message"))
            line = f'{line},"sqlstate":{quote(sqlstate)},"message":{told}'
        self._append_or_close(session, f"{line}{self._process}}}\n")
        if self.pause is not None:
            self._pause("after", sent.n)

    def _append_or_close(self, session: Session, line: str) -> None:
        try:
            self.file.append(line.encode())
        except WitnessFailed:
            session.pgconn.finish()
            raise


def _type_name(registry: Any, oid: int) -> str:
    if oid == 0:
        return "unknown"
    info = registry.get(oid)
    if info is None:
        return f"oid {oid}"
    return f"{info.name}[]" if info.array_oid == oid else str(info.name)
