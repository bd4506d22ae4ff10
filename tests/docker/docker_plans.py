"""Plan files of the docker tests: production in one container, the copy on an engine, two protected containers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from container_production import ADMIN, DATABASE, PRODUCTION_NETWORK, PROTECTED, ContainerProduction
from docker_images import Images

COPY = "pg-dry-run-v0.4-db-adapter-2026-05-17"
HARNESS = "harness-dry-run-v0.4-2026-05-17"
NETWORK = "dr-net-v0.4-2026-05-17"
NAMES = (COPY, HARNESS, NETWORK)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a plan needs to know: production with its engine, the images' ids, a folder for the files."""

    production: ContainerProduction
    images: Images
    folder: Path

    def plan(self, name: str, *, endpoint: str = "", tls: str = "", more: str = "", **source: str) -> Path:
        """Write a plan file; the copy is on `endpoint`, by default on production's own engine."""
        here = self.production.engine.address
        keys = {
            "kind": "container", "container": self.production.name, "endpoint": here, "database": DATABASE,
            "role": ADMIN,
        } | source  # fmt: skip
        path = self.folder / f"{name}.toml"
        path.write_text(
            "[source]\n"
            + "".join(f'{key} = "{value}"\n' for key, value in keys.items())
            + f'[environment]\nkind = "docker"\nendpoint = "{endpoint or here}"\n'
            + (f'tls = "{tls}"\n' if tls else "")
            + f'image = "{self.images.postgres}"\nharness_image = "{self.images.python}"\n'
            + f'container = "{COPY}"\nharness = "{HARNESS}"\nnetwork = "{NETWORK}"\n{more}'
            + (self._protect() if not endpoint else ""),
            encoding="utf-8",
        )
        return path

    def _protect(self) -> str:
        volumes = [f"{name}-data" for name in PROTECTED]
        return (
            f"[protect]\ncontainers = {_listed(PROTECTED)}\nvolumes = {_listed(volumes)}\n"
            f"networks = {_listed([PRODUCTION_NETWORK])}\n"
        )


def _listed(names: tuple[str, ...] | list[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"
