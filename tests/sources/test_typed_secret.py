"""Production's password typed on a real terminal before the run: kept by two processes in memory, and nowhere else."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from fix_runs import DRYDOCK, Drydock
from fix_terminal import Terminal
from productions import Production

from console.journal import read_journal
from console.model.run_state import RunState, fold


def test_a_typed_password_outlives_the_engine_and_is_written_nowhere(
    drydock: Drydock, production: Production
) -> None:
    """It is echoed, written, shown in /proc, or unknown to the watchdog, whose closing gates then cannot ask."""
    runs = drydock.place("runs")
    words = ["run", str(production.plan(secret='"prompt:reader"')), "--plain", "--approve", "B-1,B-2,B-3,B-4"]
    terminal = Terminal(
        [DRYDOCK, *words, "--subject", str(drydock.reference), "--runs-dir", str(runs)],
        size=(160, 50), variables=drydock._environment(),
    )  # fmt: skip
    try:
        terminal.shows("password reader (not shown):")
        assert not runs.exists()
        terminal.press(f"{production.password}\n")
        terminal.shows("B-5 waits for you")
        [folder] = runs.iterdir()
        seen = shown_by(state_of(folder), folder)
        os.kill(engine_of(state_of(folder)), signal.SIGKILL)
        assert terminal.ended() == 1, terminal.text
    finally:
        terminal.close()
    ended = state_of(folder)
    assert ended.ended is not None
    assert (ended.ended.verdict, ended.ended.closure) == ("FAIL", "CLEAN")
    assert ended.gates["G-25"].verdict == "PASS"
    seen += [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    assert production.password.encode() not in b"".join([*seen, terminal.raw])


def shown_by(state: RunState, folder: Path) -> list[bytes]:
    """Return what /proc shows of engine and watchdog, and every file of the run."""
    assert state.engine is not None
    pids = [one.split(":")[0] for one in (state.engine.identity, state.engine.watchdog)]
    shown = [Path(f"/proc/{pid}/{name}").read_bytes() for pid in pids for name in ("environ", "cmdline")]
    return shown + [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


def engine_of(state: RunState) -> int:
    """Return the engine's process id."""
    assert state.engine is not None
    return int(state.engine.identity.split(":")[0])


def state_of(folder: Path) -> RunState:
    """Return a run's folded journal."""
    return fold(read_journal(folder / "journal.jsonl"))


def test_nobody_is_asked_where_nobody_is(drydock: Drydock, production: Production) -> None:
    """Without a terminal a secret to be typed hangs the run, or is a run that fails later."""
    living = drydock.start(str(production.plan(secret='"prompt:reader"')), "--approve", "all")
    assert living.process.wait(60) == 2
    assert "the secret reader is to be typed, and there is nobody to ask" in living.narration
    assert not living.runs.exists()
