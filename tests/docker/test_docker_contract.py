"""The docker environment keeps the same contract as the embedded one and the fake."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker_engine import Engine
from docker_images import Images
from environment_contract import EnvironmentContract, Ledger, Made, provisioned, registry

from console.environments.docker import DockerEnvironment
from console.environments.docker_endpoint import Endpoint
from console.environments.docker_objects import opened
from console.model.config import EnvironmentConfig

ORDER = ("container", "network", "volume")


@pytest.fixture(scope="module")
def made(engine: Engine, images: Images) -> Iterator[Made]:
    """A provisioned copy in containers; removed as a teardown would."""
    folder = Path(tempfile.mkdtemp(prefix="dct-", dir="/var/tmp"))
    ledger, endpoint = Ledger(), Endpoint(address=engine.address)
    config = EnvironmentConfig(
        kind="docker", endpoint=engine.address, image=images.postgres, harness_image=images.python
    )
    environment = DockerEnvironment(
        folder=folder, config=config, endpoint=endpoint, run="contract", nonce=ledger.mark, registry=registry(),
        receipts=ledger,
    )  # fmt: skip
    yield provisioned(environment, ledger, folder)
    environment.close()
    with opened(endpoint, folder=folder / "ssh", nonce=ledger.mark) as objects:
        for kind in ORDER:
            for name, identity in list(ledger.opened.items()):
                if name.startswith(f"{kind} "):
                    assert objects.remove(kind, name.partition(" ")[2], identity) == "removed"  # type: ignore[arg-type]
    shutil.rmtree(folder)


class TestDocker(EnvironmentContract):
    """The docker one, on a real engine."""
