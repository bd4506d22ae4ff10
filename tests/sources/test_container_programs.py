"""The shell program that runs pg_dump inside a container, with shells of this machine and a pg_dump that is told."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from console.sources.container_programs import DUMP

PATIENCE_S = 10.0
SHELLS = [name for name in ("dash", "bash") if shutil.which(name)]


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder whose pg_dump writes its password and pid to stderr and then does what its first word says."""
    written(tmp_path / "pg_dump", 'read -r word; echo "$word $$" >&2; eval "$1"')
    return tmp_path


def written(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def started(shell: str, programs: Path, does: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [shell, "-c", DUMP, "drydock", does],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={"PATH": f"{programs}:{os.defpath}"},
    )  # fmt: skip


def heard(child: subprocess.Popen[bytes]) -> tuple[int, bytes, str]:
    """Give the password, keep stdin open and read to the end: exit code, stdout and stderr."""
    assert child.stdin and child.stdout and child.stderr
    child.stdin.write(b"secret\n")
    child.stdin.flush()
    out, err = child.stdout.read(), child.stderr.read().decode()
    code = child.wait(PATIENCE_S)
    child.stdin.close()
    child.stdout.close()
    child.stderr.close()
    return code, out, err


@pytest.mark.parametrize("code", [0, 1, 3])
def test_the_exit_code_is_pg_dumps(shell: str, programs: Path, code: int) -> None:
    """What pg_dump wrote comes whole, its password came first, and its exit code is the program's."""
    found, out, err = heard(started(shell, programs, f"head -c 300001 /dev/zero; exit {code}"))
    assert (code, bytes(300_001)) == (found, out)
    assert err.startswith("secret ")


def test_what_could_not_be_passed_on_is_no_success(shell: str, programs: Path) -> None:
    """A pg_dump that was content is not enough where what gathers its bytes was killed after it."""
    written(programs / "dd", "sleep 0.5; kill -KILL $$")
    code, out, err = heard(started(shell, programs, "printf x"))
    assert (code, out) == (74, b"")
    assert "what pg_dump wrote could not be passed on" in err


def test_whoever_gathers_ends_pg_dump_with_it(shell: str, programs: Path) -> None:
    """A pg_dump whose bytes nobody takes ends with the signal for that."""
    written(programs / "dd", "kill -KILL $$")
    code, out, _err = heard(started(shell, programs, "sleep 0.3; exec cat /dev/zero"))
    assert (code, out) == (141, b"")


def test_without_dd_the_bytes_come_too(shell: str, programs: Path) -> None:
    """An image that has no dd passes pg_dump's own pieces on."""
    for name in ("cat", "sh", "head"):
        (programs / name).symlink_to(shutil.which(name) or "")
    child = subprocess.Popen(
        [shutil.which(shell) or "", "-c", DUMP, "drydock", "head -c 9000 /dev/zero"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={"PATH": str(programs)},
    )  # fmt: skip
    code, out, _err = heard(child)
    assert (0, bytes(9000)) == (code, out)


@pytest.mark.parametrize("does", ["exec sleep 600", "exec cat /dev/zero"])
@pytest.mark.parametrize("word", [b"", b"end\n"])
def test_the_end_of_the_stream_ends_everything(shell: str, programs: Path, does: str, word: bytes) -> None:
    """A pg_dump that waits and one whose bytes nobody reads end with the stream, and what gathers them ends, too."""
    child = started(shell, programs, does)
    assert child.stdin and child.stdout and child.stderr
    child.stdin.write(b"secret\n")
    child.stdin.flush()
    pid = int(child.stderr.readline().split()[1])
    if "cat" in does:
        assert child.stdout.read(1) == b"\0"
    child.stdin.write(word)
    child.stdin.close()
    assert child.wait(PATIENCE_S) == 143
    # Both pipes have no writer any more: nothing that the program started is left.
    child.stdout.read()
    child.stderr.read()
    assert not Path(f"/proc/{pid}").exists()
    child.stdout.close()
    child.stderr.close()


def test_a_stream_that_says_nothing_starts_nothing(shell: str, programs: Path) -> None:
    """Without a first line there is no pg_dump."""
    child = started(shell, programs, "echo started")
    assert child.communicate(timeout=PATIENCE_S) == (b"", b"")
    assert child.returncode == 125
