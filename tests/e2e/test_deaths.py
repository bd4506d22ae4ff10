"""Deaths of the engine and of its watchdog: whatever dies, the copy does not outlive it unnoticed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from fix_runs import PATIENCE_S, Drydock, Ended, Living, Play, Said
from subjects import changed_subject

from console.model.run_state import RunState

STEP_S = 0.004
LATE_SWEEP = (
    "cutter_agent/phases.py",
    'writer.sweep(entry_id=entry_id, dependencies_seen=len(dependencies), outcome="clear")',
    'writer.sweep(entry_id=entry_id, dependencies_seen=len(dependencies), outcome="clear")\n'
    "            time.sleep(60)",
)
"""SWEEP keeps its transaction open: a kill then hits the middle of C-10."""


@dataclass(kw_only=True)
class Died:
    """A run whose engine was killed, the state in which it was, and what other shells were told."""

    ended: Ended
    at: RunState
    said: dict[str, Said] = field(default_factory=dict)


def killed_when(living: Living, holds: Callable[[RunState], bool], *, stepping: bool = False) -> Died:
    """Kill the engine as soon as `holds`; `stepping` lets it run in slices, to meet the moment."""
    pid = living.engine_pid()
    state = stepped_until(living, pid, holds) if stepping else living.wait_until(holds, "the moment")
    os.kill(pid, signal.SIGKILL)
    return Died(ended=living.finish(), at=state)


def stepped_until(living: Living, pid: int, holds: Callable[[RunState], bool]) -> RunState:
    """Let the engine run for a few milliseconds at a time; return, with it stopped, when `holds`."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        os.kill(pid, signal.SIGSTOP)
        state = living.state
        if holds(state):
            return state
        assert state.ended is None, "the run has ended before the moment came"
        os.kill(pid, signal.SIGCONT)
        time.sleep(STEP_S)
    pytest.fail(f"the moment did not come; the run had said:\n{living.narration}")


def in_step(step: str) -> Callable[[RunState], bool]:
    """Return whether a run is in the middle of a step."""
    return lambda state: state.current_step == step


def at_a_boundary(drydock: Drydock) -> Died:
    """Kill the engine while it waits at B-4: production, neighbour, copy and harness stand."""
    living = drydock.start("--approve", "B-1,B-2,B-3")
    return killed_when(living, lambda it: it.armed is not None and it.armed.boundary == "B-4")


def copying(drydock: Drydock) -> Died:
    """Kill the engine while pg_dump writes."""
    living = drydock.start("--approve", "all", rows=60_000)
    return killed_when(living, lambda it: in_step("C-03")(it) and _has_process(it, "pg_dump"), stepping=True)


def restoring(drydock: Drydock) -> Died:
    """Kill the engine while pg_restore writes."""
    living = drydock.start("--approve", "all", rows=60_000)
    return killed_when(
        living, lambda it: in_step("C-05")(it) and _has_process(it, "pg_restore "), stepping=True
    )


def _has_process(state: RunState, name: str) -> bool:
    return any(it.kind == "process" and it.name.startswith(name) for it in state.open_receipts)


def in_a_scenario(drydock: Drydock) -> Died:
    """Kill the engine while the subject is in the middle of a transaction."""
    subject = changed_subject(drydock, LATE_SWEEP)
    living = drydock.start("--approve", "all", "--subject", str(subject))
    return killed_when(living, lambda it: "S4b" in it.scenarios_started)


def tearing_down(drydock: Drydock) -> Died:
    """Kill the engine in C-13, when some objects are gone and others are not."""
    living = drydock.start("--approve", "all")
    living.wait_until(in_step("C-10"), "C-10")

    def half_way(state: RunState) -> bool:
        closed = sum(1 for it in state.receipts.values() if it.closed)
        return in_step("C-13")(state) and 0 < closed < len(state.receipts)

    return killed_when(living, half_way, stepping=True)


def with_its_watchdog(drydock: Drydock) -> Died:
    """Kill engine and watchdog while the copy stands; look, recover in vain before and twice after."""
    living = drydock.start("--approve", "B-1,B-2,B-3")
    living.wait_at("B-4")
    runs = ("--runs-dir", str(living.runs))
    run = living.folder.name
    alive = drydock.command("recover", run, *runs)
    pid, watchdog = living.engine_pid(), living.watchdog_pid()
    os.kill(watchdog, signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)
    ended = living.finish()
    said = {
        "alive": alive,
        "runs": drydock.command("runs", *runs),
        "status": drydock.command("status", run, *runs),
        "approve": drydock.command("approve", run, "B-4", "--digest", "0" * 12, *runs),
        "recover": drydock.command("recover", *runs),
        "again": drydock.command("recover", run, *runs),
        "after": drydock.command("status", run, *runs),
    }
    return Died(ended=ended, at=living.state, said=said)


