"""New files that appear whole or not at all, and never over another one."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from console.errors import PlanError


def require_new(folder: Path, names: Mapping[str, bytes]) -> None:
    """Raise PlanError naming the first file that is there already."""
    for name in names:
        if os.path.lexists(folder / name):
            raise PlanError(
                f"{folder / name} is there already, and nothing is overwritten",
                remedy="name another folder, or move that file away",
            )


def write_new(folder: Path, contents: Mapping[str, bytes], *, check: Callable[[Path], None]) -> None:
    """Write files below `folder` (made where it is missing), each with a mode by the umask.

    They are staged beside their places and looked at by `check`, which may refuse them; then each is linked to its
    name, which fails where something has come there meanwhile. On any failure none of them is left.
    """
    require_new(folder, contents)
    made_folders: list[Path] = []
    linked: list[Path] = []
    staging: Path | None = None
    try:
        _make(folder, made_folders)
        staging = Path(tempfile.mkdtemp(prefix=".drydock-init-", dir=folder))
        for name, content in contents.items():
            staged = staging / name
            staged.parent.mkdir(parents=True, exist_ok=True)
            with staged.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        check(staging)
        for name in contents:
            _make((folder / name).parent, made_folders)
            os.link(staging / name, folder / name, follow_symlinks=False)
            linked.append(folder / name)
    except BaseException as wrong:
        for path in linked:
            path.unlink()
        if staging is not None:
            shutil.rmtree(staging)
        for made in reversed(made_folders):
            made.rmdir()
        if isinstance(wrong, FileExistsError):
            raise PlanError(
                f"{wrong.filename2 or wrong.filename} is there already, and nothing is overwritten",
                remedy="name another folder",
            ) from wrong
        if isinstance(wrong, OSError):
            raise PlanError(
                f"{folder} cannot be written: {wrong.strerror or wrong}", remedy="name a folder of your own"
            ) from wrong
        raise
    shutil.rmtree(staging)


def _make(folder: Path, made: list[Path]) -> None:
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir()
        made.append(one)
