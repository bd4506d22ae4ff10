"""What a pack's code needs beside the driver: wheels named with their hashes in the pack's requirements.lock.

The wheelhouse is filled before a run exists and never afterwards; nothing is installed on the host, and every wheel is
held against its pinned hash again when it is unpacked. The driver itself is Drydock's own, whatever the lock says.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from console.environments.interpreter import DRIVER_DISTRIBUTIONS
from console.environments.process import CLEAN_ENVIRONMENT
from console.errors import PackError, StepFailed
from console.settings import default_cache_folder

LOCK = "requirements.lock"
FULL = ".full"
"""The file that says that every pinned wheel is in its wheelhouse."""

_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_PATIENCE_S = 600


def lock_of(pack: Path) -> Path | None:
    """Return the pack's lock, None for a pack that needs nothing but the driver."""
    path = pack / LOCK
    return path if path.is_file() else None


def fill_wheelhouse(lock: Path) -> None:
    """Let pip fetch every pinned wheel once, each by its hash; a full wheelhouse is left alone.

    Raises PackError for a lock without hashes, another psycopg than the one that is traced, and wheels that cannot be
    had.
    """
    text = lock.read_text("utf-8")
    pins = {_plain(name): version for name, version in _PIN.findall(text)}
    import importlib.metadata

    traced = importlib.metadata.version("psycopg")
    if pins.get("psycopg", traced) != traced:
        what = f"{lock} pins psycopg {pins['psycopg']}, and the harness traces psycopg {traced} only"
        raise PackError(what, remedy=f"write psycopg=={traced}, or leave it out")
    if not pins or not _HASH.search(text):
        what = f"{lock} pins no package with its hash"
        raise PackError(what, remedy="write it with `uv pip compile --generate-hashes`")
    place = wheelhouse_of(lock)
    if (place / FULL).exists():
        return
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    argv = [
        sys.executable, "-I", "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes",
        "--only-binary=:all:", f"--requirement={lock}", f"--dest={place}",
    ]  # fmt: skip
    done = subprocess.run(
        argv, env=CLEAN_ENVIRONMENT, capture_output=True, text=True, check=False, timeout=_PATIENCE_S
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["pip says nothing"])[-1]
        remedy = f"put the wheels that it pins into {place}, or reach a registry that has them"
        raise PackError(f"the packages of {lock} cannot be fetched: {last}", remedy=remedy)
    (place / FULL).touch()


def package_files(lock: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the files of the pinned wheels, the driver's left out.

    Raises StepFailed (environment) for a wheel that the lock does not pin, and for a wheelhouse that is not filled.
    """
    place = wheelhouse_of(lock)
    known = frozenset(_HASH.findall(lock.read_text("utf-8")))
    wheels = sorted(place.glob("*.whl"))
    if not (place / FULL).exists():
        raise StepFailed(f"the wheelhouse {place} of {lock} is not filled", cause="environment")
    for wheel in wheels:
        if hashlib.sha256(wheel.read_bytes()).hexdigest() not in known:
            raise StepFailed(f"{wheel} is not a wheel that {lock} pins: remove it", cause="environment")
    for wheel in wheels:
        if _plain(wheel.name.partition("-")[0]) not in DRIVER_DISTRIBUTIONS:
            yield from _unpacked(wheel)


def _unpacked(wheel: Path) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            parts = PurePosixPath(entry.filename).parts
            if (
                not entry.is_dir()
                and ".." not in parts
                and parts[0] != "/"
                and not parts[0].endswith(".data")
            ):
                yield entry.filename, archive.read(entry)


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def wheelhouse_of(lock: Path) -> Path:
    """Return the folder of a lock's wheels for this interpreter."""
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    return default_cache_folder() / "wheels" / f"cp{sys.version_info.major}{sys.version_info.minor}-{digest}"
