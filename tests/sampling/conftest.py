"""One production a major version for all tests of this folder; a test that changes it puts it back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from shop import Shop, made_shop, remove_shop

MAJORS = [pytest.param(16, marks=pytest.mark.matrix, id="pg16"), pytest.param(18, id="pg18")]
"""Every run of the suite plays the newer one, whose pg_dump could take statistics along; the matrix plays both."""


@pytest.fixture(scope="session", params=MAJORS)
def shop(request: pytest.FixtureRequest) -> Iterator[Shop]:
    """Yield a production with a shop in it."""
    made = made_shop(request.param)
    try:
        yield made
    finally:
        remove_shop(made)
