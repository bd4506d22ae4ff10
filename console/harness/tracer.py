"""The client witness: what it knows of each session, and the lines it writes about statements.

A statement's line is written before the statement leaves; when that fails, the connection is closed
and WitnessFailed is raised. Never records a bound value, only the names of the values' types.
"""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from json.encoder import encode_basestring_ascii as quote
from time import monotonic_ns, time_ns
from types import FrameType
from typing import Any

from psycopg import OperationalError, pq
from psycopg._connection_base import BaseConnection
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn, PGresult

from console.harness.appender import Appender, WitnessFailed, is_anothers
from console.harness.faults import Fault, InducedFault
from console.harness.frames import OwnFrames, Told
from console.harness.numbers import Numbers
from console.harness.redaction import Redactor
from console.harness.sessions import IDLE, Kind, Sent, Session, counted, remember

PIPELINE_ABORTED = "pipeline aborted"
"""The message of a statement that the server skipped because an earlier one of its pipeline failed."""

_TX = ("idle", "intrans", "intrans", "inerror", "unknown")
"""By libpq's PGTransactionStatusType; ACTIVE (pipelines: answers outstanding) is inside a transaction."""

_FATAL_ERROR, TUPLES_OK = int(ExecStatus.FATAL_ERROR), int(ExecStatus.TUPLES_OK)
COMMAND_OK = int(ExecStatus.COMMAND_OK)
_PIPELINE_ABORTED = int(ExecStatus.PIPELINE_ABORTED)
_COPYING = (int(ExecStatus.COPY_IN), int(ExecStatus.COPY_OUT), int(ExecStatus.COPY_BOTH))
MOST_ALIKE, _LONGEST_TEXT_BYTES, LONGEST_KEPT_BYTES = 2000, 4000, 16_000
_SQLSTATE, _PRIMARY = pq.DiagnosticField.SQLSTATE, pq.DiagnosticField.MESSAGE_PRIMARY

_SEND = b'{"e":"send","n":%%d,%s,"at":%%de-9%s}\n'
_AGAIN = b'{"e":"again","n":%%d,"like":%d,"after":%%de-9%s}\n'
_DONE = b'{"e":"done","n":%%d,"ns":%%d,"rows":%%d%s}\n'
"""How lines are made of what is another for each, in one step: each step counts where the processor has forgotten
the last statement's, for the server ran meanwhile.
"""


