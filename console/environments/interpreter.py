"""The harness's throwaway interpreter: a virtual environment with the pinned driver and nothing else.

Made from the interpreter that Drydock runs in and from the driver's files that are installed beside
it, each checked against its recorded hash; nothing is downloaded and nothing is installed anywhere
but below the folder that is given. Where another user must run it and cannot reach the original, the
interpreter's standard library is copied as well.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import os
import shutil
import stat
import sys
import sysconfig
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from console.environments.bytecode import compiled
from console.environments.owner import lend, make_scattered_folder
from console.errors import StepFailed

DRIVER_DISTRIBUTIONS = (
    "psycopg",
    "psycopg-binary",
    *(("typing-extensions",) if sys.version_info < (3, 13) else ()),
)
"""What the harness may import beside the standard library (psycopg's own requirements)."""

_LEFT_OUT = frozenset(
    {
        "test", "tests", "idlelib", "lib2to3", "ensurepip", "tkinter", "turtledemo", "pydoc_data",
        "site-packages", "dist-packages", "lib-dynload", "__pycache__",
    }
)  # fmt: skip
"""Folders of the standard library that no subject needs or that are copied otherwise."""


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """A Python that can be started by path, with what it needs in its environment."""

    python: Path
    environment: dict[str, str]


def driver_sha256() -> str:
    """Return one hash over the installed driver's files, as they are and not as they are recorded."""
    total = hashlib.sha256()
    for name in DRIVER_DISTRIBUTIONS:
        for recorded, path in _driver_files(name):
            total.update(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {recorded}\n".encode())
    return total.hexdigest()


@functools.cache
def _driver_files(name: str) -> list[tuple[str, Path]]:
    """Return the files of an installed distribution as (name, path), caches and scripts left out; listed once."""
    import importlib.metadata

    try:
        distribution = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError as missing:
        raise StepFailed(f"the driver's package {name} is not installed", cause="environment") from missing
    found = []
    for entry in distribution.files or []:
        inside = not entry.parts[0].startswith("..") and "__pycache__" not in entry.parts
        if inside and entry.name not in ("INSTALLER", "REQUESTED", "direct_url.json", "RECORD"):
            found.append((entry.as_posix(), Path(str(distribution.locate_file(entry)))))
    return sorted(found)


def make_interpreter(
    folder: Path, *, uid: int | None, packages: Iterable[tuple[str, bytes]] = (), cache: Path | None = None
) -> Interpreter:
    """Make a virtual environment with the driver in the new folder `folder`, which `uid` can run and not change.

    `packages` are the files of what a pack needs besides, by their names in site-packages. With `cache`, and where
    `uid` is another user than this process's, the driver is compiled once and kept there. Raises StepFailed when a
    driver file is not what its distribution recorded.
    """
    make_scattered_folder(folder)
    base = Path(sys._base_executable).resolve() if hasattr(sys, "_base_executable") else Path(sys.executable)
    environment: dict[str, str] = {}
    if uid is not None and not _others_can_run(base):
        base, environment = _copy_interpreter(folder / "python")
    home = folder / "venv"
    _make_venv(home, base)
    site = home / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    sources: dict[str, bytes] = {}
    for name in DRIVER_DISTRIBUTIONS:
        sources |= _copy_driver(name, site)
    if cache is not None and uid is not None and uid != os.geteuid():
        _write_files(compiled(sources, cache=cache).items(), site)
    _write_files(packages, site)
    if uid is not None:
        lend(folder, uid)
    return Interpreter(python=home / "bin" / "python", environment=environment)


def _others_can_run(base: Path) -> bool:
    """Tell whether any user can read the interpreter, its library and its standard library."""
    needed = [base, Path(sysconfig.get_path("stdlib"))]
    library = sysconfig.get_config_var("LDLIBRARY")
    folder = sysconfig.get_config_var("LIBDIR")
    if sysconfig.get_config_var("Py_ENABLE_SHARED") and folder and library:
        needed.append(Path(folder))
    return all(_open_to_others(path) for path in needed)


def _open_to_others(path: Path) -> bool:
    wanted = stat.S_IXOTH | stat.S_IROTH
    resolved = path.resolve()
    if resolved.stat().st_mode & wanted != wanted:
        return False
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in resolved.parents)


def _copy_interpreter(into: Path) -> tuple[Path, dict[str, str]]:
    """Copy program and library, and the standard library as one archive: many small files cost seconds."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    home = into / "lib" / version
    (into / "bin").mkdir(parents=True)
    home.mkdir(parents=True)
    program = into / "bin" / version
    shutil.copy2(Path(sys.base_prefix) / "bin" / version, program)
    libraries = sorted((Path(sys.base_prefix) / "lib").glob("libpython3*.so*"))
    for library in libraries:
        real = library.resolve().name
        if real != library.name and library.with_name(real) in libraries:
            (into / "lib" / library.name).symlink_to(real)
        else:
            shutil.copy2(library, into / "lib" / library.name)
    stdlib = Path(sysconfig.get_path("stdlib"))
    _archive_modules(stdlib, into / "lib" / f"{version.replace('.', '')}.zip")
    shutil.copy2(stdlib / "os.py", home / "os.py")
    shutil.copytree(stdlib / "lib-dynload", home / "lib-dynload")
    return program, {"LD_LIBRARY_PATH": str(into / "lib")}


def _archive_modules(stdlib: Path, into: Path) -> None:
    """Write the standard library's modules, compiled where they are compiled already."""
    top = str(stdlib)
    with zipfile.ZipFile(into, "w", zipfile.ZIP_STORED) as archive:
        for root, folders, files in os.walk(top):
            folders[:] = sorted(
                name for name in folders if name not in _LEFT_OUT and not name.startswith("config-")
            )
            inside = "" if root == top else f"{root[len(top) + 1 :]}/"
            for name in sorted(files):
                if not name.endswith(".py"):
                    continue
                stem = name.removesuffix(".py")
                try:
                    content = _content(f"{root}/__pycache__/{stem}.{sys.implementation.cache_tag}.pyc")
                    archive.writestr(zipfile.ZipInfo(f"{inside}{stem}.pyc"), content)
                except FileNotFoundError:
                    archive.writestr(zipfile.ZipInfo(f"{inside}{name}"), _content(f"{root}/{name}"))


def _content(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.read()


def _make_venv(home: Path, base: Path) -> None:
    """Lay out a virtual environment by hand: the venv module would use the running interpreter."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (home / "bin").mkdir(parents=True)
    (home / "lib" / version / "site-packages").mkdir(parents=True)
    (home / "bin" / "python").symlink_to(base)
    lines = (
        f"home = {base.parent}",
        "include-system-site-packages = false",
        f"version = {sys.version.split()[0]}",
    )
    (home / "pyvenv.cfg").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_files(files: Iterable[tuple[str, bytes]], site: Path) -> None:
    for name, content in files:
        target = site / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def _copy_driver(name: str, site: Path) -> dict[str, bytes]:
    """Lay one distribution out, checked, and return the modules among its files by their names."""
    sources = {}
    modes = {relative: stat.S_IMODE(os.stat(path).st_mode) for relative, path in _driver_files(name)}
    for relative, content in checked_driver_files(name):
        target = site / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        target.chmod(modes[relative] & 0o755)
        if relative.endswith(".py"):
            sources[relative] = content
    return sources


@functools.cache
def _recorded_hashes(name: str) -> dict[str, Any]:
    import importlib.metadata

    return {entry.as_posix(): entry.hash for entry in importlib.metadata.distribution(name).files or []}


def checked_driver_files(name: str) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of an installed distribution's files.

    Raises StepFailed (environment) for one that is not what the distribution recorded.
    """
    recorded = _recorded_hashes(name)
    for relative, path in _driver_files(name):
        content = path.read_bytes()
        expected = recorded[relative]
        if expected is not None:
            digest = (
                base64.urlsafe_b64encode(hashlib.new(expected.mode, content).digest()).rstrip(b"=").decode()
            )
            if digest != expected.value:
                raise StepFailed(
                    f"the driver's file {relative} is not the one of {name}'s record", cause="environment"
                )
        yield relative, content
