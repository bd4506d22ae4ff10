"""Evidence on a real pseudo-terminal, over real packs: from the list to the failing statement, search, comparison."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fix_packs import Packs
from fix_runs import DRYDOCK, Ended
from fix_terminal import HUNG_UP, Terminal

Copy = Callable[[Ended], Path]
Opens = Callable[..., Terminal]


@pytest.fixture
def opens(packs: Packs, copy_of: Copy) -> Iterator[Opens]:
    """Open `drydock browse` over copies of both packs, as the user whose key sealed them."""
    opened: list[Terminal] = []
    runs = copy_of(packs.passed).parent
    copy_of(packs.failed)

    def open_one(*words: str, size: tuple[int, int] = (80, 24)) -> Terminal:
        argv = [DRYDOCK, "browse", *words, "--runs-dir", str(runs)]
        opened.append(Terminal(argv, size=size, variables={"HOME": str(packs.drydock.root)}))
        return opened[-1]

    yield open_one
    for terminal in opened:
        terminal.close()


def test_from_the_list_to_the_failing_statement_and_back(packs: Packs, opens: Opens) -> None:
    """List, run, its verification, `s` to the server's 25001, a search, and the cause of two runs' difference."""
    failed, passed = packs.failed.folder.name, packs.passed.folder.name
    terminal = opens()
    terminal.shows("Runs: 1 of 2", failed, passed)
    terminal.press(f"f{failed}\r")
    terminal.shows("Runs: 1 of 1", "✗ FAIL", "CLEAN", "S4")
    terminal.press("\r")
    terminal.shows(f"{failed}  ✗ FAIL at S4, CLEAN", "✓ verifies", "▸    ✗ S4 FAIL")
    terminal.press("s")
    terminal.shows("at statement 12 of S4", "25001")
    terminal.press("q")
    terminal.shows("[1 gates]")
    terminal.press("7")
    terminal.shows("✓ ledger", "✓ gates", "✓ end")
    terminal.press("q")
    terminal.shows("Runs: 1 of 1")
    terminal.press("f\x15\r")
    terminal.shows("Runs: 1 of 2")
    terminal.press("m")
    terminal.shows("is the first of two")
    terminal.press("jd")
    terminal.shows(
        "CAUSE: in the", "statement 11, SELECT entry_id", "left its transaction open", "find (cutter_agent/db"
    )
    terminal.press("q")
    terminal.shows("is the first of two")
    terminal.press("/must be called before any query\r")
    terminal.shows(
        "Found: “must be called before any query”", f"{failed} journal", f"{failed} trace", "in 2 runs"
    )
    terminal.press("q")
    terminal.shows("is the first of two")
    terminal.press("q")
    assert terminal.ended() == 0


def test_one_run_on_a_large_terminal(packs: Packs, opens: Opens) -> None:
    """`browse RUN` begins with the gates and their facts; a dropped link ends it quietly."""
    terminal = opens(packs.passed.folder.name, size=(160, 48))
    terminal.shows("✓ PASS, CLEAN", "29 of 29 hold", "✓ verifies")
    terminal.press("5")
    terminal.shows("5 Artefacts", "seal.pub.pem", "manifest")
    terminal.press("6")
    terminal.shows("B-1", "in advance")
    terminal.hang_up()
    assert terminal.ended() == HUNG_UP
