"""A dump's manifest: the JSON file beside it that says what a restored copy must contain.

Made where the dump is made, from a connection in the dump's own snapshot. Reads and writes that one
file; never judges it.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from console.errors import PlanError
from console.model.catalogue import Manifest

MANIFEST_SUFFIX = ".manifest.json"
LARGEST_MANIFEST_BYTES = 256 * 1024 * 1024


def manifest_path(dump: Path, named: str) -> Path:
    """Return where the manifest of a dump is: the named file, else DUMP.manifest.json beside it."""
    return Path(named) if named else dump.with_name(dump.name + MANIFEST_SUFFIX)


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Create the manifest's file (it must not exist), readable by its owner only."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read_manifest_file(path: Path) -> Manifest | None:
    """Return the manifest in `path`, None when there is no such file.

    Raises PlanError in one sentence for a file that is no manifest.
    """
    remedy = "make it again where the dump was made, with console.sources.manifest.write_manifest"
    try:
        size_bytes = path.stat().st_size
        if size_bytes > LARGEST_MANIFEST_BYTES:
            raise PlanError(
                f"the manifest {path} has {size_bytes} bytes, allowed are {LARGEST_MANIFEST_BYTES}",
                remedy=remedy,
            )
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as wrong:
        raise PlanError(f"the manifest {path} cannot be read: {wrong.strerror}", remedy=remedy) from wrong
    try:
        return msgspec.json.decode(content, type=Manifest)
    except msgspec.DecodeError as wrong:
        raise PlanError(f"{path} is no manifest: {wrong}", remedy=remedy) from wrong
