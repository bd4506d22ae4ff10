"""The whole run by keys alone, in a real terminal; and what never answers a boundary."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fix_journals import fail_at_s4
from fix_runs import Drydock, Ended, Living
from fix_terminal import HUNG_UP, Terminal, answer

from console.model.trace import ClientStatement
from console.secrets import SecretRegistry
from console.trace_log import TraceWriter

Opens = Callable[..., Terminal]
Starts = Callable[..., Living]
STALL_S = 10.0
BOUNDARIES = ("B-1", "B-2", "B-3", "B-4", "B-5")
DEFECT = (
    Path(__file__).resolve().parents[2] / "scenarios/cutter_dry_run/known_bad/find_leaves_transaction_open"
)


@pytest.mark.parametrize("size", [(80, 24), pytest.param((160, 48), marks=pytest.mark.matrix)])
def test_the_demo_passes_by_keys_alone(starts: Starts, opens: Opens, size: tuple[int, int]) -> None:
    """Five letters, each read from the screen, lead the demo to PASS, and q then gives the run's code."""
    living = starts()
    terminal = opens(living.folder, size=size)
    for boundary in BOUNDARIES:
        answer(terminal, boundary, "destroy" if boundary == "B-5" else "approve")
        if boundary == "B-4" and size != (80, 24):
            stall(terminal, living)
    terminal.shows("✓ PASS, CLEAN", "29 of 29 hold")
    terminal.press("q")
    assert terminal.ended() == 0
    decisions = living.finish().state.decisions
    assert all(
        decisions[boundary].how == "socket" and decisions[boundary].shown_at for boundary in BOUNDARIES
    )


def stall(terminal: Terminal, living: Living) -> None:
    """Stop reading for ten seconds while the screen has much to draw; the engine comes to B-5 all the same."""
    terminal.stop_reading()
    until = time.monotonic() + STALL_S
    for _time in range(40):
        terminal.press("t2134")
    living.wait_at("B-5")
    time.sleep(max(0.0, until - time.monotonic()))
    assert "● B-5" not in terminal.text
    terminal.read_on()


def test_keys_that_are_not_the_letter_never_answer(starts: Starts, opens: Opens) -> None:
    """Keys typed ahead, Enter, Space, Esc, y, a paste and the mouse leave B-1 armed, and the journal counts them."""
    living = starts()
    living.wait_at("B-1")
    terminal = opens(living.folder)
    terminal.press("yyyy\r  ")
    terminal.shows("B-1 waits for you; no answer")
    for keys in (b"y", b"\r", b" ", b"\x1b", b"\x10", b"\x11", b"\x03"):
        terminal.choices()
        terminal.press(keys)
        time.sleep(0.3)
    letter = terminal.choices()["approve"].encode()
    terminal.press(b"\x1b[200~" + letter + b"\x1b[201~")
    time.sleep(0.4)
    terminal.press(b"\x1b[<0;3;22M\x1b[<0;3;22m")
    terminal.press(terminal.choices()["approve"].encode() + b"abc")
    time.sleep(0.4)
    assert living.state.armed is not None, terminal.text
    terminal.shows("early keys ignored")
    answer(terminal, "B-1")
    decision = living.wait_until(lambda it: "B-1" in it.decisions, "B-1").decisions["B-1"]
    assert decision.early_keys >= 8


def test_a_terminal_without_a_fence_gets_a_code(starts: Starts, opens: Opens) -> None:
    """Where the status report is never answered, four letters shown on the screen must be typed, not pasted."""
    living = starts()
    living.wait_at("B-1")
    terminal = opens(living.folder, answers=False)
    terminal.shows("type [ ")
    terminal.press(terminal.choices()["approve"])
    terminal.shows("4 early keys ignored", "type [ ")
    code = terminal.choices()["approve"]
    assert len(code) == 4 and living.state.armed is not None
    for number, letter in enumerate(code[:-1], 1):
        terminal.press(letter)
        terminal.shows(f"typed: {code[:number]}")
    terminal.press(code[-1])
    living.wait_until(lambda it: "B-1" in it.decisions, "B-1")


def test_a_hangup_leaves_the_run_and_attach_returns(starts: Starts, opens: Opens) -> None:
    """A dropped link and a kill -9 of the screen answer nothing; the next screen asks the same question."""
    living = starts("--approve", "B-1")
    first = opens(living.folder)
    first.shows("B-2 waits for you; no answer")
    first.hang_up()
    assert first.exit_status == HUNG_UP
    second = opens(living.folder)
    second.choices()
    second.kill()
    state = living.state
    assert state.armed is not None and state.armed.boundary == "B-2" and state.abort is None
    third = opens(living.folder)
    answer(third, "B-2", "abort")
    third.shows("■ ABORTED, CLEAN")
    third.press("q")
    assert third.ended() == 3


def test_q_asks_and_detaching_leaves_the_run(starts: Starts, opens: Opens) -> None:
    """While the run lives q asks; d closes the screen with 0 and the question stands as before."""
    living = starts()
    terminal = opens(living.folder)
    terminal.press(terminal.choices()["put"])
    terminal.shows("b answers B-1")
    terminal.press("\x03")
    terminal.shows("leave this screen?")
    time.sleep(0.3)
    terminal.press("d")
    assert terminal.ended() == 0
    assert living.state.armed is not None


