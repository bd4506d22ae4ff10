"""SQL statements as records: what the client witness claims and what the server logged."""

from __future__ import annotations

import msgspec


class ClientStatement(msgspec.Struct, frozen=True, kw_only=True, tag_field="w", tag="client"):
    """One statement as the client witness recorded it, sent and answered.

    `n` counts from 1 in the order of sending, over all connections of the harness. `sql` is the text
    sent; `types` are the bound parameters' type names, never their values. `tx` is libpq's state
    before sending: idle, intrans, inerror. `transaction` counts the transactions of a connection.
    `implicit` marks what the driver sent by itself. `callers` are the innermost frames of the
    subject, nearest first, as "function (file:line)". `answered` False: no answer was recorded.
    """

    n: int
    pid: int
    principal: str
    scenario: str
    attempt: str
    phase: str
    sql: str
    sent_at: float
    types: tuple[str, ...] = ()
    tx: str = "idle"
    transaction: int = 0
    implicit: bool = False
    prepared: str = ""
    callers: tuple[str, ...] = ()
    answered: bool = False
    duration_us: int = 0
    rows: int = -1
    sqlstate: str = ""
    message: str = ""


class ServerLine(msgspec.Struct, frozen=True, kw_only=True, tag_field="w", tag="server"):
    """One line of PostgreSQL's jsonlog, reduced to what is judged.

    `kind` is statement, execute, nested, error, connection, disconnection or other. `sql` is the whole text
    of the statement concerned; a nested one ran inside what `message` says. `at` is seconds since the epoch,
    `session` jsonlog's session_id, `vxid` the server's own name of the transaction ("" outside one).
    `unlogged` marks an error of a statement that has no line of its own, because parsing or binding it already
    failed.
    """

    at: float
    pid: int
    session: str
    line: int
    user: str
    database: str
    application: str
    kind: str
    severity: str
    sqlstate: str = ""
    sql: str = ""
    message: str = ""
    prepared: str = ""
    scenario: str = ""
    vxid: str = ""
    unlogged: bool = False


class EngineStatement(msgspec.Struct, frozen=True, kw_only=True, tag_field="w", tag="engine"):
    """One statement of the engine's own, by the name and sha256 of its SQL file."""

    at: float
    target: str
    name: str
    sha256: str
    pid: int = 0
    rows: int = -1
    duration_us: int = 0


class BlockSeal(msgspec.Struct, frozen=True, kw_only=True, tag_field="w", tag="seal"):
    """Closes a block of records: sha256 over the previous seal's hash and the block's bytes."""

    records: int
    block: int
    sha256: str


TraceRecord = ClientStatement | ServerLine | EngineStatement | BlockSeal
