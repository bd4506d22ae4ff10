"""Every death and every fault: the run ends CLEAN after recover, nothing else is touched, no event is lost."""

from __future__ import annotations

import os
from concurrent.futures import Future

import pytest
from cells import CELLS, SAMPLE
from docker_stage import DockerStage
from fault_driver import Played
from fault_table import PAGE, expected_names, named_in_page, page, replaced


@pytest.mark.faults
@pytest.mark.parametrize("cell", [cell.name for cell in CELLS if cell.name not in SAMPLE])
def test_cell(cells_played: dict[str, Future[Played]], cell: str) -> None:
    """The run ends as the cell says, CLEAN after recover, and nothing that is not its own has changed."""
    if cell not in cells_played:
        pytest.skip("mounts a file system of its own: run it as root")
    played = cells_played[cell].result()
    assert played.troubles == [], f"{played}"


@pytest.mark.faults
@pytest.mark.parametrize("cell", SAMPLE)
def test_sampled_cell(cells_played: dict[str, Future[Played]], cell: str) -> None:
    """The same for the cells that every test run plays."""
    if cell not in cells_played:
        pytest.skip("mounts a file system of its own: run it as root")
    played = cells_played[cell].result()
    assert played.troubles == [], f"{played}"


@pytest.mark.faults
@pytest.mark.skipif(os.geteuid() != 0, reason="starts a docker engine: run it as root")
def test_sampled_engines_are_as_they_were(
    cells_played: dict[str, Future[Played]], docker_stage: DockerStage
) -> None:
    """After all cells nothing on the engine is new, gone or changed, and no session of a run is in production."""
    assert [played.result().cell.name for played in cells_played.values()]
    assert docker_stage.everything_changed() == []


@pytest.mark.faults
def test_the_page_is_made(cells_played: dict[str, Future[Played]]) -> None:
    """docs/faults.md holds what came of every cell; where only some were played, their rows are made anew."""
    played = [cells_played[cell.name].result() for cell in CELLS if cell.name in cells_played]
    PAGE.write_text(page(played) if len(played) == len(CELLS) else replaced(played), "utf-8")


def test_the_page_has_every_cell() -> None:
    """A cell that the committed page does not show, or the other way round, is found."""
    assert named_in_page() == expected_names()
