"""What the probe from inside says when it could not try: nothing that passes for an answer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from console.environments import docker_bootstrap
from console.environments.docker_isolation import reached
from console.errors import StepFailed

ASKED = {"addresses": ["127.0.0.1"], "ports": [9], "targets": [], "names": ["localhost"], "patience_s": 1.0}
PROGRAM = Path(docker_bootstrap.__file__).read_text("utf-8")


def told_by(program: str) -> subprocess.CompletedProcess[str]:
    """Run the program that a container runs, here, where only the loopback is asked."""
    return subprocess.run(
        [sys.executable, "-I", "-c", program], input=json.dumps(ASKED) + '\n["/bin/true"]\n', capture_output=True,
        text=True, check=False, timeout=60,
    )  # fmt: skip


def broken(function: str) -> str:
    """Return the program with one of its functions raising."""
    assert f"def {function}(" in PROGRAM
    head, main = PROGRAM.split('if __name__ == "__main__":')
    return f"{head}\ndef {function}(*_):\n    raise RuntimeError('no thread')\n\nif True:{main}"


def test_a_probe_that_tried_is_understood() -> None:
    """The shape of the answer is not the one that is read."""
    told = json.loads(told_by(PROGRAM).stdout)
    found = reached(ASKED, told, database="copy")
    assert found["name localhost"] is True
    assert "address 127.0.0.1" in found


@pytest.mark.parametrize("function", ["answering", "resolved"])
def test_a_probe_that_could_not_try_is_no_answer(function: str) -> None:
    """Addresses or names that nobody tried count as not reached."""
    said = told_by(broken(function))
    if said.stdout:
        with pytest.raises(StepFailed, match="said nonsense") as wrong:
            reached(ASKED, json.loads(said.stdout), database="copy")
        assert wrong.value.gate == "G-07"
    else:
        assert said.returncode != 0
