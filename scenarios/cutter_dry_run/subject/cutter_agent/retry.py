"""Trying a whole phase again after a transient failure.

Owns the bound. Never retries a part of a phase: what it calls reads first, every time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from cutter_agent.errors import PhaseStop, TransientFailure

T = TypeVar("T")

MAX_TRIES = 3
PAUSE_S = 0.05


def whole_phase(
    attempt: Callable[[], T],
    *,
    max_tries: int = MAX_TRIES,
    pause: Callable[[float], None] = time.sleep,
) -> T:
    """Return what `attempt` returns, called up to `max_tries` times.

    Raises PhaseStop when each of them failed transiently; every other error ends it at once.
    """
    for tries in range(1, max_tries):
        try:
            return attempt()
        except TransientFailure:
            pause(PAUSE_S * tries)
    try:
        return attempt()
    except TransientFailure as last:
        what = f"still failing after {max_tries} tries: {last}"
        raise PhaseStop(what) from last
