"""The fake and the embedded environment keep the contract; tests/docker has the docker one."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from environment_contract import EnvironmentContract, Ledger, Made, provisioned, registry

from console.environments.embedded import EmbeddedEnvironment
from console.environments.fake import FakeEnvironment
from console.environments.owner import remove_things
from console.environments.programs import find_programs


@pytest.fixture(scope="module", params=["fake", "embedded"])
def made(request: pytest.FixtureRequest) -> Iterator[Made]:
    """A provisioned environment below a short folder that other users may pass through."""
    folder, ledger = Path(tempfile.mkdtemp(prefix="dct-", dir="/var/tmp")), Ledger()
    folder.chmod(0o711)
    if request.param == "fake":
        yield provisioned(FakeEnvironment(folder=folder, receipts=ledger), ledger, folder, has_server=False)
    else:
        environment = EmbeddedEnvironment(
            folder=folder, programs=find_programs(16), registry=registry(), receipts=ledger
        )
        yield provisioned(environment, ledger, folder)
        environment.cluster.stop()
        remove_things([uid for uid in environment.made_up_users().values() if uid is not None])
    shutil.rmtree(folder)


class TestEnvironments(EnvironmentContract):
    """Both keep it."""
