"""Whether a run is lost: neither its engine nor its watchdog lives, and that for a while.

Asks for processes, since a lock on the journal would be in a watchdog's way.
"""

from __future__ import annotations

import time

from console.environments.process import is_alive
from console.model.run_state import RunState

LOST_AFTER_S = 30.0
"""How long neither may live before the run counts as lost."""


class Alone:
    """Watches one run for its readers, which are no part of it."""

    def __init__(self, *, lost_after_s: float = LOST_AFTER_S) -> None:
        self._lost_after_s = lost_after_s
        self._since: float | None = None

    def is_lost(self, state: RunState) -> bool:
        """Tell whether engine and watchdog have been gone for long enough."""
        engine = state.engine
        if engine is not None and (is_alive(engine.identity) or is_alive(engine.watchdog)):
            self._since = None
            return False
        now = time.monotonic()
        self._since = now if self._since is None else self._since
        return now - self._since >= self._lost_after_s
