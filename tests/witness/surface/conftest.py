"""The laboratory of the surface suite: one cluster for all its tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from measure import Laboratory, laboratory  # noqa: E402 - its folder is on the path only now


@pytest.fixture(scope="session")
def lab() -> Iterator[Laboratory]:
    """A disposable PostgreSQL 16 with the suite's schema."""
    with laboratory() as running:
        yield running


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the full suite (a minute) to `-m matrix`; the sampled part always runs."""
    if "matrix" in config.option.markexpr:
        return
    full = [item for item in items if item.path.parent == HERE and item.get_closest_marker("matrix")]
    if full:
        config.hook.pytest_deselected(items=full)
        items[:] = [item for item in items if item not in full]