def test_an_observer_has_no_answer(starts: Starts, opens: Opens) -> None:
    """With --observe no question stands, only words; b and letters change nothing."""
    living = starts()
    living.wait_at("B-1")
    terminal = opens(living.folder, observe=True)
    terminal.shows("OBSERVING", "B-1 waits for its operator")
    terminal.press("bbapprove")
    time.sleep(0.5)
    assert "no answer within" not in terminal.text
    assert living.state.armed is not None


def test_the_copy_can_be_held(starts: Starts, opens: Opens) -> None:
    """B-5 held for 5 minutes is armed again with that limit, and destroyed when the question is brought back."""
    living = starts("--approve", "B-1,B-2,B-3,B-4")
    terminal = opens(living.folder, size=(160, 48))
    terminal.shows("B-5 waits for you; no answer")
    terminal.choices()
    terminal.press("-")
    terminal.shows("hold 5 minutes")
    terminal.press(terminal.choices()["hold"])
    state = living.wait_until(lambda it: it.armed is not None and it.armed.timeout_s == 300, "a hold")
    assert state.decisions.get("B-5") is None
    terminal.shows("b answers B-5")
    terminal.press("b")
    answer(terminal, "B-5", "destroy")
    terminal.shows("✓ PASS, CLEAN")


def test_a_small_terminal_gets_one_message(starts: Starts, opens: Opens) -> None:
    """At 40x10 there is one message and no letter; back at 80x24 the question begins again."""
    living = starts()
    terminal = opens(living.folder)
    letter = terminal.choices()["approve"]
    terminal.resize(40, 10)
    terminal.shows("This terminal is 40x10", "Drydock needs 80x24")
    terminal.press(letter)
    time.sleep(0.4)
    assert living.state.armed is not None
    terminal.resize(80, 24)
    answer(terminal, "B-1")


@pytest.fixture(scope="module")
def failed(drydock: Drydock) -> Ended:
    """The seeds' defect, run to its FAIL."""
    return drydock.run("--subject", str(DEFECT))


def test_the_failing_statement_is_shown_live(starts: Starts, opens: Opens) -> None:
    """When S4 fails, the screen shows the failing scenario, its statement and the server's words without a key."""
    living = starts("--approve", "B-1,B-2,B-3", "--subject", str(DEFECT))
    terminal = opens(living.folder, size=(160, 48))
    answer(terminal, "B-4")
    terminal.shows("at the failing statement of S4", "S4 FAIL", "✗ 25001", "must be called before any query")


@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}, {"TERM": "linux"}, {"TERM": "screen"}])
def test_a_finished_fail_is_browsed(failed: Ended, opens: Opens, variables: dict[str, str]) -> None:
    """In every terminal the words alone tell FAIL at S4, and e leads to the statement; q leaves at once."""
    terminal = opens(failed.folder, observe=True, variables=variables)
    terminal.shows("✗ FAIL at S4", "✗ S4 FAIL")
    terminal.press("2w")
    terminal.shows("only from:client")
    terminal.press("e")
    terminal.shows("✗ 25001", "at failed statement")
    terminal.press("/ISOLATION LEVEL\r")
    terminal.shows("at “ISOLATION LEVEL”")
    terminal.press("e")
    terminal.shows("at failed statement")
    terminal.press("\r")
    terminal.shows(
        "SQLSTATE", "25001", "transaction (cutter_agent/db_adapter.py:102)", "4 Inspector: statement"
    )
    if "NO_COLOR" in variables:
        assert re.findall(rb"\x1b\[[0-9;]*[34]8;[25][0-9;]*m|\x1b\[3[0-7]m", terminal.raw) == []
    terminal.press("q")
    assert terminal.ended() == 1


def test_hostile_sql_never_reaches_the_terminal_raw(tmp_path: Path, opens: Opens) -> None:
    """An escape sequence and markup in a statement, its error and its principal are glyphs in every byte drawn."""
    hostile = "SELECT '\x1b]2;owned\x07\x9b31m' [/] [@click=app.exit]x[/] \u202e"
    fail_at_s4().write(tmp_path).close()
    folder = next(tmp_path.iterdir())
    writer = TraceWriter(folder, SecretRegistry())
    record = ClientStatement(
        n=1, pid=1, principal=hostile, scenario="S4", attempt="mark", phase="MARK", sql=hostile, sent_at=1.0,
        sqlstate="XX000", message=hostile, callers=(hostile,), answered=True,
    )  # fmt: skip
    writer.append([record] * 3, origin="test")
    writer.seal()
    writer.close()
    terminal = opens(folder, observe=True, size=(160, 48))
    terminal.shows("FAIL at S4")
    terminal.press("2e")
    terminal.shows("SQLSTATE", "␛]2;owned␇", "[/]", "[@click=app")
    for raw in (b"\x1b]2;owned", b"\xc2\x9b", "\u202e".encode()):
        assert raw not in terminal.raw
