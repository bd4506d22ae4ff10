"""What belongs to a scenario and its attempts: rivals told apart, reports joined with their windows."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from console.model.pack import Rival
from console.model.trace import ClientStatement, ServerLine
from console.witness.client_statements import Window
from console.witness.scenario_evidence import attempt_reports, rival_pids


@pytest.mark.parametrize(
    ("callers", "application", "text", "rivals"),
    [
        ((), "drydock-rival", "SELECT 1", {77}),
        (("find (a.py:1)",), "drydock-rival", "SELECT 1", set()),
        ((), "", "SELECT 1", set()),
        ((), "drydock-rival", "SELECT 2", set()),
    ],
    ids=["the pack's", "a subject under its name", "another name", "another statement"],
)
def test_rivals(callers: tuple[str, ...], application: str, text: str, rivals: set[int]) -> None:
    """A session is a rival's without the name, the pack's first statement and declared texts only."""
    sent = ClientStatement(
        n=1, pid=77, principal="cutter_exec", scenario="S4", attempt="", phase="", sql="SELECT 1",
        sent_at=2.0, callers=callers,
    )  # fmt: skip
    logged = ServerLine(
        at=2.0, pid=77, session="b", line=2, user="cutter_exec", database="d", application=application,
        kind="statement", severity="LOG",
    )  # fmt: skip
    later = msgspec.structs.replace(sent, n=2, callers=("find (a.py:1)",), sql=text)
    declared = [Rival(scenario="S4", role="cutter_exec", statements=("SELECT 1",))]
    assert rival_pids([logged], [sent, later], declared) == rivals


def test_reports_have_their_windows() -> None:
    """A reply's attempt has the window that the trace holds for it, and none when there is none."""
    told: list[dict[str, Any]] = [
        {"name": "mark", "outcome": "returned", "type": "", "frames": []},
        {"name": "b", "outcome": "raised"},
    ]
    windows = [
        Window(scenario="S3", attempt="mark", began_at=1.0, ended_at=2.0),
        Window(scenario="S4", attempt="mark", began_at=3.0, ended_at=4.0),
    ]
    found = attempt_reports("S4", told, windows)
    assert [(it.name, it.began_at, it.ended_at) for it in found] == [("mark", 3.0, 4.0), ("b", None, None)]


def test_malformed_reply_is_refused() -> None:
    """A reply of another shape is an error and no empty report."""
    with pytest.raises(msgspec.ValidationError):
        attempt_reports("S4", [{"name": "mark"}], [])
