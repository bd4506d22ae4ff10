"""One connection of the fake server: reads messages, asks session and scripts, writes messages."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

import psycopg

from console.testing.answers import Answer, ServerError, Statement
from console.testing.session import Reply, Session
from console.testing.statements import Parsed, parse
from console.testing.values import columns_of, decoded, encoded
from console.testing.wire import Column, Gone, Reader, Wire

_REPORTED = {
    "server_version": "16.14", "server_encoding": "UTF8", "client_encoding": "UTF8", "DateStyle": "ISO, MDY",
    "integer_datetimes": "on", "IntervalStyle": "postgres", "TimeZone": "UTC",
    "standard_conforming_strings": "on", "is_superuser": "off",
}  # fmt: skip
_STATES = {"I": "idle", "T": "intrans", "E": "inerror"}
_NO_ANSWER = "the fake server has no answer to: "


class Asks(Protocol):
    """What a backend needs of its server."""

    def refusal(self) -> ServerError | None:
        """Return why connections are refused."""

    def record(self, asked: Statement) -> None:
        """Keep a statement."""

    def ask(self, asked: Statement) -> Answer | None:
        """Return a script's answer."""

    def missed(self, text: str) -> None:
        """Keep that a statement had no answer."""

    def broke(self, wrong: Exception) -> None:
        """Keep what must be raised in the test."""


@dataclass(frozen=True, kw_only=True)
class _Prepared:
    text: str
    oids: tuple[int, ...]


@dataclass(kw_only=True)
class _Portal:
    text: str
    values: tuple[Any, ...]
    formats: tuple[int, ...]
    reply: Reply | None = None


