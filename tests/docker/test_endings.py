"""However a rehearsal ends, its neighbours on the engine are byte for byte what they were."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from docker_plans import Setting
from fix_rehearsals import Neighbourhood
from fix_runs import REFERENCE, Drydock, Living

DEFECT = REFERENCE.parent / "known_bad" / "find_leaves_transaction_open"


@pytest.fixture(autouse=True)
def nothing_has_changed(neighbourhood: Neighbourhood) -> Iterator[None]:
    """Complete lists, inspections and volumes' files are the same after each ending; production's rows too."""
    yield
    assert neighbourhood.changes() == []
    assert neighbourhood.production_now() == neighbourhood.production


def waiting_at_the_first_write(drydock: Drydock, setting: Setting, name: str) -> Living:
    """Return a run at B-4: copy, relay and harness stand."""
    living = drydock.start(str(setting.plan(name)), "--approve", "B-1,B-2,B-3,B-5")
    living.wait_at("B-4")
    return living


def test_after_a_fail(drydock: Drydock, setting: Setting) -> None:
    """A planted defect is not caught on an engine, or its teardown takes something along."""
    ended = drydock.run(str(setting.plan("fail")), "--subject", str(DEFECT))
    assert ended.outcome == (1, "FAIL", "CLEAN", "subject"), ended.said.stderr
    assert ended.summary["failed_scenario"] == "S4"


def test_after_an_abort(drydock: Drydock, setting: Setting) -> None:
    """An abort at the first write leaves something on the engine, or takes something along."""
    living = waiting_at_the_first_write(drydock, setting, "abort")
    assert drydock.command("abort", living.folder.name, "--runs-dir", str(living.runs)).exit_code == 0
    assert living.finish().outcome[:3] == (3, "ABORTED", "CLEAN")


def test_after_the_death_of_the_engine_process(drydock: Drydock, setting: Setting) -> None:
    """A killed engine's copy outlives it, or its watchdog takes something along."""
    living = waiting_at_the_first_write(drydock, setting, "death")
    os.kill(living.engine_pid(), signal.SIGKILL)
    assert living.finish().outcome == (1, "FAIL", "CLEAN", "drydock")
