"""Whose lines of the server's log are the engine's own, where the kernel gives a pid anew."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from console.engine import rehearsing
from console.engine.witnessing import Witnessing
from console.model.trace import ServerLine


def line(user: str, pid: int) -> ServerLine:
    """Return a statement in the server's log."""
    return ServerLine(
        at=1.0, pid=pid, session="s", line=1, user=user, database="d", application="", kind="statement",
        severity="LOG", sql="SELECT 1",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("user", "pid", "kept"),
    [
        ("writer", 7, True),
        ("writer", 8, True),
        ("postgres", 7, False),
        ("keeper", 7, False),
        ("postgres", 8, True),
    ],
)
def test_a_session_of_the_subjects_is_never_the_engines(user: str, pid: int, kept: bool) -> None:
    """Pid 7 was a session of the engine's, which logs in as the superuser or the owner and as nobody else."""
    read = [line(user, pid)]
    run: Any = SimpleNamespace(
        server=SimpleNamespace(read=lambda _scenario: SimpleNamespace(lines=read, irregularities=[])),
        the_environment=lambda: SimpleNamespace(engine_pids={7}), the_trace=lambda: SimpleNamespace(append=_nothing),
        registry=SimpleNamespace(secret_in=lambda _text: None),
        loaded=SimpleNamespace(
            privileges=SimpleNamespace(roles={"writer": None, "keeper": None}), pack=SimpleNamespace(owner="keeper")
        ),
    )  # fmt: skip
    nothing: Any = None
    witnessing = Witnessing(connection=nothing, closing=nothing)
    run.the_witnessing = lambda: witnessing
    rehearsing._read_until(run, "S1", lambda _lines: True, "nothing")
    assert witnessing.lines == (read if kept else [])


def _nothing(*_lines: object, **_words: object) -> None:
    """Take no note."""
