"""What is read of the client witness's file: sessions, attempts, redactions, and each statement with its answer."""

from __future__ import annotations

import msgspec

from console.model.trace import ClientStatement
from console.witness.client_lines import Done, Redacted, Send

PIPELINE_ABORTED = "pipeline aborted"
"""The harness's message for a statement that the server skipped (console/harness/tracer.py)."""


class Window(msgspec.Struct, kw_only=True):
    """When an attempt ran; `ended_at` is None while it does, or when it never ended."""

    scenario: str
    attempt: str
    began_at: float
    ended_at: float | None = None


class ClientSession(msgspec.Struct, kw_only=True):
    """A session that psycopg opened, in the order of opening; `process` is 0 for the harness itself."""

    number: int
    pid: int
    principal: str
    opened_at: float
    closed_at: float | None = None
    process: int = 0


class ClientRedaction(msgspec.Struct, frozen=True, kw_only=True):
    """That the harness took a password out of something: which role's, out of what, when; no value."""

    secret: str
    origin: str
    form: str
    scenario: str
    attempt: str


class Waiting:
    """A statement that was announced; `over` when answered, lost, or (`dropped`) refused by libpq."""

    __slots__ = ("done", "dropped", "number", "over", "send", "taken")

    def __init__(self, number: int, send: Send) -> None:
        self.number = number
        self.send = send
        self.done: Done | None = None
        self.over = self.dropped = self.taken = False


def was_skipped(statement: ClientStatement) -> bool:
    """Tell whether the server never looked at a statement: its pipeline had failed before."""
    return statement.answered and not statement.sqlstate and statement.message == PIPELINE_ABORTED


def redaction_of(said: Redacted) -> ClientRedaction:
    return ClientRedaction(
        secret=said.secret, origin=said.origin, form=said.form, scenario=said.s, attempt=said.a
    )


def statement_of(waiting: Waiting) -> ClientStatement:
    send, done = waiting.send, waiting.done
    return ClientStatement(
        n=waiting.number, pid=send.pid, principal=send.user, scenario=send.s, attempt=send.a, phase=send.p,
        sql=send.sql, sent_at=send.at, types=send.types, tx=send.tx, transaction=send.t,
        implicit=send.implicit, prepared=send.prepared, callers=send.callers,
        answered=done is not None,
        duration_us=done.ns // 1000 if done else 0,
        rows=done.rows if done else -1,
        sqlstate=done.sqlstate if done else "",
        message=done.message if done else "",
    )  # fmt: skip
