"""The demo's own production and neighbour, which a run makes itself: whether they went before the closing looks.

Reads the journal, the folders and the machine's boot id; removes nothing and asks no gate. Only what a dead
engine left is asked for: a living one looks before it removes.
"""

from __future__ import annotations

import os
from pathlib import Path

from console.engine.protecting import look_at_clusters
from console.engine.recorder import Recorder
from console.environments.process import is_of_this_boot
from console.model.fact import StepEnd
from console.model.facts import Starts
from console.model.run_state import Receipt, RunState

SOURCE = "source"
"""What the fact `starts` calls production; a protected object has its data folder's name there."""


def stand_ins(state: RunState) -> dict[str, str]:
    """Return the data folder of each cluster of the demo by its name in the fact `starts`."""
    found = {}
    for receipt in state.receipts.values():
        if receipt.part == "demo" and receipt.kind == "cluster":
            production = Path(receipt.name).parent.name == "production"
            found[SOURCE if production else receipt.name] = receipt.name
    return found


def gone_stand_ins(state: RunState) -> tuple[str, ...]:
    """Return those that went with a dead engine's teardown, or with the machine, before anybody had looked.

    A server that died alone leaves its data folder in the same boot: that one has not gone, it has stopped.
    """
    if state.engine_lost is None and state.reopened is None:
        return ()
    servers = [one for one in state.receipts.values() if one.part == "demo" and one.kind == "process"]
    rebooted = any(_is_of_another_boot(one) for one in servers)
    return tuple(name for name, data in stand_ins(state).items() if rebooted or not os.path.lexists(data))


def _is_of_another_boot(receipt: Receipt) -> bool:
    return receipt.identity is not None and not is_of_this_boot(receipt.identity)


def seen_before(state: RunState) -> dict[str, str]:
    """Return the start of each protected object and of the source as they were first seen."""
    seen = state.facts.get("protected.before", {}).get("objects", {})
    before = {name: found["started_at"] for name, found in seen.items() if found is not None}
    if "source.before" in state.facts:
        before[SOURCE] = state.facts["source.before"]["started_at"]
    return before


def look_from_journal(recorder: Recorder) -> None:
    """Record the fact `starts` before the demo is removed, by what the journal alone names.

    A production that is no demo cannot be asked without its plan: it stays out, and N-6 does not hold.
    """
    state = recorder.state
    before = seen_before(state)
    if not before or "starts" in state.facts:
        return
    demo, gone = stand_ins(state), gone_stand_ins(state)
    after = {}
    for name in before:
        folder = demo.get(name, "" if name == SOURCE else name)
        found = look_at_clusters((folder,))[folder] if folder and name not in gone else None
        if found is not None:
            after[name] = found.started_at
    gone = tuple(name for name in gone if name in before)
    maker: StepEnd = "finished" if "protected.before" in state.facts else "not finished"
    starts = Starts(maker=maker, before=before, after=after, gone=gone)
    recorder.fact("starts", starts, source="first and last look; pg_control, postmaster.pid")
