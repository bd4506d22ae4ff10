"""A dump's manifest: the JSON file beside it that says what a restored copy must contain; who owns what; and what
the source has beside it.

Made where the dump is made, from a connection in the dump's own snapshot. Reads and writes these three
files; never judges them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

import msgspec

from console.errors import PlanError
from console.model.beside_facts import Beside
from console.model.catalogue import Manifest
from console.model.migration_facts import OwnedElsewhere

Shape = TypeVar("Shape", bound=msgspec.Struct)

MANIFEST_SUFFIX, OWNERS_SUFFIX, BESIDE_SUFFIX = ".manifest.json", ".owners.json", ".beside.json"
LARGEST_MANIFEST_BYTES = 256 * 1024 * 1024


def manifest_path(dump: Path, named: str) -> Path:
    """Return where the manifest of a dump is: the named file, else DUMP.manifest.json beside it."""
    return Path(named) if named else dump.with_name(dump.name + MANIFEST_SUFFIX)


def owners_path(dump: Path) -> Path:
    """Return where the file is that says what a role does not own in the dump's source."""
    return dump.with_name(dump.name + OWNERS_SUFFIX)


def beside_path(dump: Path) -> Path:
    """Return where the file is that says what the dump's source has beside it: settings and publications."""
    return dump.with_name(dump.name + BESIDE_SUFFIX)


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Create the manifest's file (it must not exist), readable by its owner only."""
    _write(path, manifest)


def write_owners(path: Path, found: OwnedElsewhere) -> None:
    """Create the file of what the role does not own (it must not exist), readable by its owner only."""
    _write(path, found)


def write_beside(path: Path, found: Beside) -> None:
    """Create the file of settings and publications (it must not exist), readable by its owner only."""
    _write(path, found)


def read_manifest_file(path: Path) -> Manifest | None:
    """Return the manifest in `path`, None when there is no such file.

    Raises PlanError in one sentence for a file that is no manifest.
    """
    remedy = "make it again where the dump was made, with console.sources.manifest.write_manifest"
    return _read(path, Manifest, "manifest", remedy)


def read_owners_file(path: Path) -> OwnedElsewhere | None:
    """Return what the role does not own by the file in `path`, None when there is no such file.

    Raises PlanError in one sentence for a file that is none.
    """
    remedy = "make it again where the dump was made, with console.sources.manifest.write_owners"
    return _read(path, OwnedElsewhere, "list of owners", remedy)


def read_beside_file(path: Path) -> Beside | None:
    """Return the settings and publications by the file in `path`, None when there is no such file.

    Raises PlanError in one sentence for a file that is none.
    """
    remedy = "make it again where the dump was made, with console.sources.manifest.write_beside"
    return _read(path, Beside, "list of settings and publications", remedy)


def _write(path: Path, value: msgspec.Struct) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path, shape: type[Shape], what: str, remedy: str) -> Shape | None:
    try:
        size_bytes = path.stat().st_size
        if size_bytes > LARGEST_MANIFEST_BYTES:
            raise PlanError(
                f"the {what} {path} has {size_bytes} bytes, allowed are {LARGEST_MANIFEST_BYTES}",
                remedy=remedy,
            )
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as wrong:
        raise PlanError(f"the {what} {path} cannot be read: {wrong.strerror}", remedy=remedy) from wrong
    try:
        return msgspec.json.decode(content, type=shape)
    except msgspec.DecodeError as wrong:
        raise PlanError(f"{path} is no {what}: {wrong}", remedy=remedy) from wrong
