"""The fault matrix: its cells are played two at a time; all of them only by their own command (`-m faults`)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from fix_places import DECOY
from fix_runs import AT_A_TIME, Drydock

from console.environments.programs import find_programs

HERE = Path(__file__).parent
sys.path += [str(HERE), str(HERE.parent / "e2e"), str(HERE.parent / "docker")]

from cells import BY_NAME  # noqa: E402 - its folder is on the path only now
from docker_plans import Setting  # noqa: E402
from docker_stage import DockerStage, staged  # noqa: E402
from fault_cell import DOCKER  # noqa: E402
from fault_driver import Bystanders, Played, Player  # noqa: E402
from fix_engine import engine, images, production, protected, setting  # noqa: E402
from fix_rehearsals import neighbours  # noqa: E402

__all__ = ["engine", "images", "neighbours", "production", "protected", "setting"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without `-m faults` the whole matrix is left out; its sample is not."""
    if "faults" in config.option.markexpr:
        return
    ours = [item for item in items if item.path.parent == HERE and item.get_closest_marker("faults")]
    whole = [item for item in ours if not item.name.startswith("test_sampled")]
    if whole:
        config.hook.pytest_deselected(items=whole)
        items[:] = [item for item in items if item not in whole]


@pytest.fixture(scope="session")
def bystanders(drydock: Drydock) -> Iterator[Bystanders]:
    """A protected cluster, a folder with a name like a run's and a process: nothing of them may change."""
    cluster = drydock.root / "bystander"
    words = [
        str(find_programs(16).root / "bin" / "initdb"),
        "-D",
        str(cluster),
        "-U",
        "postgres",
        "-A",
        "trust",
    ]
    who = {"user": 65534, "group": 65534, "extra_groups": ()} if os.geteuid() == 0 else {}
    drydock.root.chmod(0o777)
    subprocess.run(words, capture_output=True, check=True, cwd="/", **who)  # type: ignore[call-overload]
    drydock.root.chmod(0o755)
    decoy = drydock.work / DECOY
    decoy.mkdir(mode=0o700)
    (decoy / "source.dump").write_bytes(b"somebody else's")
    process = subprocess.Popen(["/bin/sleep", "7200"], env={"DRYDOCK_RUN": "somebody else's"})
    yield Bystanders(cluster=cluster, decoy=decoy, process=process)
    process.kill()
    process.wait()
    shutil.rmtree(decoy)


@pytest.fixture(scope="session")
def docker_stage(setting: Setting, neighbours: tuple[str, ...]) -> Iterator[DockerStage]:
    """Two engines; production, protected containers and neighbours on the first."""
    assert neighbours
    made = staged(setting)
    yield made
    made.close()


@pytest.fixture(scope="session")
def cells_played(
    request: pytest.FixtureRequest, drydock: Drydock, bystanders: Bystanders
) -> Iterator[dict[str, Future[Played]]]:
    """What came of each cell that the selected tests ask for, two at a time."""
    wanted = {
        str(item.callspec.params["cell"]): None
        for item in request.session.items
        if isinstance(item, pytest.Function)
        and item.path.parent == HERE
        and hasattr(item, "callspec")
        and "cell" in item.callspec.params
    }
    whole = "faults" in request.config.option.markexpr
    pool = ThreadPoolExecutor(2 * AT_A_TIME if whole else AT_A_TIME)
    try:
        playable = [BY_NAME[name] for name in wanted if os.geteuid() == 0 or not BY_NAME[name].needs_root]
        on_docker = any(cell.environment == DOCKER for cell in playable)
        stage = request.getfixturevalue("docker_stage") if on_docker else None
        player = Player(drydock, bystanders, stage)
        yield {cell.name: pool.submit(player.play, cell) for cell in playable}
    finally:
        pool.shutdown(cancel_futures=True)
