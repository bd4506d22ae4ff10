"""Somebody kills what a rehearsal consists of at a moment that nobody chose: each ends CLEAN, and none as a false PASS.

The moment is a random step and a random delay into it, from a seed that the test's name tells.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker_engine import Engine, EngineFailed, started
from docker_images import Images, load_images
from docker_plans import NAMES, Setting
from engine_objects import changes, look_at_engine, make_neighbours
from fix_runs import PATIENCE_S, Drydock, Living
from test_gates import approve_until_the_end
from test_run import unnamed

pytestmark = pytest.mark.matrix

STEPS = tuple(f"C-{number:02d}" for number in range(4, 13))
LATE = ("C-11", "C-12", "C-13")
"""What dies here was asked for the last time, or is not needed any more: the run may pass all the same."""
KILLS = (
    ("engine", 1), ("watchdog", 2), ("both", 3), ("copy", 210), ("harness", 5), ("relay", 6), ("dockerd", 7),
    ("engine", 159), ("copy", 9), ("relay", 195), ("harness", 132), ("dockerd", 65),
)  # fmt: skip
MOST_DELAY_S = 1.0


@pytest.fixture(scope="module")
def second(setting: Setting, images: Images) -> Iterator[Engine]:
    """A second engine with the same images and neighbours of every kind; its daemon may die."""
    made = started(Path(f"{setting.production.engine.folder}-k"))
    assert load_images(made) == images
    make_neighbours(made, names=NAMES[:1], labels=["drydock.run=20260101-000000-0000"], image=images.python)
    yield made
    made.remove()


def kill(what: str, living: Living, engine: Engine) -> str:
    """Kill one thing by its exact process or name; return in which step that was, "" when it was not there."""
    step = living.state.current_step or next(reversed(living.state.steps_started), "")
    if what in ("engine", "watchdog", "both"):
        pids = {"engine": [living.engine_pid()], "watchdog": [living.watchdog_pid()]}
        for pid in pids.get(what, [living.watchdog_pid(), living.engine_pid()]):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                return ""
        return step
    if what == "dockerd":
        engine.kill()
        engine.start()
        return step
    names = [
        it.name
        for it in living.state.open_receipts
        if it.kind == "container" and it.name.endswith(f"-{what}")
    ]
    try:
        engine.docker("kill", *names)
    except EngineFailed:
        return ""
    return step


@pytest.mark.parametrize(("what", "seed"), KILLS)
def test_a_kill_at_a_random_moment(
    drydock: Drydock, setting: Setting, second: Engine, what: str, seed: int
) -> None:
    """After a kill something is left, a neighbour is not what it was, or the run says PASS without what it needs."""
    chosen = random.Random(seed)
    step, delay_s = chosen.choice(STEPS), chosen.uniform(0, MOST_DELAY_S)
    before = look_at_engine(second)
    plan = unnamed(setting.plan(f"kill-{what}-{seed}", endpoint=second.address))
    living = drydock.start(str(plan), "--approve", "all")
    try:
        living.wait_until(lambda it: step in it.steps_started or it.ended is not None, step)
        time.sleep(delay_s)
        killed_in = kill(what, living, second)
        if what not in ("engine", "both"):
            # While the engine was away nobody knew which images were approved: a boundary asks again.
            approve_until_the_end(living)
        ended = living.finish()
    finally:
        if living.process.poll() is None:
            os.kill(living.process.pid, signal.SIGINT)
            living.process.wait(PATIENCE_S)
    if ended.state.ended is None or ended.state.ended.closure != "CLEAN":
        drydock.command("recover", ended.folder.name, "--runs-dir", str(living.runs))
    end = living.state.ended
    told = f"{what} killed in {killed_in or 'no step: it was not there'}: {end}\n{ended.said.stderr[-1500:]}"
    print(told)
    assert end is not None and end.closure == "CLEAN", told
    assert living.state.open_receipts == [], told
    assert end.verdict in ("PASS", "FAIL"), told
    if end.verdict == "PASS":
        assert what == "watchdog" or killed_in in ("", *LATE), told
    elif what in ("copy", "harness", "relay", "dockerd"):
        assert end.cause == "environment", told
    assert changes(before, look_at_engine(second)) == [], told
