"""Everything that an engine holds, and what of it has changed: containers, volumes with their bytes, networks, images.

Reads only. Complete lists, so that an object which nobody thought of is compared too.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker_engine import Engine

KINDS = {
    "container": ("ps", "--all", "--quiet", "--no-trunc"),
    "volume": ("volume", "ls", "--quiet"),
    "network": ("network", "ls", "--quiet", "--no-trunc"),
    "image": ("image", "ls", "--all", "--quiet", "--no-trunc"),
}


@dataclass(frozen=True, kw_only=True)
class Objects:
    """Kind and id to everything that `inspect` says, and volume name to a digest of its files."""

    inspected: dict[str, Any]
    files: dict[str, str]

    def named(self, kind: str) -> list[str]:
        """Return the names of one kind, sorted; an image's are its tags."""
        found = [it for key, it in self.inspected.items() if key.startswith(kind)]
        if kind == "image":
            return sorted(tag for it in found for tag in it["RepoTags"] or ["<none>"])
        return sorted(it["Name"].removeprefix("/") for it in found)


def look_at_engine(engine: Engine, *, busy: Iterable[str] = ()) -> Objects:
    """Return everything; the files of `busy` volumes, which a living server changes, are left out."""
    inspected = {}
    for kind, words in KINDS.items():
        ids = sorted(set(engine.docker(*words).split()))
        if not ids:
            continue
        for one in json.loads(engine.docker(kind, "inspect", *ids)):
            one.pop("ExecIDs", None)  # somebody reads in it at this moment
            inspected[f"{kind} {one.get('Id', one['Name'] if kind == 'volume' else '')}"] = one
    volumes = [it for key, it in inspected.items() if key.startswith("volume") and it["Name"] not in busy]
    files = {it["Name"]: digest_of_tree(engine.path_outside(it["Mountpoint"])) for it in volumes}
    return Objects(inspected=inspected, files=files)


def digest_of_tree(root: Path) -> str:
    """Return one digest of all names, modes, owners, times and bytes below a folder."""
    total = hashlib.sha256()
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted([*names, *folders]):
            path = Path(folder, name)
            status = path.lstat()
            total.update(
                f"{path.relative_to(root)} {status.st_mode:o} {status.st_uid} {status.st_mtime_ns}\n".encode()
            )
            if stat.S_ISREG(status.st_mode):
                total.update(path.read_bytes())
    return total.hexdigest()


def changes(before: Objects, after: Objects) -> list[str]:
    """Return one line for each thing that came, went or is not as it was; empty when nothing is."""
    found = []
    for key in sorted(before.inspected.keys() | after.inspected.keys()):
        old: dict[str, Any] | None = before.inspected.get(key)
        new: dict[str, Any] | None = after.inspected.get(key)
        if old is None or new is None:
            one = old or new or {}
            found.append(
                f"{key} ({one.get('Name', one.get('RepoTags'))}) {'is new' if old is None else 'is gone'}"
            )
        elif old != new:
            found += [f"{key} ({old.get('Name')}): {it}" for it in _differing(old, new)]
    found += [
        f"the files of volume {name} have changed"
        for name in sorted(before.files.keys() & after.files.keys())
        if before.files[name] != after.files[name]
    ]
    return found


def _differing(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    keys = sorted(old.keys() | new.keys())
    return [f"{key} {old.get(key)!r} is {new.get(key)!r}" for key in keys if old.get(key) != new.get(key)]


def make_neighbours(engine: Engine, *, names: Iterable[str], labels: Iterable[str], image: str) -> None:
    """Make objects that resemble a run's: before, after and within each of its exact names, with its labels.

    For each name a container (with a file in a volume), a volume and a network that have it as prefix, as
    suffix, and lack its last character; an image with such a tag, and one without any.
    """
    words = [f"--label={label}" for label in labels]
    for name in names:
        for near in (f"{name}-old", f"x{name}", name[:-1], f"{name}.bak"):
            engine.docker("volume", "create", *words, near)
            engine.docker("network", "create", "--internal", *words, near)
            engine.docker(
                "create", *words, f"--name={near}", f"--volume={near}:/kept", "--network=none", image, "true"
            )
            engine.docker("cp", "/etc/hostname", f"{near}:/kept/file")
        engine.docker("tag", image, f"{name}:latest")
    engine.docker("import", "--change=LABEL drydock=1", "-", given=bytes(10240))
