"""Productions that the tests own, and nothing of them afterwards."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dumps import Dump, take_dump
from fix_places import place_for_clusters
from productions import Production, made_production


@pytest.fixture
def make_production() -> Iterator[Callable[[int], Production]]:
    """Make productions of a major version; they are gone after the test."""
    made: list[Production] = []

    def make(major: int = 16) -> Production:
        made.append(made_production(major))
        return made[-1]

    yield make
    for production in made:
        production.cluster.stop()
        shutil.rmtree(production.folder)


@pytest.fixture
def production(make_production: Callable[[int], Production]) -> Production:
    """One production on PostgreSQL 16."""
    return make_production(16)


@pytest.fixture(scope="session")
def dumps() -> Iterator[dict[str, Dump]]:
    """Dumps of the demo on PostgreSQL 16, plain and archive; production itself is gone by then."""
    production = made_production(16)
    folder = Path(tempfile.mkdtemp(prefix="ddd-", dir=place_for_clusters()))
    try:
        made = {
            "plain": take_dump(production, folder),
            "archive": take_dump(production, folder, "--format=custom", name="demo.dump"),
        }
        production.execute(
            "CREATE FUNCTION public.f() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'",
            "CREATE EVENT TRIGGER watching ON ddl_command_end EXECUTE FUNCTION public.f()",
        )
        made["watching archive"] = take_dump(production, folder, "--format=custom", name="watching.dump")
    finally:
        production.cluster.stop()
        shutil.rmtree(production.folder)
    yield made
    shutil.rmtree(folder)
