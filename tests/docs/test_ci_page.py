"""docs/ci.md: its workflows are YAML of the right shape, and every command in them is one that the program takes."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pages import CHECKOUT, blocks, parsers

from console.cli.run import approvals
from console.plans.file import read_plan_file

PAGE = CHECKOUT / "docs" / "ci.md"
_WORKFLOW = re.compile(r"^<!-- workflow: (\w+) -->\n```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BOUNDARIES = {f"B-{number}": "" for number in range(1, 6)}


def workflows() -> dict[str, Any]:
    """Return each workflow of the page, parsed."""
    return {name: yaml.safe_load(text) for name, text in _WORKFLOW.findall(PAGE.read_text("utf-8"))}


def scripts(name: str, workflow: Any) -> Iterator[str]:
    """Yield the shell scripts of a workflow."""
    if name == "gitlab":
        for part in ("before_script", "script", "after_script"):
            yield from workflow["rehearse"][part]
        return
    yield from (step["run"] for step in workflow["jobs"]["rehearse"]["steps"] if "run" in step)


def commands(name: str) -> list[list[str]]:
    """Return the words of each drydock command of a workflow."""
    lines = [line for script in scripts(name, workflows()[name]) for line in script.splitlines()]
    return [shlex.split(line.partition(" > ")[0])[1:] for line in lines if line.startswith("drydock ")]


def test_both_are_there() -> None:
    """Every yaml block of the page is a workflow that is tested here."""
    assert sorted(workflows()) == ["github", "gitlab"]
    assert len(blocks(PAGE, "yaml")) == 2


@pytest.mark.parametrize("name", ["github", "gitlab"])
def test_every_command_is_parsed_by_the_real_parser(name: str) -> None:
    """A wrong command, option or boundary is found; a run, its verification and a recovery are there."""
    known = parsers()
    found = commands(name)
    assert [words[0] for words in found] == ["run", "verify", "recover"]
    for verb, *words in found:
        known[verb].parse_args(words)
    given = known["run"].parse_args(found[0][1:])
    assert (given.headless, given.json, str(given.plan)) == (True, True, "rehearsal.toml")
    assert approvals(given.approve, given.supervise, BOUNDARIES) == tuple(BOUNDARIES)


@pytest.mark.parametrize("words", ["run --aprove all", "run --approve", "verify --format x", "recover a b"])
def test_a_wrong_command_would_be_found(words: str) -> None:
    """The parsers refuse what does not exist."""
    verb, *rest = words.split()
    with pytest.raises((SystemExit, argparse.ArgumentError)):
        parsers()[verb].parse_args(rest)


@pytest.mark.parametrize("name", ["github", "gitlab"])
def test_scripts_are_shell(name: str) -> None:
    """A script with a syntax error is found."""
    for script in scripts(name, workflows()[name]):
        done = subprocess.run(["sh", "-n"], input=script, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_reports_are_uploaded_whatever_happens() -> None:
    """Both keep the JUnit report also of a run that failed."""
    found = workflows()
    upload = found["github"]["jobs"]["rehearse"]["steps"][-1]
    assert upload["if"] == "${{ always() }}"
    assert "runs/*/report.junit.xml" in upload["with"]["path"]
    assert found["gitlab"]["rehearse"]["artifacts"]["reports"]["junit"] == "runs/*/report.junit.xml"
    assert found["gitlab"]["rehearse"]["artifacts"]["when"] == "always"


@pytest.mark.parametrize("block", blocks(PAGE, "toml"))
def test_its_plan_files_are_read(block: str, tmp_path: Path) -> None:
    """A key that does not exist, or a value that is refused, is found."""
    path = tmp_path / "plan.toml"
    path.write_text(block, encoding="utf-8")
    read_plan_file(path)
