"""Deaths in the middle of a docker rehearsal: receipts alone are enough to come back to nothing."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path

import pytest
from container_production import PRODUCTION_VOLUME, ContainerProduction
from docker_engine import Engine
from docker_plans import Setting
from engine_objects import Objects, changes, look_at_engine
from fix_runs import Drydock, Ended, Living, played_together
from test_run import unnamed

from console.journal import read_journal
from console.model.run_state import RunState, fold


def in_step_with(step: str, *words: str) -> Callable[[RunState], bool]:
    """Return whether a step has begun and each of some receipts is open."""

    def holds(state: RunState) -> bool:
        opened = [f"{it.kind} {it.name}" for it in state.open_receipts]
        return step in state.steps_started and all(any(word in name for name in opened) for word in words)

    return holds


def watchdog_finishes(plan: Path, given: Drydock) -> Ended:
    """Kill the engine while it makes its objects."""
    living = given.start(str(plan), "--approve", "all")
    living.wait_until(in_step_with("C-04", "-relay"), "the relay's receipt")
    os.kill(living.engine_pid(), signal.SIGKILL)
    return living.finish()


def recover_finishes(plan: Path, given: Drydock) -> Ended:
    """Kill engine and watchdog while the copy stands with production's data in it, then recover twice."""
    living = given.start(str(plan), "--approve", "B-1,B-2,B-3")
    living.wait_at("B-4")
    pid = living.engine_pid()
    os.kill(living.watchdog_pid(), signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)
    ended = living.finish()
    for _ in range(2):
        given.command("recover", living.folder.name, "--runs-dir", str(living.runs))
    return ended


def watchdog_after_a_dump_began(plan: Path, given: Drydock) -> Ended:
    """Kill the engine while production is read."""
    living: Living = given.start(str(plan), "--approve", "all")
    living.wait_until(in_step_with("C-03", "source.dump"), "the dump's receipt")
    os.kill(living.engine_pid(), signal.SIGKILL)
    return living.finish()


PLAYS = {
    "in C-04": watchdog_finishes,
    "with its watchdog": recover_finishes,
    "in C-03": watchdog_after_a_dump_began,
}


class Died:
    """What came of each death, and the engine's objects before and after all of them."""

    def __init__(self, ended: dict[str, Future[Ended]], before: Objects, after: Objects) -> None:
        self.ended, self.before, self.after = ended, before, after

    def state(self, name: str) -> RunState:
        """Return a run's folded journal as it is now."""
        return fold(read_journal(self.ended[name].result().folder / "journal.jsonl"))


@pytest.fixture(scope="module")
def died(drydock: Drydock, setting: Setting, engine: Engine) -> Died:
    """Every death of this module, two at a time."""
    before = look_at_engine(engine, busy=[PRODUCTION_VOLUME])
    plan = unnamed(setting.plan("deaths"))
    done = played_together(drydock, {name: partial(play, plan) for name, play in PLAYS.items()})
    return Died(done, before, look_at_engine(engine, busy=[PRODUCTION_VOLUME]))


@pytest.mark.parametrize("name", sorted(PLAYS))
def test_a_dead_engines_objects_are_removed(died: Died, name: str) -> None:
    """A run whose engine was killed ends FAIL and CLEAN, with the engine's death as its reason."""
    state = died.state(name)
    assert state.ended is not None
    assert (state.ended.verdict, state.ended.closure, state.ended.residue) == ("FAIL", "CLEAN", ())
    assert state.engine_lost is not None
    assert state.open_receipts == []


def test_the_engine_is_as_it_was(died: Died) -> None:
    """After all deaths no container, volume or network is new, gone or changed."""
    assert died.ended["in C-04"].result() and changes(died.before, died.after) == []


def test_no_session_stays_in_production(died: Died, production: ContainerProduction) -> None:
    """A killed engine's pg_dump and session have ended inside production, and its server noticed no crash."""
    assert died.ended["in C-03"].result()
    asked = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'drydock%'"
    assert production.psql(asked) == "0"
    assert "was terminated by signal" not in production.engine.docker("logs", production.name)
