"""Whose frames are told as callers, and that remembering them tells nothing wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from console.harness import frames
from console.harness.frames import MOST_CALLERS, OwnFrames


def callers_of(own: OwnFrames, source: str, name: str) -> str:
    """Return what `own` tells when code of this source, in a file of this name, asks for its callers."""
    space: dict[str, Any] = {"ask": lambda: own.callers_json(1)}
    exec(compile(source, name, "exec"), space)
    told: str = space["told"]
    return told


def test_the_line_is_the_present_one_each_time(tmp_path: Path) -> None:
    """Two calls in one function are told with a line each, in a loop too."""
    own = OwnFrames(str(tmp_path))
    source = "def f():\n    for _ in range(3):\n        a = ask()\n        b = ask()\n    return f'{a} {b}'\ntold = f()"
    assert callers_of(own, source, f"{tmp_path}/m.py") == (
        '"f (m.py:3)","<module> (m.py:6)" "f (m.py:4)","<module> (m.py:6)"'
    )


@pytest.mark.parametrize("most", [10_000, 3])
def test_code_that_comes_and_goes_is_never_taken_for_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """A new function at the place in memory of one that is gone is told by its own name, remembered or not."""
    monkeypatch.setattr(frames, "_MOST_REMEMBERED", most)
    own = OwnFrames(str(tmp_path))
    for number in range(300):
        source = f"def f{number}():\n    return ask()\ntold = f{number}()\n"
        expected = f'"f{number} (m.py:2)","<module> (m.py:3)"'
        assert callers_of(own, source, f"{tmp_path}/m.py") == expected
        assert callers_of(own, source, "/elsewhere/m.py") == ""


def test_only_the_nearest_are_told(tmp_path: Path) -> None:
    """A deep recursion tells as many callers as are kept, nearest first."""
    source = "def f(n):\n    return f(n - 1) if n else ask()\ntold = f(50)\n"
    told = callers_of(OwnFrames(str(tmp_path)), source, f"{tmp_path}/m.py")
    assert told.split(",") == ['"f (m.py:2)"'] * MOST_CALLERS
