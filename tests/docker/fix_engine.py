"""Fixtures: an engine of this test process, the SDK's client of it, production, protected containers, neighbours."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker_engine import Engine, EngineMissing, started
from docker_images import Images, load_images


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """A running engine of this process's own, empty; skips with what to do where there cannot be one."""
    folder = Path(tempfile.mkdtemp(prefix="dde-", dir="/var/tmp"))
    try:
        made = started(folder)
    except EngineMissing as wrong:
        shutil.rmtree(folder)
        pytest.skip(str(wrong))
    yield made
    made.remove()


@pytest.fixture(scope="session")
def images(engine: Engine) -> Images:
    """The images, loaded; by id."""
    return load_images(engine)


@pytest.fixture(scope="session")
def client(engine: Engine, images: Images) -> Iterator[docker.DockerClient]:
    """The SDK's client of the engine, with its images there."""
    made = docker.DockerClient(base_url=engine.address, version="auto")
    yield made
    made.close()