class Backend:
    """Lives in a thread until the client leaves or `end` is called."""

    def __init__(
        self, client: socket.socket, *, number: int, settings: Mapping[str, str], asks: Asks
    ) -> None:
        self._client = client
        self._wire = Wire(client)
        self._number = number
        self._asks = asks
        self._session = Session(settings=dict(settings))
        self._user = ""
        self._prepared: dict[str, _Prepared] = {}
        self._portals: dict[str, _Portal] = {}
        self._failed = False
        self._thread = threading.Thread(target=self._run, name=f"fake backend {number}", daemon=True)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def end(self) -> None:
        """Hang up and wait for the thread."""
        with suppress(OSError):
            self._client.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    def _run(self) -> None:
        try:
            if self._greet():
                self._serve()
        except Gone:
            pass
        finally:
            self._wire.close()

    def _greet(self) -> bool:
        given = self._wire.startup()
        if given is None:
            return False
        self._user = given.get("user", "")
        refusal = self._asks.refusal()
        if refusal is not None:
            self._wire.trouble(b"E", "FATAL", refusal.sqlstate, refusal.message)
            self._wire.flush()
            return False
        self._wire.put(b"R", b"\0\0\0\0")
        told = {
            **_REPORTED,
            "session_authorization": self._user,
            "application_name": given.get("application_name", ""),
        }
        for name, value in told.items():
            self._wire.parameter(name, value)
        self._wire.put(b"K", self._number.to_bytes(4, "big") + b"\0\0\0\0")
        self._wire.ready("I")
        return True

    def _serve(self) -> None:
        while True:
            kind, body = self._wire.read()
            if kind == b"X":
                return
            if kind == b"Q":
                self._simple(body.word())
            elif kind == b"S":
                self._failed = False
                self._wire.ready(self._session.status)
            elif kind == b"H":
                self._wire.flush()
            elif not self._failed:
                try:
                    self._extended(kind, body)
                except ServerError as error:
                    self._trouble(error)
                    self._failed = True

    # the two ways of a statement

    def _simple(self, text: str) -> None:
        statements = parse(text)
        try:
            for parsed in statements:
                whole = text if len(statements) == 1 else parsed.text
                self._answer(self._statement(parsed, (), whole), ())
            if not statements:
                self._wire.done("")
        except ServerError as error:
            self._trouble(error)
        self._wire.ready(self._session.status)

    def _extended(self, kind: bytes, body: Reader) -> None:
        if kind == b"P":
            self._parse(body)
        elif kind == b"B":
            self._bind(body)
        elif kind == b"D":
            self._describe(body)
        elif kind == b"E":
            self._execute(body.word())
        elif kind == b"C":
            word = body.word()
            what, name = word[:1], word[1:]
            (self._prepared if what == "S" else self._portals).pop(name, None)
            self._wire.put(b"3")
        else:
            raise ServerError("08P01", f"the fake server does not know the message {kind!r}")

    def _parse(self, body: Reader) -> None:
        name, text, oids = body.word(), body.word(), body.integers("!i")
        statements = parse(text)
        if len(statements) > 1:
            raise ServerError("42601", "cannot insert multiple commands into a prepared statement")
        for parsed in statements:
            self._refuse_when_aborted(parsed, text)
        if name and name in self._prepared:
            raise ServerError("42P05", f'prepared statement "{name}" already exists')
        self._prepared[name] = _Prepared(text=text, oids=tuple(oids))
        self._wire.put(b"1")

    def _bind(self, body: Reader) -> None:
        portal, name = body.word(), body.word()
        prepared = self._prepared.get(name)
        if prepared is None:
            raise ServerError("26000", f'prepared statement "{name}" does not exist')
        formats = body.integers()
        values = [body.value() for _ in range(body.integer())]
        for parsed in parse(prepared.text):
            self._refuse_when_aborted(parsed, prepared.text)
        self._portals[portal] = _Portal(
            text=prepared.text, values=decoded(values, prepared.oids, formats), formats=tuple(body.integers())
        )
        self._wire.put(b"2")

    def _describe(self, body: Reader) -> None:
        word = body.word()
        what, name = word[:1], word[1:]
        if what == "S":
            prepared = self._prepared.get(name)
            if prepared is None:
                raise ServerError("26000", f'prepared statement "{name}" does not exist')
            oids = b"".join(oid.to_bytes(4, "big") for oid in prepared.oids)
            self._wire.put(b"t", len(prepared.oids).to_bytes(2, "big") + oids)
            self._wire.put(b"n")
        elif name and name in self._session.cursors:
            columns, rows = self._session.cursors.columns(name)
            self._wire.columns(columns_of(columns, rows))
        else:
            portal = self._portals.get(name)
            if portal is None:
                raise ServerError("34000", f'portal "{name}" does not exist')
            reply = self._reply(portal)
            self._columns(reply, portal.formats)

    def _execute(self, name: str) -> None:
        portal = self._portals.get(name)
        if portal is None:
            raise ServerError("34000", f'portal "{name}" does not exist')
        self._answer(self._reply(portal), portal.formats, described=True)
        portal.reply = None

    def _reply(self, portal: _Portal) -> Reply:
        """Run a portal's statement once; both Describe and Execute read its reply."""
        if portal.reply is None:
            statements = parse(portal.text)
            portal.reply = (
                self._statement(statements[0], portal.values, portal.text) if statements else Reply()
            )
        return portal.reply

    # asking and telling

    def _asked(self, text: str, values: tuple[Any, ...]) -> Statement:
        return Statement(
            sql=text, values=values, transaction=_STATES[self._session.status], isolation=self._session.isolation,
            backend=self._number, user=self._user,
        )  # fmt: skip

    def _refuse_when_aborted(self, parsed: Parsed, text: str) -> None:
        try:
            self._session.refuse_when_aborted(parsed)
        except ServerError:
            self._asks.record(self._asked(text, ()))
            raise

    def _statement(self, parsed: Parsed, values: tuple[Any, ...], whole: str) -> Reply:
        asked = self._asked(whole, values)
        self._asks.record(asked)
        try:
            reply = self._session.run(parsed, lambda text: self._asks.ask(self._asked(text, values)))
        except ServerError as error:
            if error.message.startswith(_NO_ANSWER):
                self._asks.missed(error.message.removeprefix(_NO_ANSWER))
            raise
        except (IndexError, ValueError) as unread:
            raise ServerError("42601", f"the fake server cannot read: {parsed.text}") from unread
        if parsed.verb == "DEALLOCATE":
            self._deallocate(parsed)
        return reply

    def _deallocate(self, parsed: Parsed) -> None:
        name = parsed.tokens[-1].name
        if name == "all":
            self._prepared.clear()
        elif self._prepared.pop(name, None) is None:
            raise ServerError("26000", f'prepared statement "{name}" does not exist')

    def _columns(self, reply: Reply, formats: Sequence[int]) -> None:
        if reply.rows is None:
            self._wire.put(b"n")
            return
        codes = _codes(formats, len(reply.columns))
        with self._own_values():
            described = columns_of(reply.columns, reply.rows)
        self._wire.columns(
            [
                Column(name=one.name, oid=one.oid, format=code)
                for one, code in zip(described, codes, strict=True)
            ]
        )

    def _answer(self, reply: Reply, formats: Sequence[int], *, described: bool = False) -> None:
        for sqlstate, message in reply.warnings:
            self._wire.trouble(b"N", "WARNING", sqlstate, message)
        if reply.rows is not None:
            if not described:
                self._columns(reply, formats)
            codes = _codes(formats, len(reply.columns))
            with self._own_values():
                rows = [encoded(row, codes) for row in reply.rows]
            for values in rows:
                self._wire.row(values)
        self._wire.done(reply.tag)

    @contextmanager
    def _own_values(self) -> Iterator[None]:
        """Turn a value that psycopg cannot send into an error here and in the test."""
        try:
            yield
        except psycopg.Error as wrong:
            self._asks.broke(wrong)
            raise ServerError("XX000", f"the answer's rows cannot be sent: {wrong}") from wrong

    def _trouble(self, error: ServerError) -> None:
        self._wire.trouble(b"E", "FATAL" if error.fatal else "ERROR", error.sqlstate, error.message)
        if error.fatal:
            self._wire.flush()
            raise Gone


def _codes(formats: Sequence[int], count: int) -> list[int]:
    """Return a format for each column: none means text for all, one means that one for all."""
    if len(formats) == count:
        return list(formats)
    return list(formats or [0])[:1] * count
