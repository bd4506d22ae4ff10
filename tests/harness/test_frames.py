"""Whose frames are told as callers, and that remembering them tells nothing wrong."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from console.harness import frames
from console.harness.frames import MOST_CALLERS, OwnFrames


def callers_of(own: OwnFrames, source: str, name: str) -> str:
    """Return what `own` tells when code of this source, in a file of this name, asks for its callers."""
    space: dict[str, Any] = {"ask": lambda: own.callers_json(sys._getframe(1))}
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


CALLED_FROM_ELSEWHERE = """
def f(deeper):
    a = [ask()]
    b = g() if deeper else []
    return [*a, *b, ask()]
def g():
    return f(False)
told = ' '.join(f(True) + g() + f(True))
"""


def test_each_call_of_a_function_is_told_with_its_own_callers(tmp_path: Path) -> None:
    """What was remembered of one call is told of no later one and of no other that runs meanwhile."""
    deeper = [
        '"f(3)","main(8)"',
        '"f(3)","g(7)","f(4)","main(8)"',
        '"f(5)","g(7)","f(4)","main(8)"',
        '"f(5)","main(8)"',
    ]
    told = callers_of(OwnFrames(str(tmp_path)), CALLED_FROM_ELSEWHERE, f"{tmp_path}/m.py")
    short = told.replace("<module>", "main").replace(" (m.py:", "(")
    assert short.split() == [*deeper, '"f(3)","g(7)","main(8)"', '"f(5)","g(7)","main(8)"', *deeper]


RESUMED = """
def answers():
    while True:
        yield ask()
def first():
    return next(running)
def second():
    return next(running)
running = answers()
told = ' '.join([first(), second(), first()])
"""


def test_a_generator_is_told_with_who_resumed_it(tmp_path: Path) -> None:
    """Its callers are others with every value, at the same instruction."""
    told = callers_of(OwnFrames(str(tmp_path)), RESUMED, f"{tmp_path}/m.py")
    callers = [
        f'"answers (m.py:4)","{who}' for who in ("first (m.py:6)", "second (m.py:8)", "first (m.py:6)")
    ]
    assert told.split('","<module> (m.py:10)"') == [callers[0], f" {callers[1]}", f" {callers[2]}", ""]


TRACED = """
import sys
seen = []
def tracing(frame, event, _):
    seen.append(event)
    return tracing
def f():
    ask()
    return [ask() for _ in range(3)][-1]
before = sys.gettrace()
f()
sys.settrace(tracing)
told = f()
sys.settrace(before)
"""


def test_who_traces_the_subject_is_left_in_peace(tmp_path: Path) -> None:
    """A debugger's function stays in the frames, sees every line, and callers are told as ever."""
    own = OwnFrames(str(tmp_path))
    seen: dict[str, Any] = {"ask": lambda: own.callers_json(sys._getframe(1))}
    exec(compile(TRACED, f"{tmp_path}/m.py", "exec"), seen)
    assert seen["told"].endswith('"f (m.py:9)","<module> (m.py:13)"')
    assert seen["seen"].count("line") >= 4


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
