"""When the log of a restore is whole: several sessions of one client, of which some begin late."""

from __future__ import annotations

import pytest

from console.engine.copying import restore_is_over
from console.engine.witnessing import Mark
from console.model.trace import ServerLine

MARK = Mark(pid=9, token="drydock mark 0123456789abcdef")


def line(pid: int, kind: str, user: str = "owner", sql: str = "") -> ServerLine:
    """Return one line of the log."""
    return ServerLine(
        at=1.0, pid=pid, session=str(pid), line=1, user=user, database="d", application="a", kind=kind,
        severity="LOG", sql=sql,
    )  # fmt: skip


FIRST = [line(1, "connection"), line(1, "disconnection")]
SECOND = [line(2, "connection"), line(2, "error"), line(2, "disconnection")]
LEFT = line(9, "statement", user="postgres", sql=f"SELECT '{MARK.token}' AS mark")


@pytest.mark.parametrize(
    ("lines", "over"),
    [
        ([*FIRST], False),
        ([*FIRST, SECOND[0], LEFT, SECOND[1]], False),
        ([*FIRST, SECOND[0], LEFT, *SECOND[1:]], True),
        ([*FIRST, *SECOND, LEFT], True),
        ([LEFT], False),
        ([*FIRST, line(8, "statement", user="owner", sql=LEFT.sql)], False),
    ],
    ids=[
        "unmarked",
        "a session goes on",
        "ends after the mark",
        "all before",
        "nobody came",
        "somebody else's mark",
    ],
)
def test_a_restore_is_over(lines: list[ServerLine], over: bool) -> None:
    """The end of the sessions that were seen so far says nothing of one whose lines are still on their way."""
    assert restore_is_over(lines, MARK, owner="owner") is over
