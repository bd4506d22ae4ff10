"""The stage of every break: skipped, and loudly, where the tests cannot touch other users' things."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from driver import Stage, stage

sys.path.append(str(Path(__file__).parent.with_name("docker")))

from fix_engine import engine, images, production, protected, setting

__all__ = ["engine", "images", "production", "protected", "setting"]


@pytest.fixture(name="scene")
def _scene() -> Iterator[Stage]:
    """A folder to break things in."""
    if os.geteuid() != 0:
        pytest.skip("breaks reach into servers of other users: run them as root, as CI does")
    with stage() as made:
        yield made
