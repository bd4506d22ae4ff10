"""Around every test of whole runs: nothing is left of them. And plays, which a module runs two at a time."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest
from fix_runs import Drydock, names_played, played_together
from leftovers import Machine, differences_after_patience, look


class _Watch:
    """The machine as it was before the test."""

    def __init__(self, drydock: Drydock) -> None:
        self._drydock = drydock
        self._before: Machine = look(drydock.root)

    def findings(self) -> list[str]:
        """Return what is left since the last look, and look from now on from here."""
        found, self._before = differences_after_patience(self._before, self._drydock.root)
        return found


@pytest.fixture(scope="session")
def watch(drydock: Drydock) -> _Watch:
    """The machine before the first run."""
    return _Watch(drydock)


@pytest.fixture(scope="module")
def plays(request: pytest.FixtureRequest, drydock: Drydock, watch: _Watch) -> dict[str, Future[Any]]:
    """What came of the module's PLAYS that the selected tests ask for, played two at a time."""
    wanted = names_played(request, "played")
    return played_together(drydock, {name: request.module.PLAYS[name] for name in wanted})


@pytest.fixture
def played(request: pytest.FixtureRequest, plays: dict[str, Future[Any]]) -> Any:
    """What came of one play of the module's PLAYS, named by the test's parameter."""
    return plays[request.param].result()


@pytest.fixture(autouse=True)
def nothing_is_left(watch: _Watch) -> Iterator[None]:
    """No process, socket, folder, account or mode is different after the test."""
    yield
    found = watch.findings()
    assert not found, "left behind:\n" + "\n".join(found)
