"""One target cluster for all proofs of a session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from targets import Target, made_target


@pytest.fixture(scope="session")
def template() -> Iterator[Target]:
    """The cluster with the template database; a test changes only a database of its own."""
    with made_target() as target:
        yield target
