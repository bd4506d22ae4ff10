"""The names of a run's moments: which event is about to be written, without numbers that differ between runs.

Standard library only: the armed engine imports it.
"""

from __future__ import annotations

import re
from typing import Any

_WORK = re.compile(r".*/drydock-\d{8}-\d{6}-[0-9a-f]{4}-[0-9a-f]+(-demo)?")
_DOCKER = re.compile(r"^drydock-\d{8}-\d{6}-[0-9a-f]{4}-[0-9a-f]+-")
_RUN = re.compile(r".*/\d{8}-\d{6}-[0-9a-f]{4}(?=/)")
_NUMBERS = re.compile(r" \d+-\d+$")
_VERBS = {"ReceiptOpened": "opened", "ReceiptIdentified": "identified", "ReceiptClosed": "closed"}


def short(name: str) -> str:
    """Return an object's name without the run's id, the clock and the place of the test."""
    name = _WORK.sub(lambda found: "DEMO" if found[1] else "WORK", name)
    return _NUMBERS.sub("", _RUN.sub("RUN", _DOCKER.sub("", name)))


def moment_of(event: Any) -> str:
    """Return what an event is called in the table of cells, "" for one at which no cell acts."""
    kind = type(event).__name__
    if kind in _VERBS:
        return f"{_VERBS[kind]} {event.object} {short(event.name)}"
    if kind == "StepStarted":
        return f"begun {event.step}"
    if kind == "StepFinished":
        return f"finished {event.step}"
    if kind == "ScenarioStarted":
        return f"begun {event.scenario}"
    if kind == "BoundaryArmed":
        return f"armed {event.boundary}"
    return {"RunEnded": "ended", "RunCreated": "created"}.get(kind, "")
