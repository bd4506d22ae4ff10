"""What the row-count matrix shows while a scenario runs: a glance at the server's statistics about once a second.

No gate rests on a glance: the engine's exact counts after the scenario do, and take its place on the screen.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from console.engine.rehearsal import Rehearsal
from console.model.event import RowsEstimated
from console.witness.live_rows import LiveRows

GLANCE_EVERY_S = 1.0


class Glances:
    """Estimates of one scenario's changes; `before` are the exact counts of its begin.

    A session that rests tells the statistics up to ten seconds late: what earlier scenarios did and has not been heard
    of when this one begins is still to come, and is not this one's.
    """

    def __init__(
        self, run: Rehearsal, scenario: str, *, live: LiveRows, before: Mapping[str, int]
    ) -> None:  # fmt: skip
        self._run = run
        self._scenario = scenario
        self._live = live
        self._earlier = {name: rows - live.counted[name] for name, rows in before.items()}
        self._late = {name: self._earlier[name] - heard for name, heard in live.gained().items()}
        self._next_s = time.monotonic() + GLANCE_EVERY_S
        self._told: dict[str, int] = {}

    def glance(self) -> None:
        """Record what has changed, when it is time to look again and there is something new."""
        if time.monotonic() < self._next_s:
            return
        changes = {name: self._own(name, heard) for name, heard in self._live.gained().items()}
        changed = {name: rows for name, rows in changes.items() if rows}
        if changed != self._told:
            self._told = changed
            self._run.recorder.record(
                RowsEstimated(scenario=self._scenario, changes=changed), origin="server"
            )
        self._next_s = time.monotonic() + GLANCE_EVERY_S

    def _own(self, name: str, heard: int) -> int:
        """Return what of the change since the first count is this scenario's: 0 while it may all be late."""
        rows, late = heard - self._earlier[name], self._late[name]
        return rows if not late or rows * late > 0 else 0
