"""What CI runs is what README.md prints, and a skipped test is a failure there."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
RUN = CHECKOUT / ".ci" / "run"


def script(name: str) -> ModuleType:
    """Import one script of .ci."""
    spec = importlib.util.spec_from_file_location(f"ci_{name}", CHECKOUT / ".ci" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def report(*cases: str) -> str:
    """Return a JUnit report with some test cases."""
    return f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>"


PASSED = '<testcase classname="tests.a" name="b"/>'
SKIPPED = '<testcase classname="tests.a" name="c"><skipped message="no docker"/></testcase>'


def test_ci_runs_the_commands_of_the_readme() -> None:
    """CI takes both commands from the page and has none of its own."""
    text = RUN.read_text(encoding="utf-8")
    assert 'bash -eu -c "$demo"' in text
    assert 'bash -eu -c "$tests"' in text
    assert "pip install" not in text
    assert "-m pytest" not in text
    assert os.access(RUN, os.X_OK)


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        ("demo", ".venv/bin/drydock run --headless --approve all"),
        ("test", ".venv/bin/python -m pytest -n 2 --dist loadfile"),
    ],
)
def test_a_command_sets_up_and_does_its_job(name: str, ending: str) -> None:
    """Each of the two commands makes its own environment, installs by hash, and ends with its job."""
    command = script("readme_command").command(name, README)
    steps = command.split(" && ")
    assert steps[0] == "python3 -m venv .venv"
    assert any("--require-hashes" in step for step in steps)
    assert steps[-1] == ending


def test_a_missing_command_is_found() -> None:
    """A page without its marker, or with a command on two lines, stops CI."""
    command = script("readme_command").command
    for page in (
        "",
        README.replace("command: test", "command: tests"),
        "<!-- command: test -->\n```sh\na\nb\n```\n",
    ):
        with pytest.raises(ValueError, match="0 one-line commands called test"):
            command("test", page)


@pytest.mark.parametrize(
    ("cases", "allowed", "expected"),
    [
        ((PASSED,), "# none\n", []),
        ((PASSED, SKIPPED), "", ["tests.a::c was skipped: no docker"]),
        ((PASSED, SKIPPED), "tests.a::c  # docker comes later\n", []),
        ((PASSED,), "tests.a::c\n", ["tests.a::c is on the list and was not skipped: take it off"]),
        ((), "", ["no test ran"]),
    ],
)
def test_skips_are_complaints(cases: tuple[str, ...], allowed: str, expected: list[str]) -> None:
    """A skip that nobody allowed, a stale permission and an empty suite each have their sentence."""
    assert script("skips").complaints(report(*cases), allowed) == expected


def test_a_real_skip_fails(tmp_path: Path) -> None:
    """What pytest itself writes of a skipped and of an expected failure makes the script end with 1."""
    (tmp_path / "test_it.py").write_text(
        "import pytest\ndef test_a(): pytest.skip('x')\n@pytest.mark.xfail\ndef test_b(): assert 0\n"
    )
    junit = tmp_path / "junit.xml"
    words = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        f"--junitxml={junit}",
        str(tmp_path),
    ]
    subprocess.run(words, cwd=tmp_path, check=True, capture_output=True)
    done = subprocess.run(
        [sys.executable, str(CHECKOUT / ".ci" / "skips.py"), str(junit), os.devnull],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["test_it::test_a was skipped: x", "test_it::test_b was skipped: "]


def test_the_list_of_skips_is_empty() -> None:
    """Nothing may be skipped today."""
    lines = (CHECKOUT / ".ci" / "skips.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []
