"""Runs that wait for their operator, and terminals that are closed when the test is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fix_runs import Drydock, Living
from fix_terminal import Terminal

Opens = Callable[..., Terminal]


@pytest.fixture
def opens() -> Iterator[Opens]:
    """Open the screen of a run in a terminal of its own."""
    opened: list[Terminal] = []

    def open_one(folder: Path, **words: object) -> Terminal:
        opened.append(Terminal.on_run(folder, **words))  # type: ignore[arg-type]
        return opened[-1]

    yield open_one
    for terminal in opened:
        terminal.close()


@pytest.fixture
def starts(drydock: Drydock) -> Iterator[Callable[..., Living]]:
    """Start a run without a screen; what still waits at the end is aborted and waited for."""
    started: list[Living] = []

    def start(*words: str) -> Living:
        started.append(drydock.start(*words))
        return started[-1]

    yield start
    for living in started:
        if living.process.poll() is None:
            drydock.command("abort", living.folder.name, "--runs-dir", str(living.runs))
            try:
                living.process.wait(60)
            finally:
                living.process.kill()
