"""What the screen is told of rows while a scenario runs, and that the engine's own count takes its place."""

from __future__ import annotations

import pytest
from fix_runs import Drydock, Play
from subjects import sweep_with

from console.journal import read_journal
from console.model.event import RowsCounted, RowsEstimated, ScenarioFinished

WAITS = """
import os
import time
if not hasattr(_more, "waited"):
    _more.waited = True
    end = time.monotonic() + 60
    while not os.path.exists({path!r}) and time.monotonic() < end:
        time.sleep(0.02)
"""
"""What the subject does after its first SWEEP was committed: it holds its scenario up until a file is there."""


def watched(drydock: Drydock) -> list[object]:
    """Return the events of a run whose scenario goes on when its first figures have come."""
    place = drydock.place("go")
    place.mkdir(mode=0o755)
    go = place / "on"
    subject = sweep_with(drydock, WAITS.format(path=str(go)))
    living = drydock.start("--approve", "all", "--subject", str(subject))
    living.wait_until(lambda state: state.estimated is not None, "figures of a scenario that runs")
    go.touch(0o644)
    ended = living.finish()
    assert ended.outcome == (0, "PASS", "CLEAN", None), ended.said.stderr
    return [entry.event for entry in read_journal(ended.folder / "journal.jsonl")]


PLAYS: dict[str, Play] = {"watched": watched}


@pytest.mark.parametrize("played", ["watched"], indirect=True)
def test_figures_come_while_a_scenario_runs(played: list[object]) -> None:
    """Nothing is told before the scenario's end, or something else than what is counted then."""
    [at] = [n for n, event in enumerate(played) if isinstance(event, RowsEstimated)]
    told = played[at]
    assert isinstance(told, RowsEstimated)
    counts = [event for event in played if isinstance(event, RowsCounted)]
    [number] = [n for n, count in enumerate(counts) if count.scenario == told.scenario]
    before, after = counts[number - 1].rows, counts[number].rows
    gained = {table: rows - before[table] for table, rows in after.items() if rows != before[table]}
    assert "sweep_log" in told.changes
    assert told.changes.items() <= gained.items()
    later = [type(event) for event in played[at:]]
    assert later.index(RowsCounted) < later.index(ScenarioFinished)
