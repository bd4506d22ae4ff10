"""The driver for an image whose Python is not this installation's: wheels fetched once, each by its pinned hash.

Owns the pins (drydock's own lock) and the folder of wheels. Nothing is installed anywhere on the host, and
nothing at all is fetched from inside the environment.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from console.environments.process import CLEAN_ENVIRONMENT
from console.errors import StepFailed

PINS = Path(__file__).with_name("wheelhouse.txt")
_PLATFORMS = {"glibc": ("manylinux_2_17", "manylinux2014", "manylinux_2_28"), "": ("musllinux_1_2",)}
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_PATIENCE_S = 300


def pinned_hashes() -> frozenset[str]:
    """Return the sha256 of every wheel that may be used."""
    return frozenset(_HASH.findall(PINS.read_text("utf-8")))


def wheel_files(python: dict[str, Any], *, folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the driver's files for an interpreter from wheels in `folder`, fetched where they are not there yet.

    Raises StepFailed (environment) for a wheel that is not pinned and for one that cannot be had.
    """
    place = folder / _tag(python)
    if not any(place.glob("*.whl")):
        _fetch(python, place)
    wheels = sorted(place.glob("*.whl"))
    known = pinned_hashes()
    for wheel in wheels:
        if hashlib.sha256(wheel.read_bytes()).hexdigest() not in known:
            raise StepFailed(f"{wheel} is not a wheel that drydock pins: remove it", cause="environment")
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            for entry in archive.infolist():
                parts = PurePosixPath(entry.filename).parts
                if not entry.is_dir() and ".." not in parts and parts[0] != "/":
                    yield entry.filename, archive.read(entry)


def _tag(python: dict[str, Any]) -> str:
    version = "".join(str(part) for part in python["version"][:2])
    return f"cp{version}-{python['libc'] or 'musl'}-{python['machine']}"


def _fetch(python: dict[str, Any], place: Path) -> None:
    """Let pip fetch the pinned wheels for another interpreter, every hash required; it installs nothing."""
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    version = ".".join(str(part) for part in python["version"][:2])
    platforms = [f"--platform={name}_{python['machine']}" for name in _PLATFORMS.get(python["libc"], ())]
    argv = [
        sys.executable, "-I", "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes",
        "--only-binary=:all:", f"--python-version={version}", "--implementation=cp", *platforms,
        f"--requirement={PINS}", f"--dest={place}",
    ]  # fmt: skip
    done = subprocess.run(
        argv, env=CLEAN_ENVIRONMENT, capture_output=True, text=True, check=False, timeout=_PATIENCE_S
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["pip says nothing"])[-1]
        raise StepFailed(
            f"the driver's wheels for Python {version} ({python['machine']}) cannot be fetched: {last}; put those "
            f"that {PINS} pins into {place}, or name a harness_image with Python "
            f"{sys.version_info.major}.{sys.version_info.minor}",
            cause="environment",
        )
