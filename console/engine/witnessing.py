"""What both witnesses have said since the scenarios began: the steps C-10 and C-11 share it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field

from console.model.trace import ClientStatement, ServerLine
from console.sql import EngineConnection
from console.witness.surface import SurfaceVerdict


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
