"""What every break must end with: the gate, its sentence, verdict, closure, cause, place and exit code."""

from __future__ import annotations

from pathlib import Path

from driver import Ended

from console.gates.table import GATES, by_id

EXIT_FAIL, EXIT_UNCLEAN = 1, 4


def assert_fails(
    ended: Ended,
    gate: str,
    *says: str,
    unclean: tuple[str, ...] = (),
    scenario: str | None = None,
    step: str | None = None,
) -> None:
    """The run is FAIL at `gate` with all of `says` in its sentence; CLEAN unless N gates are `unclean`."""
    told = ended.summary
    shown = f"{told['reason']} {ended.words[-3000:]}"
    assert ended.verdict(gate) == "FAIL", f"{gate} is {ended.verdict(gate)}: {shown}"
    for words in says:
        assert words in ended.reason(gate), f"{words!r} is not in {ended.reason(gate)!r}"
    assert (told["verdict"], told["failed_gate"], told["failed_scenario"]) == ("FAIL", gate, scenario), shown
    assert told["cause"] == by_id(gate).cause
    assert told["reason"] == ended.reason(gate)
    assert_closure(ended, unclean)
    assert_nothing_followed(ended, gate, step or by_id(gate).step)


def assert_closure(ended: Ended, unclean: tuple[str, ...]) -> None:
    """Exactly the N gates of `unclean` are FAIL, and closure and exit code say so."""
    failing = [gate.id for gate in GATES if gate.id.startswith("N-") and ended.verdict(gate.id) not in _HOLDS]
    assert failing == list(unclean), ended.summary["residue"]
    assert ended.summary["closure"] == ("UNCLEAN" if unclean else "CLEAN"), ended.summary["residue"]
    assert ended.exit_code == (EXIT_UNCLEAN if unclean else EXIT_FAIL)
    for gate in unclean:
        assert any(line.startswith(f"{gate} FAIL: ") for line in ended.summary["residue"])


_HOLDS = ("PASS", "NOT_APPLICABLE")


def assert_nothing_followed(ended: Ended, gate: str, step: str) -> None:
    """No step but the teardown began after the step in which the gate failed."""
    began = list(ended.state.steps_started)
    assert began[-1] == "C-13"
    if gate not in _CLOSING:
        assert began[-2] <= step, began


_CLOSING = {gate.id for gate in GATES if gate.closing}


def assert_gone(*paths: Path) -> None:
    """None of the paths exists."""
    left = [str(path) for path in paths if path.exists() or path.is_symlink()]
    assert not left, left
