"""What the tracer knows of each connection, and of each statement until it is answered."""

from __future__ import annotations

from json.encoder import encode_basestring_ascii as quote
from types import FrameType
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

from console.harness.frames import Told

IDLE, UNKNOWN = int(TransactionStatus.IDLE), int(TransactionStatus.UNKNOWN)

_MOST_AGAIN = 100
"""Each keeps what was told of one call of a function, which may be over."""

Kind = tuple[bytes, tuple[int, ...], bytes | None, int, str]
"""Of statements that are told alike: text, types, prepared name (None: psycopg's own statement), state, callers."""

SentAgain = tuple[Told, int, bytes, int]
"""What such a statement is found by: the call and instruction it was sent from, prepared name, state.

A connection of psycopg's gives a name to one text only, with its types.
"""


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
    one like it by a line; `again` that number for what was sent from the same place, the last few. Once it is
    `over`, nothing more is told of it.
    """

    __slots__ = (
        "again", "alike", "connection", "head", "opened_ns", "over", "own", "pending", "pgconn", "transactions",
        "types",
    )  # fmt: skip

    def __init__(self, connection: Any, pgconn: PGconn, head: str, opened_ns: int) -> None:
        self.connection = connection
        self.pgconn = pgconn
        self.head = head
        self.opened_ns = opened_ns
        self.over = False
        self.transactions = 0
        self.own = Sent(checked=True)
        self.pending: Sent | None = None
        self.types: dict[tuple[int, ...], str] = {(): ""}
        self.alike: dict[Kind, tuple[int, bytes]] = {}
        self.again: dict[SentAgain, int] = {}

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


def remember(again: dict[SentAgain, int], frame: FrameType, prepared: bytes, state: int, like: int) -> None:
    """Keep in `again` what a statement sent from `frame` is `like`, 0 for none, where word was left of its callers."""
    left = frame.f_trace
    if like and prepared and type(left) is Told and frame.f_lasti in left.texts:
        if len(again) >= _MOST_AGAIN:
            again.clear()
        again[left, frame.f_lasti, prepared, state] = like


def counted(result: PGresult) -> int:
    """Return how many rows the server says that a command changed, -1 where it says nothing."""
    rows = result.command_tuples
    return -1 if rows is None else rows
