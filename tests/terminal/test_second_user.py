"""Two people at one run: a real second user of this machine, on the run's real socket."""

from __future__ import annotations

import contextlib
import grp
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from fix_runs import Drydock, Living
from fix_terminal import Terminal, answer

from console.cli import approve, status
from console.cli.main import main

Opens = Callable[..., Terminal]
Starts = Callable[..., Living]
NOBODY = 65534
GROUP = "games"
PRELOADED = (approve, status)
"""Loaded before the fork: the other user may not be able to read this checkout."""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users: run the tests as root")


def as_other(words: Sequence[str], *, groups: Sequence[int] = ()) -> tuple[int, str]:
    """Run a command of drydock as nobody; return its exit code and everything that it said."""
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        code = 99
        try:
            os.dup2(into, 1)
            os.dup2(into, 2)
            with (
                open(1, "w", closefd=False) as told,
                contextlib.redirect_stdout(told),
                contextlib.redirect_stderr(told),
            ):
                os.setgroups(list(groups))
                os.setgid(NOBODY)
                os.setuid(NOBODY)
                code = main(list(words))
        finally:
            os._exit(code)
    os.close(into)
    with os.fdopen(out) as said:
        heard = said.read()
    _pid, status_word = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status_word), heard


@pytest.fixture
def plan(drydock: Drydock) -> Path:
    """Return a plan whose second approver is of a group of this machine."""
    path = drydock.place("two").with_suffix(".toml")
    path.write_text(f'[boundaries]\napprovers = "{GROUP}"\n', "utf-8")
    return path


def test_a_second_user_must_approve(starts: Starts, opens: Opens, plan: Path, drydock: Drydock) -> None:
    """Letter and --approve are one approval each; only a member of the group, another uid, makes them two."""
    living = starts(str(plan), "--require-two", "--approve", "B-2")
    terminal = opens(living.folder)
    terminal.shows("B-1 waits for two people", "two different users", GROUP)
    answer(terminal, "B-1")
    terminal.shows("B-1 WAITS FOR A SECOND USER", "B-1 waits for a second user")
    terminal.press("b")
    words = ["--runs-dir", str(living.runs)]
    again = drydock.command(*living.approve_line("B-1")[1:])
    assert (again.exit_code, "has approved B-1 already" in again.stderr) == (2, True), again.stderr
    assert "no answer within" not in terminal.text
    told = drydock.command("status", living.folder.name, *words).stdout
    assert "waits for another user at B-1" in told and "approved by root (uid 0, socket)" in told

    member = [grp.getgrnam(GROUP).gr_gid]
    line = living.approve_line("B-1")[1:]
    code, said = as_other(line)
    assert (code, "the run belongs to root" in said) == (2, True), said
    code, said = as_other(["status", living.folder.name, *words], groups=member)
    assert (code, "execute this plan" in said, "approved by root" in said) == (0, True, True), said
    assert re.search(r"drydock approve \S+ B-1 --digest \w{12} --runs-dir", said)
    code, said = as_other(["abort", living.folder.name, *words], groups=member)
    assert code == 2, said
    assert living.state.abort is None
    code, said = as_other(line, groups=member)
    assert (code, "B-1 was approved" in said) == (0, True), said

    terminal.shows("B-2 WAITS FOR A SECOND USER")
    code, said = as_other(living.approve_line("B-2")[1:], groups=member)
    assert code == 0, said
    answer(terminal, "B-3", "abort")
    terminal.shows("■ ABORTED, CLEAN")
    decisions = living.finish().state.decisions
    pairs = {
        name: (made.first.uid, made.operator.uid)
        for name, made in decisions.items()
        if made.first and made.operator
    }
    assert pairs == {"B-1": (0, NOBODY), "B-2": (0, NOBODY)}
    report = (living.folder / "report.md").read_text("utf-8")
    assert report.count("first approved by root, uid 0") == 2
    assert [path for path in living.folder.rglob("*") if path.stat().st_mode & 0o077] == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "--require-two needs to know who the second person can be"),
        (
            '[boundaries]\napprovers = "no-such-group-here"\n',
            "this machine has no group 'no-such-group-here'",
        ),
        ('[boundaries]\napprovers = "a b"\n', "line 2: 'a b' is no name of a group"),
        ("[boundaries]\nrequire_two = true\n", "line 2: require_two needs the group"),
    ],
)
def test_without_a_second_person_nothing_begins(drydock: Drydock, text: str, sentence: str) -> None:
    """A plan in which nobody could be the second is one sentence and exit 2, and no run is made."""
    path = drydock.place("plan").with_suffix(".toml")
    path.write_text(text, "utf-8")
    runs = drydock.place("runs")
    said = drydock.command("run", str(path), "--headless", "--require-two", "--runs-dir", str(runs))
    assert (said.exit_code, sentence in said.stderr) == (2, True), said.stderr
    assert not list(runs.glob("2*"))
