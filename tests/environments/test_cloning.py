"""Whether a file system can share blocks, asked of a real one that cannot."""

from __future__ import annotations

import fcntl
import os
import tempfile
from pathlib import Path

import pytest

from console.environments.cloning import shares_blocks


def test_memory_cannot_share_blocks_and_nothing_is_left() -> None:
    """tmpfs refuses to clone a file, which is an answer and no error; the two files of the question are gone."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        assert shares_blocks(Path(folder)) is False
        assert os.listdir(folder) == []


def test_a_file_system_that_clones_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the kernel takes the request, the answer is yes."""
    monkeypatch.setattr(fcntl, "ioctl", lambda *_words: 0)
    assert shares_blocks(Path("/dev/shm")) is True
