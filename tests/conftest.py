"""What every test sees: which PostgreSQL and which driver it ran with, and the fixtures of real runs."""

from __future__ import annotations

import os

import psycopg
import pytest
from fix_places import cache_for_tests
from fix_runs import drydock, pass_runs

from console.environments.programs import find_programs, wheel_majors

__all__ = ["drydock", "pass_runs"]


def pytest_configure() -> None:
    """Keep what clusters are copied from away from the user's own cache folder."""
    os.environ["DRYDOCK_CACHE_DIR"] = str(cache_for_tests())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the full matrices to their own command, `-m matrix`: every run plays a part of each already."""
    if "matrix" in config.option.markexpr:
        return
    whole = [item for item in items if item.get_closest_marker("matrix")]
    if whole:
        config.hook.pytest_deselected(items=whole)
        items[:] = [item for item in items if item not in whole]


def pytest_report_header(config: pytest.Config) -> str:
    """Say which real programs the tests use."""
    versions = ", ".join(find_programs(major).version for major in wheel_majors())
    return f"PostgreSQL of the wheel: {versions}; psycopg {psycopg.__version__} ({psycopg.pq.__impl__})"
