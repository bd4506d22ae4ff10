"""The harness's place in its volume: a throwaway interpreter with the pinned driver, harness, pack and subject.

Returns what goes in; each of the driver's files is checked against its recorded hash. Never fetches anything.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from console.environments.docker_files import Placed, tree
from console.environments.interpreter import DRIVER_DISTRIBUTIONS, checked_driver_files
from console.environments.wheelhouse import wheel_files
from console.errors import StepFailed

LOWEST_PYTHON = (3, 11)


def venv(python: dict[str, Any], *, wheelhouse: Path) -> Iterator[Placed]:
    """Yield a virtual environment over an image's own Python (as its relay described it), with the driver in it.

    The driver comes from this installation where both Pythons are of one kind, else from the wheelhouse.
    """
    version = tuple(int(part) for part in python["version"])
    if version < LOWEST_PYTHON or python["implementation"] != "cpython":
        told = ".".join(map(str, version))
        raise StepFailed(
            f"the harness's image has {python['implementation']} {told}, the harness needs CPython 3.11 or newer",
            cause="environment",
        )
    base = PurePosixPath(python["executable"])
    site = f"venv/lib/python{version[0]}.{version[1]}/site-packages"
    lines = f"home = {base.parent}\ninclude-system-site-packages = false\nversion = {'.'.join(map(str, version))}\n"
    yield Placed(name="venv/pyvenv.cfg", mode=0o444, content=lines.encode())
    yield Placed(name="venv/bin/python", mode=0o777, link=str(base))
    for name, content in _driver(python, wheelhouse):
        yield Placed(name=f"{site}/{name}", mode=0o555 if ".so" in name else 0o444, content=content)


def _driver(python: dict[str, Any], wheelhouse: Path) -> Iterator[tuple[str, bytes]]:
    same = tuple(python["version"][:2]) == sys.version_info[:2] and python["machine"] == _machine()
    if same and python["libc"] == "glibc":
        for distribution in DRIVER_DISTRIBUTIONS:
            yield from checked_driver_files(distribution)
    else:
        yield from wheel_files(python, folder=wheelhouse)


def _machine() -> str:
    import platform

    return platform.machine()


def contents(*, archive: Path, pack: Path, subject: Path) -> Iterator[Placed]:
    """Yield harness, pack and subject, readable only."""
    yield Placed(name="harness.pyz", mode=0o444, content=archive)
    yield from tree(pack, "pack")
    yield from tree(subject, "subject")
