"""Where docker cells are played: an engine with production and neighbours, and a second one whose daemon may die.

Everything that was on the first engine before a cell must be byte for byte the same after it.
"""

from __future__ import annotations

import json
import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from container_production import PRODUCTION_VOLUME
from docker_engine import Engine, EngineFailed, started
from docker_images import load_images
from docker_plans import NAMES, Setting
from engine_objects import Objects, changes, digest_of_tree, look_at_engine

ASKED = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'drydock%'"


@dataclass(kw_only=True)
class DockerStage:
    """Two engines and what they held before the first cell; `close` ends the second one."""

    setting: Setting
    before: Objects
    rows: str
    second: Engine | None = None
    alone: threading.RLock = field(default_factory=threading.RLock)
    """Held by who plays with the second engine's daemon: everybody's containers die with it."""

    @property
    def engine(self) -> Engine:
        """Return the engine of production."""
        return self.setting.production.engine

    def second_engine(self) -> Engine:
        """Return the second engine, started with the images when it is first asked for."""
        with self.alone:
            if self.second is None:
                self.second = started(Path(f"{self.engine.folder}-f"))
                load_images(self.second)
            return self.second

    def plan(self, name: str, *, on: Engine) -> Path:
        """Write a plan whose objects have names of their own, so that several cells are played at once."""
        elsewhere = on.address if on is not self.engine else ""
        made = self.setting.plan(name, endpoint=elsewhere)
        lines = made.read_text("utf-8").splitlines()
        made.write_text(
            "\n".join(line for line in lines if not any(f'"{given}"' in line for given in NAMES)), "utf-8"
        )
        return made

    def changed(self) -> list[str]:
        """Return what was there and is not as it was; other cells' objects, which come and go, are not looked at."""
        found = changes(self.before, look_again(self.engine, self.before))
        # A network lists who is on it, and every container without a network of its own is on "none".
        return [line for line in found if "): Containers {" not in line]

    def left(self, run: str) -> list[str]:
        """Return what either engine still holds of one run, by name."""
        found = []
        for engine in filter(None, (self.engine, self.second)):
            for words in (("ps", "--all", "--format={{.Names}}"), ("volume", "ls", "--format={{.Name}}"),
                          ("network", "ls", "--format={{.Name}}")):  # fmt: skip
                found += [f"{words[0]} {name}" for name in engine.docker(*words).split() if run in name]
        return found

    def everything_changed(self) -> list[str]:
        """Return all that is new, gone or changed once no cell is played any more, sessions in production too."""
        found = changes(self.before, look_at_engine(self.engine, busy=[PRODUCTION_VOLUME]))
        sessions = self.setting.production.psql(ASKED)
        found += [f"{sessions} sessions in production"] if sessions != "0" else []
        return found + (["production's rows"] if self.setting.production.digest() != self.rows else [])

    def held(self) -> AbstractContextManager[object]:
        """Return what a cell that plays with the daemon holds meanwhile."""
        return self.alone

    def close(self) -> None:
        """End the second engine."""
        if self.second is not None:
            self.second.remove()
            self.second = None


def look_again(engine: Engine, before: Objects) -> Objects:
    """Return the same objects as they are now, without those that are gone."""
    inspected = {}
    for kind in ("container", "volume", "network", "image"):
        known = {key.split(" ", 1)[1]: key for key in before.inspected if key.startswith(f"{kind} ")}
        for one in _inspected(engine, kind, sorted(known)):
            one.pop("ExecIDs", None)  # somebody reads in it at this moment
            inspected[known[one["Name"] if kind == "volume" else one["Id"]]] = one
    files = {
        it["Name"]: digest_of_tree(engine.path_outside(it["Mountpoint"]))
        for key, it in inspected.items()
        if key.startswith("volume ") and it["Name"] in before.files
    }
    return Objects(inspected=inspected, files=files)


def _inspected(engine: Engine, kind: str, ids: list[str]) -> list[dict[str, Any]]:
    try:
        return list(json.loads(engine.docker(kind, "inspect", *ids)))
    except EngineFailed:
        if len(ids) == 1:
            return []
    return [found for identity in ids for found in _inspected(engine, kind, [identity])]


def staged(setting: Setting) -> DockerStage:
    """Return the stage as it is before the first cell."""
    engine = setting.production.engine
    before = look_at_engine(engine, busy=[PRODUCTION_VOLUME])
    return DockerStage(setting=setting, before=before, rows=setting.production.digest())
