"""Each helper of a declaration on real runs: the right subject passes, and each wrong one fails by name."""

from __future__ import annotations

import pytest
from fix_runs import Ended

SAYS = {
    "refusal swallowed": ("S2", "change_payload: it returned, and an exception is expected"),
    "looking writes": ("S3", "transactions with writes committed: 1, expected 0: "),
    "adds again": ("S1-again", "decision_backlog_entry changed by +1 rows, expected +0"),
    "half stays": (
        "S4",
        "it must roll back when it fails, and the transaction opened by",
    ),
    "the pack's own line": ("S3", "look: it raised LookupError: mine"),
}
LINES = {
    "looking writes": "small_agent/agent.py:41: with self.connect() as connection:",
    "half stays": "small_agent/agent.py:35: connection.execute(HISTORY, (uuid4(), entry))",
    "the pack's own line": 'pack.py:31: raise LookupError("mine")',
}


def test_the_right_subject_passes(small_runs: dict[str, Ended]) -> None:
    """Declared in Python alone, with a replay of its own and two induced faults, the pack passes CLEAN."""
    ended = small_runs["right"]
    assert ended.outcome == (0, "PASS", "CLEAN", None)
    assert list(ended.state.scenarios) == ["S1", "S1-again", "S2", "S3", "S4", "S5"]
    assert {one.verdict for one in ended.state.scenarios.values()} == {"PASS"}


@pytest.mark.parametrize("name", SAYS)
def test_a_wrong_subject_fails_by_name(small_runs: dict[str, Ended], name: str) -> None:
    """The verdict is FAIL at the helper's scenario, and a sentence says what did not hold."""
    ended = small_runs[name]
    place, says = SAYS[name]
    assert (ended.said.exit_code, ended.summary["failed_scenario"]) == (1, place), ended.said.stderr[-3000:]
    assert any(says in finding for finding in ended.state.scenarios[place].findings)


@pytest.mark.parametrize("name", LINES)
def test_the_users_own_line_is_shown(small_runs: dict[str, Ended], name: str) -> None:
    """File, number and text of the line stand in the narration, in both reports and in the JSON."""
    ended = small_runs[name]
    line = f"your line: {LINES[name]}"
    assert line in ended.state.scenarios[SAYS[name][0]].findings, ended.state.scenarios[SAYS[name][0]]
    assert line in ended.said.stderr
    for report in ("report.md", "report.html", "report.json"):
        words = LINES[name].partition(": ")[0]
        assert words in (ended.folder / report).read_text("utf-8"), report
