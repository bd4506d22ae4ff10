"""A run's statements reduced to what two runs can be compared by: place, fingerprint, sender, outcome.

A fingerprint is the statement's text with its literals, numbers and white space taken out. Reads the client's
trace; never judges a statement.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import msgspec

from console.evidence.storage import open_kept
from console.model.trace import ClientStatement

_CLIENT = b'{"w":"client",'
_PIECE_BYTES = 1 << 20
_LITERALS = re.compile(
    r"""'(?:[^']|'')*' | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$ | \$\d+ | (?<![\w."])\d+(?:\.\d+)?(?![\w"])""",
    re.VERBOSE | re.DOTALL,
)
_decoder = msgspec.json.Decoder(ClientStatement)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """One statement of the subject: `before` is libpq's state before it was sent."""

    n: int
    pid: int
    scenario: str
    phase: str
    principal: str
    fingerprint: str
    sender: str
    before: str
    sqlstate: str
    message: str


@lru_cache(maxsize=4096)
def fingerprint(sql: str) -> str:
    """Return a statement without its literals: the same for all statements that differ in values only."""
    return " ".join(_LITERALS.sub("?", sql).split()).rstrip("; ")


def statements_of(folder: Path) -> list[Sent]:
    """Return the client's statements of a run in their order, empty when there is no trace.

    Raises OSError when the trace cannot be read; what is no record is left out (`drydock verify` names it).
    """
    try:
        with open_kept(folder / "trace.jsonl") as file:
            return [_sent(one) for one in _records(iter(lambda: file.read(_PIECE_BYTES), b""))]
    except FileNotFoundError:
        return []


def _records(pieces: Iterator[bytes]) -> Iterator[ClientStatement]:
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.startswith(_CLIENT):
                try:
                    yield _decoder.decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError):
                    continue


def _sent(one: ClientStatement) -> Sent:
    named = [frame for frame in one.callers if not frame.startswith(("_", "<"))]
    return Sent(
        n=one.n, pid=one.pid, scenario=one.scenario, phase=one.phase, principal=one.principal,
        fingerprint=fingerprint(one.sql), sender=(named or list(one.callers) or [""])[0], before=one.tx,
        sqlstate=one.sqlstate, message=one.message,
    )  # fmt: skip