class Tracer:
    """Records every statement of the process; one a harness."""

    def __init__(
        self, *, file: Appender, redactor: Redactor, subject: OwnFrames, numbers: Numbers | None = None
    ) -> None:
        self.file = file
        self.numbers = numbers or Numbers("")
        file.when_failed = self.numbers.end
        subject.when_traced = self._lock_from_now_on
        self._redactor = redactor
        self._subject = subject
        self.sessions: dict[PGconn, Session] = {}
        self.elsewhere: set[Session] = set()
        """Those whose statement is not `checked`: who asks for answers elsewhere looks here first."""
        self._number_from_one()
        self._labels = {"s": "", "a": "", "p": ""}
        self._where = self._where_json()
        self._process, self.done = "", _DONE % b""
        self.faults: dict[str, Fault] = {}
        self.pause: Callable[[str, int], None] | None = None
        os.register_at_fork(before=self._lock_from_now_on, after_in_child=self._forked)

    def _lock_from_now_on(self) -> None:
        """Write lines only, under the lock: others run within what is one step otherwise."""
        self.under_lock = True
        self.numbers.end()

    def _forked(self) -> None:
        """In a forked child: count afresh and mark each line, so that nothing looks like the parent's."""
        self.pause = None
        self.sessions.clear()
        self.elsewhere.clear()
        self._number_from_one()
        self._process = f',"proc":{os.getpid()}'
        self.done = _DONE % self._process.encode()

    def _number_from_one(self) -> None:
        """Begin with 1. A thread, the handler of a signal or a finalizer may come between any two calls.

        So a line that was made for the next number is written only while that is still the next one, and from that
        look to the written line, or the stored numbers, the interpreter lets nobody else run. Where it does, in a file
        without a window, after a fork or under a profiler or a debugger, lines are written under a lock.
        """
        self._lock = threading.RLock()
        self._connections = self.numbers.last = 0
        self.under_lock = not self.file.puts_in_one_step
        if self.under_lock:
            self.numbers.end()

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
            session.again = {}

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

    def induce(self, faults: Mapping[str, Fault]) -> None:
        """Let these faults strike from now on, each in the attempt under whose name it stands."""
        self.faults = dict(faults)
        self._tell_all_anew()

    # sessions

    def opened(self, connection: BaseConnection[Any]) -> Session:
        """Record a new session; the connection is closed when that fails."""
        pgconn = connection.pgconn
        with self._lock:
            number = self._connections = self._connections + 1
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
            session.over, session.again = True, {}
            self.elsewhere.discard(session)
            self.give_up(session)
            head = session.head.rpartition(',"user":')[0]
            self.file.append(f'{{"e":"close",{head},"at":{time_ns()}e-9{self._process}}}\n'.encode())

    # statements

    def intend(
        self, session: Session, sql: bytes, types: tuple[int, ...], prepared: bytes, state: int, frame: FrameType
    ) -> None:  # fmt: skip
        """Record that a cursor's statement, called for in `frame`, is about to leave; it is `own` and pending then.

        One like an earlier one is told in numbers by witness.py itself: each step counts. None is while statements are
        paused at or a fault may strike, for then none is kept. Raises as `tell` does.
        """
        again, left = session.again, frame.f_trace
        callers = left.texts.get(frame.f_lasti) if type(left) is Told else None
        if callers is None:
            callers = self._subject.callers_json(frame)
        like = self.tell(session, session.own, (sql, types, prepared, state, callers))
        remember(again, frame, prepared, state, like)

    def intend_other(
        self, session: Session, sent: Sent, sql: bytes, types: tuple[int, ...], frame: FrameType
    ) -> None:
        """Record that a statement is about to leave that is no cursor's, or whose answer no cursor checks."""
        state = session.pgconn.transaction_status
        self.tell(session, sent, (sql, types, sent.prepared, state, self._subject.callers_json(frame)))

    def tell(self, session: Session, sent: Sent, kind: Kind) -> int:
        """Record that a statement is about to leave; return the number of the one that those like it refer to, or 0.

        Raises WitnessFailed, with the connection closed, when it could not be recorded; OperationalError after its end.
        """
        sql, _types, prepared, state, callers = kind
        if self.faults and callers and prepared is not None:
            self._fail_on_purpose(session, sql, callers)
        if sys.getprofile() or sys.gettrace():
            self._lock_from_now_on()
        alike = session.alike
        known, since_ns, keep = alike.get(kind), session.opened_ns, False
        if known is not None:
            line = known[1]
        else:
            since_ns = monotonic_ns() - time_ns()
            line, keep = self._first(session, kind)
            keep = keep and not self.faults and self.pause is None
        self._put_numbered(session, sent, line, since_ns, state)
        if keep:
            if len(alike) >= MOST_ALIKE:
                alike.clear()
                session.again = {}
            alike[kind] = (sent.n, _AGAIN % (sent.n, self._process.encode()))
        if self.pause is not None:
            self._pause("before", sent.n)
        return known[0] if known is not None else sent.n if keep else 0

    def _put_numbered(self, session: Session, sent: Sent, form: bytes, since_ns: int, state: int) -> None:
        """Write a statement's line with the next number where there is room: room is made first."""
        while True:
            last = -1
            with self._lock:
                while last != self.numbers.last:
                    last = self.numbers.last
                    sent.began_ns = began_ns = monotonic_ns()
                    line = form % (last + 1, began_ns - since_ns)
                if session.over:
                    raise OperationalError("the connection is closed")
                sent.n = self.numbers.last = last + 1
                sent.settled = False
                session.pending = sent if sent.checked else session.pending
                session.transactions += state == IDLE
                try:
                    self.file.put(line)
                    return
                except (ValueError, WitnessFailed) as refused:
                    if refused.__traceback__.tb_next and is_anothers(refused):  # type: ignore[union-attr]
                        raise
                    self.numbers.last = last
                    session.transactions -= state == IDLE
                    sent.settled = True
            try:
                self.file.make_room(len(line))
            except WitnessFailed:
                session.pgconn.finish()
                raise

    def _first(self, session: Session, kind: Kind) -> tuple[bytes, bool]:
        """Return how all is told of a statement, and whether later ones may be told by it: the short clean ones."""
        sql, types, prepared, state, callers = kind
        where, transaction = self._where, session.transactions + (state == IDLE)
        clean, same = self._clean(session, sql)
        names = session.type_names(types)
        own = "true" if prepared is None else "false"
        name = quote((prepared or b"").decode("utf-8", "replace"))
        told = (
            f'{session.head},{where},"sql":{clean},"types":[{names}],"implicit":{own},"prepared":{name},'
            f'"tx":"{_TX[state]}","t":{transaction},"callers":[{callers}]{self._process}'
        )
        keep = same and len(sql) < _LONGEST_TEXT_BYTES and len(told) < LONGEST_KEPT_BYTES
        return _SEND % (told.replace("%", "%%").encode(), b',"kept":true' if keep else b""), keep

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
        self.append_or_close(session, f"{line}{self._process}}}\n".encode())
        if fault.kind == "connection":
            session.pgconn.finish()
        raise InducedFault(
            f"a fault was induced at statement {number} of the attempt {attempt} ({fault.kind})"
        )

    def look_at_each(self, pause: Callable[[str, int], None]) -> None:
        """Have `pause` called with "before" or "after" and the number of every statement; lines only are written."""
        self.pause = pause
        self.numbers.end()

    def _pause(self, when: str, number: int) -> None:
        """Wait until somebody has looked at the server, where a scenario's statements are looked at one by one."""
        if self.pause is not None and self._labels["s"]:
            self.pause(when, number)

    def give_up(self, session: Session) -> None:
        """Record what was never asked for as lost, at the next statement or the end; as unsent what was only parsed."""
        sent = session.pending
        if sent is not None and sent.checked:
            self.lost(session, sent)
        elif sent is not None and sent.prepared and not (sent.preparing or sent.settled):
            self.unsent(session, sent)

    def unsent(self, session: Session, sent: Sent) -> None:
        """Record that an announced statement did not leave: libpq refused it."""
        session.pending = None
        sent.settled = True
        self.append_or_close(session, f'{{"e":"unsent","n":{sent.n}{self._process}}}\n'.encode())

    def lost(self, session: Session, sent: Sent) -> None:
        """Record that no answer will come: the connection broke, or psycopg gave up waiting."""
        if session.pending is sent:
            session.pending = None
        if not sent.settled:
            sent.settled = True
            self.append_or_close(session, f'{{"e":"lost","n":{sent.n}{self._process}}}\n'.encode())

    def answered(self, session: Session, sent: Sent, results: Sequence[PGresult]) -> bool:
        """Record the server's answer; tell whether it is one, of rows or a count. COPY and Parse are answered later."""
        if not results:
            return False
        last = results[-1]
        status = last.status
        if status == TUPLES_OK:
            rows = last.ntuples
        elif status == COMMAND_OK and not sent.preparing:
            rows = counted(last)
        else:
            self._answered_otherwise(session, sent, last)
            return False
        line = self.done % (sent.n, monotonic_ns() - sent.began_ns, rows)
        if sent.settled:
            return False
        session.pending = None
        sent.settled = True
        try:
            self.file.put(line)
        except (ValueError, WitnessFailed) as refused:
            if is_anothers(refused):
                raise
            self.append_or_close(session, line)
        if self.pause is not None:
            self._pause("after", sent.n)
        return len(results) == 1

    def _answered_otherwise(self, session: Session, sent: Sent, last: PGresult) -> None:
        status = last.status
        if status == _FATAL_ERROR:
            message = (last.error_field(_PRIMARY) or b"").decode(session.pgconn._encoding, "replace")
            state = (last.error_field(_SQLSTATE) or b"").decode("ascii", "replace")
            self.settle(session, sent, -1, state, message)
        elif status == _PIPELINE_ABORTED:
            self.settle(session, sent, -1, "", PIPELINE_ABORTED)
        elif sent.preparing:
            sent.preparing = False
        elif status not in _COPYING:
            self.settle(session, sent, counted(last))

    def settle(self, session: Session, sent: Sent, rows: int, sqlstate: str = "", message: str = "") -> None:
        """Record the outcome of a statement; the connection is closed when that fails."""
        if session.pending is sent:
            session.pending = None
        if sent.settled:
            return
        sent.settled = True
        took_ns = monotonic_ns() - sent.began_ns
        line = f'{{"e":"done","n":{sent.n},"ns":{took_ns},"rows":{rows}'
        if message or sqlstate:
            told = quote(self.redact(message, "server message"))
            line = f'{line},"sqlstate":{quote(sqlstate)},"message":{told}'
        self.append_or_close(session, f"{line}{self._process}}}\n".encode())
        if self.pause is not None:
            self._pause("after", sent.n)

    def append_or_close(self, session: Session, line: bytes) -> None:
        """Append a line; the connection is closed when that fails."""
        try:
            self.file.append(line)
        except WitnessFailed:
            session.pgconn.finish()
            raise
