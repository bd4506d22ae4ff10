"""What a gate's answer can be."""

from __future__ import annotations

from enum import StrEnum


class GateVerdict(StrEnum):
    """What was found when a gate was asked; UNKNOWN is never a pass."""

    PASS = "PASS"
    FAIL = "FAIL"
    UNKNOWN = "UNKNOWN"
    NOT_REACHED = "NOT_REACHED"
    NOT_APPLICABLE = "NOT_APPLICABLE"
