"""What both witnesses have said since the scenarios began: the steps C-10 and C-11 share it."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field

from psycopg import sql

from console.model.trace import ClientStatement, ServerLine
from console.sql import EngineConnection
from console.sql import run as run_sql
from console.witness.live_rows import LiveRows
from console.witness.surface import SurfaceVerdict


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A statement of the engine's own in the server's log, behind all that was logged before it."""

    pid: int
    token: str

    def is_in(self, lines: Iterable[ServerLine]) -> bool:
        """Tell whether the log was read up to the mark."""
        return any(line.pid == self.pid and self.token in line.sql for line in lines)


def leave_mark(connection: EngineConnection) -> Mark:
    """Leave a mark in the server's log."""
    token = f"drydock mark {secrets.token_hex(8)}"
    run_sql(connection, "environment/mark", parts={"token": sql.Literal(token)})
    return Mark(pid=connection.info.backend_pid, token=token)


@dataclass(frozen=True, kw_only=True)
class LastCount:
    """What the snapshot of a count saw: all transactions before `oldest`, none from `next` on, and between them `seen`.

    Numbers of transactions as text, those of `seen` with 32 bits; what a table's rows do not name is not among them.
    """

    oldest: str
    next: str
    seen: tuple[str, ...]


@dataclass(kw_only=True)
class Witnessing:
    """What both witnesses have said since the scenarios began."""

    connection: EngineConnection
    closing: ExitStack
    statements: list[ClientStatement] = field(default_factory=list)
    lines: list[ServerLine] = field(default_factory=list)
    irregularities: list[str] = field(default_factory=list)
    raised: dict[str, tuple[str, ...]] = field(default_factory=dict)
    by_catalogue: dict[str, SurfaceVerdict] = field(default_factory=dict)
    redactions_told: int = 0
    live: LiveRows | None = None
    """What the row-count matrix shows meanwhile; None before the connection's first scenario."""
    last_count: LastCount | None = None
    """Of the count behind the last scenario; kept only where the copy is rewound."""
