"""docs/tutorial.md is true: its commands, run in their order in an empty folder, do what the page says."""

from __future__ import annotations

import re
import shlex

from fix_runs import Drydock
from pages import CHECKOUT, blocks

PAGE = CHECKOUT / "docs" / "tutorial.md"
_BOOKED = re.compile(
    r"        connection\.execute\(\n            \"INSERT INTO pgbench_history.*?\n        \)\n", re.DOTALL
)
_BLOCK = "    with connection.transaction():\n"


def test_the_tutorial_is_what_happens(drydock: Drydock) -> None:
    """A command of the page fails, the drafted rehearsal does not pass, or the page's defect is not caught."""
    commands = [
        line for block in blocks(PAGE, "sh") for line in block.splitlines() if line.startswith("drydock")
    ]
    init, check, first_run, second_run, *reading = commands
    assert first_run == second_run
    assert drydock.command(*shlex.split(init)[1:]).exit_code == 0
    checked = drydock.command(*shlex.split(check)[1:])
    assert (checked.exit_code, "nothing wrong" in checked.stdout) == (0, True), checked
    passed = drydock.command(*shlex.split(first_run)[1:])
    assert passed.exit_code == 0, passed.stderr
    for shown in blocks(PAGE, "text")[0].splitlines():
        assert shown in passed.stderr.splitlines()
    subject = drydock.root / "first" / "subject" / "teller" / "__init__.py"
    (defect,) = blocks(PAGE, "python")
    text = subject.read_text("utf-8")
    assert len(_BOOKED.findall(text)) == text.count(_BLOCK) == 1
    subject.write_text(_BOOKED.sub("", text).replace(_BLOCK, defect + _BLOCK), "utf-8")
    failed = drydock.command(*shlex.split(second_run)[1:])
    assert failed.exit_code == 1, failed.stderr
    assert "✗ S2 FAIL" in failed.stderr
    assert "committed" in failed.stderr
    for line in reading:
        if line != "drydock browse":  # the screen has tests of its own
            assert drydock.command(*shlex.split(line)[1:]).exit_code in (0, 1)
