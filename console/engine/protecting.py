"""What the plan protects: found by exact name, and looked at again later.

Owns which objects those are and what is recorded of each. Never touches one.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from console.engine.docker_removal import ENGINE_NOTE
from console.engine.rehearsal import Rehearsal
from console.errors import StepFailed
from console.model.facts import Protected, ProtectedObject
from console.sources.demo import DemoSource, look_at_cluster

if TYPE_CHECKING:
    from console.environments.docker_endpoint import Endpoint
    from console.environments.docker_objects import DockerObjects, Kind

PROTECTED_BY = "pg_control, postmaster.pid; docker inspect"


def protected_names(run: Rehearsal) -> tuple[str, ...]:
    """Return what must be the same afterwards: the plan's, and the demo's neighbour."""
    return (*_clusters(run), *(f"{kind} {name}" for kind, name in _objects(run)))


def _clusters(run: Rehearsal) -> tuple[str, ...]:
    source = run.the_source()
    demo = (str(source.neighbour.data_folder),) if isinstance(source, DemoSource) else ()
    return (*run.config.protect.clusters, *demo)


def _objects(run: Rehearsal) -> list[tuple[Kind, str]]:
    protect = run.config.protect
    return [
        *(("container", name) for name in protect.containers),
        *(("volume", name) for name in protect.volumes),
        *(("network", name) for name in protect.networks),
    ]


def look_at_protected(run: Rehearsal, *, without: Collection[str] = ()) -> Protected:
    """Return each protected object as it is now but those of `without`, None for one that is not there.

    Raises StepFailed when an engine does not answer.
    """
    clusters = tuple(name for name in _clusters(run) if name not in without)
    return Protected(objects={**look_at_clusters(clusters), **_look_at_objects(run)})


def look_at_clusters(names: tuple[str, ...]) -> dict[str, ProtectedObject | None]:
    """Return each cluster on this machine by its data folder, None for one that is not there."""
    found: dict[str, ProtectedObject | None] = {}
    for name in names:
        found[name] = None
        if (Path(name) / "global" / "pg_control").exists():
            look = look_at_cluster(Path(name))
            found[name] = ProtectedObject(id=look.system_identifier, started_at=look.started_at)
    return found


def _look_at_objects(run: Rehearsal) -> dict[str, ProtectedObject | None]:
    wanted = _objects(run)
    found: dict[str, ProtectedObject | None] = {f"{kind} {name}": None for kind, name in wanted}
    if not wanted:
        return found
    from console.environments.docker_endpoint import endpoint_of
    from console.environments.docker_objects import opened

    own = endpoint_of(run.config.environment) if run.config.environment.kind == "docker" else None
    for number, endpoint in enumerate(_endpoints(run)):
        folder = run.places.work.with_name(f"{run.places.work.name}-look{number}")
        known = run.recorder.state.notes.get(ENGINE_NOTE) if endpoint == own else None
        with opened(endpoint, folder=folder, receipts=run.recorder, engine=known) as objects:
            for kind, name in wanted:
                found[f"{kind} {name}"] = found[f"{kind} {name}"] or _look(objects, kind, name)
    return found


def _endpoints(run: Rehearsal) -> list[Endpoint]:
    """Return the engines of this run, each once: a name is the first engine's that has it."""
    from console.environments.docker_endpoint import endpoint_of

    config = run.config
    sections = [config.environment] if config.environment.kind == "docker" else []
    found = [endpoint_of(section) for section in sections]
    if config.source.kind == "container" or not found:
        found.append(endpoint_of(config.source))
    return list(dict.fromkeys(found))


def _look(objects: DockerObjects, kind: Kind, name: str) -> ProtectedObject | None:
    found = objects.look(kind, name)
    if found is None:
        return None
    if kind != "container":
        details = {key: json.dumps(found.get(key), sort_keys=True) for key in ("Driver", "Options", "Labels")}
        if kind == "volume":
            details |= _making_of(objects, found)
        return ProtectedObject(id=objects.identity(kind, found), started_at="", details=details)
    state = found["State"]
    return ProtectedObject(
        id=str(found["Id"]), started_at=str(state["StartedAt"]) if state["Running"] else "",
        details=_details(found),
    )  # fmt: skip


def _making_of(objects: DockerObjects, found: Mapping[str, Any]) -> dict[str, str]:
    """Return what a volume that was removed and made again has not: the containers that hold it, or when it was made.

    An engine removes no volume that a container holds, running or not. One that nobody holds is told by its
    CreatedAt alone; with holders that says too much, since engines before 23.0 move it with each file at its top.
    """
    holders = objects.holders(str(found["Name"]))
    if holders:
        return {"held by": " ".join(holders)}
    return {"CreatedAt": str(found.get("CreatedAt", ""))}


def _details(found: Mapping[str, Any]) -> dict[str, str]:
    mounts = sorted(
        json.dumps(
            {key: one.get(key) for key in ("Type", "Name", "Source", "Destination", "RW")}, sort_keys=True
        )
        for one in found.get("Mounts") or ()
    )
    return {
        "image": str(found["Image"]), "status": str(found["State"]["Status"]),
        "restarts": str(found["RestartCount"]), "mounts": " ".join(mounts),
    }  # fmt: skip


def look_again_at_protected(run: Rehearsal, *, without: Collection[str]) -> Protected | None:
    """Return the closing look, None where it cannot be had: its gate is then UNKNOWN."""
    try:
        return look_at_protected(run, without=without)
    except StepFailed as failed:
        run.recorder.note("protected.closing", str(failed), origin="tool")
        return None
