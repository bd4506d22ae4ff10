"""Which images a plan means, as the ids that the engine has for them: part of what the operator approves.

Looks only; never pulls.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from console.environments.docker_endpoint import endpoint_of
from console.environments.docker_objects import opened
from console.errors import PlanError, StepFailed
from console.model.config import EnvironmentConfig


def images_sha256(config: EnvironmentConfig, *, folder: Path) -> str:
    """Return one hash over both images' ids. One that cannot be had counts as changed, not as approved."""
    try:
        found = image_ids(config, folder=folder)
    except (StepFailed, PlanError) as wrong:
        found = {"unknown": str(wrong)}
    lines = "".join(f"{found[name]}  {name}\n" for name in sorted(found))
    return hashlib.sha256(lines.encode()).hexdigest()


def image_ids(config: EnvironmentConfig, *, folder: Path) -> dict[str, str]:
    """Return the ids of both images. Raises StepFailed or PlanError for one that the engine does not have."""
    with opened(endpoint_of(config), folder=folder) as objects:
        found: dict[str, str] = {}
        for key, name in (("image", config.image), ("harness_image", config.harness_image)):
            with objects.said(f"image {name}: docker pull it first, nothing is pulled during a run"):
                found[key] = str(objects.client.inspect_image(name)["Id"])
        return found
