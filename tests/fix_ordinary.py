"""An ordinary user of this machine, who starts `drydock` with a home and a work folder of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import replace
from pathlib import Path

from fix_runs import Drydock

import console
from console.environments.owner import others_can_reach
from console.settings import data_folder

NOBODY = 65534
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "mypy*", "ruff*", "hypothesis*", "tests", "*.a")
_PTH = "{code}\nimport site; site.addsitedir({site!r})\n"
_STARTS = "import sys; from console.cli.main import main; sys.exit(main(sys.argv[1:]))"


def reachable_python(folder: Path) -> Path:
    """Return an interpreter with this one's packages that any user can run."""
    home = folder / "venv"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    base = _reachable_base(folder, version)
    packages = home / "lib" / version / "site-packages"
    packages.mkdir(parents=True)
    (home / "bin").mkdir()
    (home / "bin" / "python").symlink_to(base)
    (home / "pyvenv.cfg").write_text(f"home = {base.parent}\ninclude-system-site-packages = false\n", "utf-8")
    site, code = Path(sysconfig.get_path("purelib")), Path(console.__file__).parents[1]
    if not others_can_reach(site):
        site = Path(shutil.copytree(site, folder / "site", ignore=_LEFT_OUT))
    if not others_can_reach(code):
        for name in ("console", "sql", "scenarios"):
            source = code / "console" if name == "console" else data_folder(name)
            shutil.copytree(source, folder / "code" / name, ignore=_LEFT_OUT)
        shutil.copy(code / "pyproject.toml", folder / "code" / "pyproject.toml")
        code = folder / "code"
    (packages / "drydock.pth").write_text(_PTH.format(site=str(site), code=code), "utf-8")
    return home / "bin" / "python"


def _reachable_base(folder: Path, version: str) -> Path:
    """Return this interpreter, or a copy of it that finds its own library beside itself."""
    program = Path(sys.base_prefix) / "bin" / version
    libraries = Path(sys.base_prefix) / "lib"
    stdlib = Path(sysconfig.get_path("stdlib"))
    if others_can_reach(program) and others_can_reach(stdlib):
        return program.resolve()
    into = folder / "python"
    (into / "bin").mkdir(parents=True)
    leave = shutil.ignore_patterns("site-packages", "test", "idlelib", "__pycache__", "*.a", "config-3*")
    shutil.copytree(stdlib, into / "lib" / version, ignore=leave)
    for library in libraries.glob("libpython3*.so*"):
        shutil.copy2(library, into / "lib" / library.name)
    sought = str(libraries).encode() + b"\0"
    beside = b"$ORIGIN/../lib".ljust(len(sought), b"\0")
    copy = into / "bin" / version
    copy.write_bytes(program.read_bytes().replace(sought, beside))
    copy.chmod(0o755)
    return copy


def ordinary(drydock: Drydock) -> Drydock:
    """Return the same command as an ordinary user has it; whoever is one already gets it as it is."""
    if os.geteuid() != 0:
        return drydock
    root = drydock.place("home")
    root.mkdir(mode=0o755)
    python = reachable_python(root)
    home, work = root / "home", drydock.root / f"u{next(drydock.numbers)}"
    for folder in (home, work):
        folder.mkdir(mode=0o755)
        os.chown(folder, NOBODY, NOBODY)
    tried = subprocess.run(
        [str(python), "-c", "import console.cli.main"], user=NOBODY, group=NOBODY, extra_groups=[],
        cwd="/", env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert tried.returncode == 0, tried.stderr
    return replace(
        drydock, root=home, program=[str(python), "-c", _STARTS], uid=NOBODY,
        variables={"DRYDOCK_WORK_DIR": str(work)},
    )  # fmt: skip
