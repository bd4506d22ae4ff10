"""Fixtures: an engine of this test process, its images and client, production, protected containers, ears."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest
from container_production import ContainerProduction, make_production, make_protected
from docker_engine import Engine, EngineMissing, started
from docker_images import Images, load_images
from docker_plans import Setting
from fix_runs import Drydock

EARS_PORT = 5432
"""The port of PostgreSQL: on the host it would be a production published on every address."""


@dataclass(frozen=True, kw_only=True)
class Ears:
    """Who has come to the engine's host, and whether a packet left it."""

    engine: Engine
    file: Path
    port: int = EARS_PORT

    def visits(self) -> list[str]:
        """Return "tcp ADDRESS" and "dns NAME" lines so far."""
        return self.file.read_text("utf-8").splitlines()


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


@pytest.fixture(scope="session")
def production(engine: Engine, images: Images) -> ContainerProduction:
    """The container postgres with the demo in it; share it, never change it."""
    return make_production(engine)


@pytest.fixture(scope="session")
def protected(engine: Engine, production: ContainerProduction) -> tuple[str, ...]:
    """Names of two running containers on production's network, each with a volume of its own."""
    return make_protected(engine)


@pytest.fixture(scope="session")
def ears(engine: Engine) -> Iterator[Ears]:
    """Listeners on every address of the engine's host, and a name server that answers everything."""
    file = engine.folder / "visits"
    program = Path(__file__).with_name("host_ears.py")
    process = subprocess.Popen(
        engine.on_host(sys.executable, str(program), str(EARS_PORT), str(file)),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == b"ready\n"
    yield Ears(engine=engine, file=file)
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="session")
def setting(
    drydock: Drydock, production: ContainerProduction, protected: tuple[str, ...], images: Images
) -> Setting:
    """Production, the protected containers and the images, for plan files."""
    assert protected
    return Setting(production=production, images=images, folder=drydock.root)
