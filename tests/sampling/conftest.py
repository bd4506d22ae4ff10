"""One production a major version for all tests of this folder; a test that changes it puts it back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from shop import Shop, made_shop, remove_shop


@pytest.fixture(scope="session", params=[16, 18], ids=["pg16", "pg18"])
def shop(request: pytest.FixtureRequest) -> Iterator[Shop]:
    """Yield a production with a shop in it."""
    made = made_shop(request.param)
    try:
        yield made
    finally:
        remove_shop(made)
