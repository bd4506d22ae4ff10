"""What people do to a run that waits: answer without a socket, twice, or recover it twice and in pieces."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from docker_stage import DockerStage
from fix_runs import PATIENCE_S, Drydock, Living

from console.model.run_state import RunState

HERE = Path(__file__).parent
MOST_RECOVERS, FEWEST_KILLED = 40, 20


class Acts:
    """The acts of one cell; what goes wrong in them is added to its troubles."""

    def __init__(self, plain: Drydock, spec: Path, runs: Path, troubles: list[str]) -> None:
        self.plain, self.spec, self.runs, self.troubles = plain, spec, runs, troubles

    def named(self, act: str) -> Callable[[Living], None] | None:
        """Return what is done at an armed boundary, None where nobody does anything."""
        return {
            "socket": self._without_socket, "two engines": self._two_engines, "two consoles": self._two_consoles,
            "two recovers": self._two_recovers, "killed recovers": self._killed_recovers, "full": self._abort,
        }.get(act)  # fmt: skip

    def bring_daemon_back(self, living: Living, stage: DockerStage, met: Path) -> None:
        """Start the second engine's daemon again once the run's teardown waits for it."""

        def over(state: RunState) -> bool:
            asked = state.armed is not None and state.armed.boundary == "B-5"
            return asked or state.current_step == "C-13" or living.process.poll() is not None

        living._until(lambda: met.exists() or living.process.poll() is not None, "daemon's death")
        while living.wait_until(over, "teardown").armed is not None and living.process.poll() is None:
            living.approve("B-5")
        if stage.second is not None:
            # Its pid file goes when it has ended: at C-13 the teardown waits before that.
            gone = stage.second.folder / "dockerd.pid"
            living._until(lambda: not gone.exists(), "daemon's end")
            stage.second.start()

    def _abort(self, living: Living) -> None:
        """Ask for the end of a run that can record neither the asking nor the end."""
        self.plain.command("abort", living.folder.name, "--runs-dir", str(self.runs))

    def _without_socket(self, living: Living) -> None:
        """Nobody can answer any more; a signal still ends the run."""
        living._until(lambda: not (living.folder / "control.sock").exists(), "removed socket")
        said = self.plain.command("abort", living.folder.name, "--runs-dir", str(self.runs))
        if (said.exit_code, "no engine answers" in said.stderr) != (2, True):
            self.troubles.append(f"abort without a socket said {said}")
        os.kill(living.engine_pid(), signal.SIGTERM)

    def _two_engines(self, living: Living) -> None:
        """A second engine on the same folder ends by itself, and the first one goes on."""
        words = [sys.executable, "-I", "-m", "console.engine.worker", str(living.folder)]
        second = subprocess.run(words, capture_output=True, check=False, timeout=PATIENCE_S)
        if second.returncode == 0 or b"Traceback" in second.stderr:
            self.troubles.append(f"a second engine ended with {second.returncode}: {second.stderr[-200:]!r}")
        self.plain.command("abort", living.folder.name, "--runs-dir", str(self.runs))

    def _two_consoles(self, living: Living) -> None:
        """Of two shells that approve at once, exactly one is told that it did."""
        words = living.approve_line("B-3")[1:]
        out = [self.plain.place("said") for _ in range(2)]
        both = [self.plain._popen(words, place) for place in out]
        codes = sorted(process.wait(PATIENCE_S) for process in both)
        if codes != [0, 2]:
            self.troubles.append(f"two approvals at once ended with {codes}")

    def _two_recovers(self, living: Living) -> None:
        """Engine and watchdog die, and two recovers come at once."""
        self.die(living)
        out = [self.plain.place("said") for _ in range(2)]
        words = ("recover", living.folder.name, "--runs-dir", str(self.runs))
        both = [self.plain._popen(words, place) for place in out]
        codes = sorted(process.wait(PATIENCE_S) for process in both)
        if codes not in ([0, 1], [1, 1], [1, 2], [1, 4]):
            self.troubles.append(f"two recovers at once ended with {codes}")
        for place in out:
            if "Traceback" in (place / "stderr").read_text("utf-8"):
                self.troubles.append("a traceback of a recover")

    def _killed_recovers(self, living: Living) -> None:
        """Each recover is killed when it has removed one object, before or after it says so, until nothing is left."""
        self.die(living)
        told = json.loads(self.spec.read_text("utf-8")) | {"act": "SIGKILL engine", "moment": "closed *"}
        arms = str(HERE / "armed_engine.py")
        words = [sys.executable, "-I", arms, "recover", str(self.spec), str(living.folder)]
        killed = 0
        for when in ("before", "after") * MOST_RECOVERS:
            self.spec.write_text(json.dumps({**told, "when": when}), "utf-8")
            done = subprocess.run(words, capture_output=True, check=False, timeout=PATIENCE_S)
            killed += done.returncode == -signal.SIGKILL
            if done.returncode != -signal.SIGKILL:
                break
        if killed < FEWEST_KILLED:
            self.troubles.append(f"only {killed} recovers were killed: {done.stderr[-300:]!r}")

    def die(self, living: Living) -> None:
        pid, watchdog = living.engine_pid(), living.watchdog_pid()
        os.kill(watchdog, signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)
        living.process.wait(PATIENCE_S)
