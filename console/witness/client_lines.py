"""The lines that the harness's tracer writes, one shape for each kind.

Only their shape: console/witness/client.py makes statements of them.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Whole = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]

Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e11)]
"""Since the epoch, or since a session's opening: the sum of both is still a date, and a number that JSON has."""


class Line(msgspec.Struct, frozen=True, kw_only=True, tag_field="e"):
    """Any line; `proc` is 0 for the harness itself, a forked child's number otherwise."""

    proc: Whole = 0


class Open(Line, frozen=True, kw_only=True, tag="open"):
    """A session was opened."""

    c: Whole
    pid: Whole
    user: str
    at: Seconds


class Close(Line, frozen=True, kw_only=True, tag="close"):
    """A session was closed."""

    c: Whole
    pid: Whole
    at: Seconds


class Send(Line, frozen=True, kw_only=True, tag="send"):
    """A statement is about to leave; when `kept`, later ones may say that they are like it."""

    n: Whole
    c: Whole
    pid: Whole
    user: str
    s: str
    a: str
    p: str
    sql: str
    types: tuple[str, ...]
    tx: Literal["idle", "intrans", "inerror", "unknown"]
    t: Whole
    implicit: bool
    prepared: str
    callers: tuple[str, ...]
    at: Seconds
    kept: bool = False


class Again(Line, frozen=True, kw_only=True, tag="again"):
    """A statement is about to leave that is `like` an earlier one of its session, `after` so many seconds of it.

    Its transaction is the session's last, or the next where it finds none open.
    """

    n: Whole
    like: Whole
    after: Seconds


class Done(Line, frozen=True, kw_only=True, tag="done"):
    """A statement was answered."""

    n: Whole
    ns: Whole
    rows: Whole
    sqlstate: str = ""
    message: str = ""


class Unsent(Line, frozen=True, kw_only=True, tag="unsent"):
    """libpq refused a statement that was announced."""

    n: Whole


class Lost(Line, frozen=True, kw_only=True, tag="lost"):
    """No answer will come to a statement."""

    n: Whole


class Begin(Line, frozen=True, kw_only=True, tag="begin"):
    """An attempt begins."""

    s: str
    a: str
    at: Seconds


class End(Line, frozen=True, kw_only=True, tag="end"):
    """An attempt ends."""

    s: str
    a: str
    at: Seconds


class Redacted(Line, frozen=True, kw_only=True, tag="redacted"):
    """A password was taken out of something."""

    secret: str
    origin: str
    form: str
    s: str
    a: str


class InducedFault(Line, frozen=True, kw_only=True, tag="fault"):
    """That the harness made statement `n` of an attempt fail, as the engine had asked; it was not sent."""

    s: str
    a: str
    n: Whole
    pid: Whole
    sql: str
    callers: tuple[str, ...]
    kind: str


ANY_LINE = msgspec.json.Decoder(
    Open | Close | Send | Again | Done | Unsent | Lost | Begin | End | Redacted | InducedFault
)
