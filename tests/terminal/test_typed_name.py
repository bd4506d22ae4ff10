"""B-2 of a proof on a real terminal, on the screen and as lines: the database's name, typed out, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fix_runs import DRYDOCK, Drydock
from fix_terminal import Terminal

from console.journal import read_journal
from console.model.run_state import RunState, fold
from console.settings import data_folder
from console.subjects import materialise

PATIENCE_S = 90.0


def state(runs: Path) -> RunState:
    """Return the folded journal of the only run below a folder."""
    return fold(read_journal(next(runs.glob("2*/journal.jsonl"))))


def until(holds: Callable[[], bool], what: str) -> None:
    """Return when it holds; fails the test when the patience is over."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"no {what}"
        time.sleep(0.05)


def typed(terminal: Terminal, name: str) -> None:
    """Type as a person does who has read the question."""
    time.sleep(2.0)
    for letter in name:
        terminal.press(letter)
        time.sleep(0.12)


@pytest.mark.parametrize("words", [("--plain",), ()], ids=("plain", "screen"))
def test_only_the_name_itself_opens_the_transaction(words: tuple[str, ...], drydock: Drydock) -> None:
    """One wrong letter opens the transaction, or the right name typed afterwards does not."""
    runs, subject = drydock.place("runs"), drydock.place("live")
    materialise(data_folder("scenarios") / "rollback_proof" / "subject", subject)
    given = [
        "run",
        "--plan",
        "proof",
        *words,
        "--approve",
        "B-1,B-3",
        "--demo-rows",
        "50",
        "--runs-dir",
        str(runs),
    ]
    terminal = Terminal(
        [DRYDOCK, *given, "--subject", str(subject)], size=(160, 60),
        variables={"DRYDOCK_WORK_DIR": str(drydock.work)},
    )  # fmt: skip
    try:
        terminal.shows("B-2 waits for you", "directus")
        typed(terminal, "directuz")
        until(lambda: "ignored" in terminal.text, "word about the wrong letter")
        assert "B-2" not in state(runs).decisions
        assert "proof.before" not in state(runs).facts
        typed(terminal, "directus")
        until(lambda: "B-2" in state(runs).decisions, "answer to B-2")
        until(lambda: state(runs).ended is not None, "end")
        assert state(runs).decisions["B-2"].early_keys > 0
        terminal.shows("PASS, CLEAN")
    finally:
        terminal.press("q")
        terminal.close()
        if state(runs).ended is None:
            drydock.command("abort", next(runs.glob("2*")).name, "--runs-dir", str(runs))
            until(lambda: state(runs).ended is not None, "end of the run")
