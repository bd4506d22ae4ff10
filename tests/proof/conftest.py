"""One target cluster of each major version for all proofs of a session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from targets import Target, made_target


@pytest.fixture(scope="session")
def template() -> Iterator[Target]:
    """The cluster with the template database; a test changes only a database of its own."""
    with made_target() as target:
        yield target


@pytest.fixture(scope="session")
def newest() -> Iterator[Target]:
    """The same on PostgreSQL 18."""
    with made_target(18) as target:
        yield target


@pytest.fixture(scope="session", params=("template", "newest"), ids=("16", "18"))
def each_major(request: pytest.FixtureRequest) -> Target:
    """Both, one after the other."""
    found: Target = request.getfixturevalue(request.param)
    return found
