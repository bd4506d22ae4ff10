"""What the tracer knows of each connection, and of each statement until it is answered."""

from __future__ import annotations

from json.encoder import encode_basestring_ascii as quote
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

IDLE, UNKNOWN = int(TransactionStatus.IDLE), int(TransactionStatus.UNKNOWN)

Kind = tuple[bytes, tuple[int, ...], bytes | None, int, str]
"""Of statements that are told alike: text, types, prepared name (None: psycopg's own statement), state, callers."""


class Sent:
    """One statement on its way; `n` is its number.

    `left` when libpq has it, `preparing` until its Parse was answered, `checked` when its answer comes to the
    cursor's `_check_results`: should it not come, `lost` is recorded with the next statement or the session's end.
    """

    __slots__ = ("began_ns", "checked", "left", "n", "prepared", "preparing", "rows", "settled")

    def __init__(self, prepared: bytes | None = None, *, checked: bool = False) -> None:
        self.prepared = prepared
        self.n = self.began_ns = self.rows = 0
        self.preparing = self.left = self.settled = False
        self.checked = checked


class Session:
    """One traced connection: its number, backend, transactions begun, and the statement under way.

    `own` is that of every statement whose answer is checked: there is one at a time, and to make one takes longer than
    to find the session. `alike` holds for each kind of statement that was told in full its number, and how to tell of
    one like it by a line.
    """

    __slots__ = (
        "alike", "connection", "head", "opened_ns", "own", "pending", "pgconn", "transactions", "types",
    )  # fmt: skip

    def __init__(self, connection: Any, pgconn: PGconn, head: str, opened_ns: int) -> None:
        self.connection = connection
        self.pgconn = pgconn
        self.head = head
        self.opened_ns = opened_ns
        self.transactions = 0
        self.own = Sent(checked=True)
        self.pending: Sent | None = None
        self.types: dict[tuple[int, ...], str] = {(): ""}
        self.alike: dict[Kind, tuple[int, bytes]] = {}

    def type_names(self, oids: tuple[int, ...]) -> str:
        """Return the names of types as the connection knows them, as the inside of a JSON array."""
        known = self.types.get(oids)
        if known is not None:
            return known
        connection = self.connection()
        registry = ((connection and connection._adapters) or psycopg.adapters).types
        names = ",".join(quote(_type_name(registry, oid)) for oid in oids)
        self.types[oids] = names
        return names


def _type_name(registry: Any, oid: int) -> str:
    if oid == 0:
        return "unknown"
    info = registry.get(oid)
    if info is None:
        return f"oid {oid}"
    return f"{info.name}[]" if info.array_oid == oid else str(info.name)


def counted(result: PGresult) -> int:
    """Return how many rows the server says that a command changed, -1 where it says nothing."""
    rows = result.command_tuples
    return -1 if rows is None else rows
