"""What the screen sends and hears when the operator decides; how it travels is the caller's business.

The screen imports no engine: `drydock attach` gives it a callable that asks one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One decision: `shown_at` is when the question could be read, `early_keys` what was ignored before.

    `typed` is the name that the boundary asks for, as it was typed.
    """

    verb: Literal["approve", "abort", "hold"]
    boundary: str = ""
    digest: str = ""
    minutes: float = 0.0
    typed: str = ""
    shown_at: str = ""
    early_keys: int = 0


@dataclass(frozen=True, kw_only=True)
class Said:
    """What the engine made of it, in one sentence."""

    accepted: bool
    says: str


Decide = Callable[[Answer], Said]
"""Blocks until the engine has answered; raises nothing."""
