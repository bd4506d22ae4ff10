"""The mirrored witness of the docker environment, over a relay that reads a file of this machine."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, cast

import pytest

from console.environments.docker_agent import MOST_READ_BYTES
from console.environments.docker_mirror import Mirror, MirroredTrace
from console.environments.docker_relay import Relay

OPEN = {"e": "open", "c": 1, "pid": 7, "user": "u", "at": 1.0}


class NearRelay:
    """Reads what the agent in a container would."""

    def read(self, path: str, offset: int) -> tuple[dict[str, Any], bytes]:
        """Return the file's identity and size, and its bytes from `offset`."""
        descriptor = os.open(path, os.O_RDONLY)
        try:
            found = os.fstat(descriptor)
            told = {"identity": f"{found.st_dev}:{found.st_ino}", "size": found.st_size}
            return told, os.pread(descriptor, MOST_READ_BYTES, offset)
        finally:
            os.close(descriptor)


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """Return the file in the container."""
    return tmp_path / "remote"


@pytest.fixture
def trace(tmp_path: Path, remote: Path) -> MirroredTrace:
    """Return its mirrored reader."""
    relay = cast(Relay, NearRelay())
    return MirroredTrace(
        Mirror(relay, remote=str(remote), local=tmp_path / "client.jsonl", written_ahead=True)
    )


def test_a_trace_that_is_written_ahead_is_mirrored_as_it_fills(remote: Path, trace: MirroredTrace) -> None:
    """What was reserved is neither copied nor passed over, until the end, when both files are the same."""
    line = json.dumps(OPEN).encode() + b"\n"
    for lines in (line, line * 2):
        remote.write_bytes(lines + b"\0" * 5000)
        trace.drain()
        assert trace.path.read_bytes() == lines
    assert len(trace.sessions) == 2
    trace.finish()
    assert trace.path.read_bytes() == remote.read_bytes()
    assert trace.irregularities == ["line 2 opens connection 1, which is open"]


def test_lines_behind_the_end_come_too(remote: Path, trace: MirroredTrace) -> None:
    """What somebody wrote behind the NULs is told at the end."""
    line = json.dumps(OPEN).encode() + b"\n"
    remote.write_bytes(line + b"\0" * 5000 + line)
    trace.drain()
    trace.finish()
    behind = f"the trace goes on at byte {len(line) + 5000}, behind its end at {len(line)}"
    assert trace.irregularities == [behind]


def test_a_sparse_file_is_not_brought_here(remote: Path, trace: MirroredTrace) -> None:
    """A terabyte of NULs is told, not copied."""
    remote.write_bytes(json.dumps(OPEN).encode() + b"\n")
    os.truncate(remote, 1 << 40)
    trace.drain()
    trace.finish()
    assert trace.path.stat().st_size < 2 * MOST_READ_BYTES
    assert "bytes longer than its lines" in trace.irregularities[0]
