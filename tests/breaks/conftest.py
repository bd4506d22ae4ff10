"""The stage of every break: skipped, and loudly, where the tests cannot touch other users' things."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from driver import Stage, stage


@pytest.fixture(name="scene")
def _scene() -> Iterator[Stage]:
    """A folder to break things in."""
    if os.geteuid() != 0:
        pytest.skip("breaks reach into servers of other users: run them as root, as CI does")
    with stage() as made:
        yield made
