"""What lies too deep for the engine to give out is not taken for nothing."""

from __future__ import annotations

from pathlib import Path

import docker
import pytest
from docker_images import PYTHON_IMAGE

from console.environments.docker_files import unpacked
from console.errors import StepFailed

MAKE = """
import os
here = os.open("/kept", os.O_RDONLY)
for _ in range(30):
    os.mkdir("d" * 200, dir_fd=here)
    below = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
    os.close(here)
    here = below
os.write(os.open("hidden", os.O_WRONLY | os.O_CREAT, dir_fd=here), b"hunter2")
"""


def test_what_lies_too_deep_is_the_subjects_failure(client: docker.DockerClient, tmp_path: Path) -> None:
    """The engine leaves a file out that lies too deep and says nothing; what it lies in passes for all there is."""
    volume = client.volumes.create("deep-folders")
    made = client.containers.run(
        PYTHON_IMAGE,
        ["python3", "-c", MAKE],
        network_mode="none",
        volumes={volume.name: {"bind": "/kept"}},
        detach=True,
    )
    try:
        assert made.wait()["StatusCode"] == 0
        whole = b"".join(made.get_archive("/kept")[0])
        assert b"hidden" not in whole and b"hunter2" not in whole
        with pytest.raises(StepFailed, match="is longer than 3000 bytes") as failed:
            unpacked(iter([whole]), tmp_path / "into", gate="G-22")
        assert (failed.value.cause, failed.value.gate) == ("subject", "G-22")
    finally:
        made.remove(force=True)
        volume.remove()