def watchdog_alone(drydock: Drydock) -> Died:
    """Kill the watchdog at B-1 and let the run go on."""
    living = drydock.start("--approve", "B-2,B-3,B-4,B-5")
    state = living.wait_at("B-1")
    os.kill(living.watchdog_pid(), signal.SIGKILL)
    time.sleep(0.5)
    living.approve("B-1")
    return Died(ended=living.finish(), at=state)


PLAYS: dict[str, Play] = {
    "at B-4": at_a_boundary,
    "in C-03": copying,
    "in C-05": restoring,
    "in C-10": in_a_scenario,
    "in C-13": tearing_down,
    "with its watchdog": with_its_watchdog,
    "watchdog alone": watchdog_alone,
}


@pytest.mark.parametrize("played", ["at B-4", "in C-03", "in C-05", "in C-10", "in C-13"], indirect=True)
def test_watchdog_tears_down(played: Died) -> None:
    """After kill -9 of the engine the watchdog ends the run FAIL, CLEAN, exit 1, cause drydock."""
    assert played.ended.outcome == (1, "FAIL", "CLEAN", "drydock"), played.ended.said.stderr
    state = played.ended.state
    assert state.engine_lost is not None
    assert state.engine_lost.by == "the watchdog; the engine ended with signal 9"
    assert played.ended.summary["reason"].startswith("the engine died in ")
    assert state.open_receipts == []
    assert "the engine died; " in played.ended.said.stderr


@pytest.mark.parametrize("played", ["at B-4", "in C-03", "in C-05", "in C-10", "in C-13"], indirect=True)
def test_nothing_new_is_begun_after_the_death(played: Died) -> None:
    """What had not begun when the engine died was not begun afterwards, but for the teardown."""
    assert set(played.ended.state.steps_started) - set(played.at.steps_started) <= {"C-13"}
    assert played.ended.state.scenarios_started == played.at.scenarios_started
    assert played.at.open_receipts != []


@pytest.mark.parametrize("played", ["at B-4", "in C-13", "with its watchdog"], indirect=True)
def test_no_socket_is_left(played: Died) -> None:
    """Whoever finishes a killed engine's run removes the socket on which nobody listens any more."""
    assert not (played.ended.folder / "control.sock").exists()


@pytest.mark.parametrize("played", ["with its watchdog"], indirect=True)
def test_dead_run_is_said_to_be_dead(played: Died) -> None:
    """With engine and watchdog gone, the command, `runs` and `status` say so, and how to finish the run."""
    assert played.ended.said.exit_code == 4
    assert "the engine is gone and the run has not been torn down" in played.ended.said.stderr
    assert "Traceback" not in played.ended.said.stderr
    for name, code in (("runs", 0), ("status", 4)):
        said = played.said[name]
        assert (name, said.exit_code) == (name, code)
        assert "dead" in said.stdout
        assert f"drydock recover {played.ended.folder.name}" in said.stdout + said.stderr
    assert played.said["approve"].exit_code == 2
    assert "Traceback" not in played.said["approve"].stderr


@pytest.mark.parametrize("played", ["with its watchdog"], indirect=True)
def test_recover_finishes_a_dead_run_once(played: Died) -> None:
    """`recover` ends a dead run CLEAN, a second time it changes nothing, and a living run is refused."""
    assert played.said["alive"].exit_code == 2
    assert "is alive" in played.said["alive"].stderr
    assert "drydock abort" in played.said["alive"].stderr
    assert played.said["recover"].exit_code == 1
    assert "was finished with exit code 1" in played.said["recover"].stderr
    assert played.said["again"].exit_code == 0 and "nothing to recover" in played.said["again"].stderr
    assert played.said["after"].exit_code == 1
    assert "CLEAN" in played.said["after"].stdout
    assert "UNCLEAN" not in played.said["after"].stdout
    assert played.at.ended is not None
    assert played.at.last_n == played.ended.state.last_n


@pytest.mark.parametrize("played", ["watchdog alone"], indirect=True)
def test_engine_outlives_its_watchdog(played: Died) -> None:
    """Without its watchdog the engine goes on, its command keeps looking, and the run is PASS."""
    assert played.ended.outcome == (0, "PASS", "CLEAN", None), played.ended.said.stderr
