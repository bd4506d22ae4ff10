"""`run --plain` on a real terminal: the boundary as lines, answered by a typed code and by nothing else."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from fix_runs import DRYDOCK, Drydock
from fix_terminal import Terminal

from console.journal import read_journal
from console.model.run_state import RunState, fold

_CODE = re.compile(r"type (\w{4}) to (approve|abort|destroy|hold)")


@pytest.fixture
def plain(drydock: Drydock) -> Iterator[Terminal]:
    """Start a demo run with --plain on a terminal that a reader follows line by line."""
    runs = drydock.place("runs")
    words = ["run", "--plain", "--demo-rows", "200", "--runs-dir", str(runs), "--approve", "B-2,B-3"]
    words += ["--subject", str(drydock.reference)]
    variables = {"DRYDOCK_WORK_DIR": str(drydock.work), "RUNS": str(runs)}
    terminal = Terminal([DRYDOCK, *words], size=(160, 200), variables=variables)
    yield terminal
    terminal.close()


def codes(terminal: Terminal, boundary: str) -> dict[str, str]:
    """Return the codes that the last lines show for a boundary, as fast as one reads."""
    terminal.until(
        lambda shown: boundary in shown and shown.rstrip().endswith("code:"), f"codes for {boundary}"
    )
    time.sleep(0.3)
    lines = terminal.text.rstrip().splitlines()[-4:]
    return {word: code for code, word in _CODE.findall("\n".join(lines))}


def state(drydock: Drydock) -> RunState:
    """Return the newest run's folded journal."""
    newest = max(drydock.root.glob("runs-*/2*/journal.jsonl"), key=lambda path: path.stat().st_mtime_ns)
    return fold(read_journal(newest))


def test_a_run_by_typed_codes(drydock: Drydock, plain: Terminal) -> None:
    """y, Enter, a paste and a code typed in one burst leave B-1 armed; typed codes lead to PASS and exit 0."""
    plain.press("yyyy\ry\r")
    codes(plain, "B-1 waits for you")
    for keys in ("y", "\r", " ", "\x1b", "\x1b[A"):
        plain.press(keys)
        time.sleep(0.3)
        codes(plain, "were ignored")
    plain.press("\x1b[200~" + codes(plain, "B-1")["approve"] + "\x1b[201~")
    time.sleep(0.4)
    plain.press(codes(plain, "B-1")["approve"])
    time.sleep(0.4)
    assert state(drydock).armed is not None, plain.text
    for letter in codes(plain, "B-1")["approve"]:
        plain.press(letter)
        time.sleep(0.12)
    plain.shows("B-1 was approved", "B-4 waits for you")
    for letter in codes(plain, "B-4")["approve"]:
        plain.press(letter)
        time.sleep(0.12)
    plain.shows("B-5 waits for you")
    for letter in codes(plain, "B-5")["destroy"]:
        plain.press(letter)
        time.sleep(0.12)
    plain.shows("✓ PASS, CLEAN")
    assert plain.ended() == 0
    decisions = state(drydock).decisions
    assert decisions["B-1"].early_keys >= 10 and decisions["B-1"].shown_at
    assert decisions["B-4"].early_keys == 0
    sequences = set(re.findall(rb"\x1b(?:\[[0-9;?]*[a-zA-Z]|.)", plain.raw))
    assert sequences <= {b"\x1b[6n", b"\x1b[?2004h", b"\x1b[?2004l"}


def test_one_interrupt_ends_nothing(drydock: Drydock, plain: Terminal) -> None:
    """A single Ctrl+C aborts a run that somebody watches; a second one soon after it does not, or leaves it behind."""
    codes(plain, "B-1 waits for you")
    plain.press("\x03")
    plain.shows("Ctrl+C again within 5 s aborts the run")
    found = state(drydock)
    assert found.abort is None and found.armed is not None
    plain.press("\x03")
    plain.shows("■ ABORTED, CLEAN")
    assert plain.ended() == 3
