"""The dump as it lies in the work folder: one file, or pg_dump's folder with a file for each table.

Owns which files that is, their one hash and their end. Reads no content.
"""

from __future__ import annotations

import hashlib
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from console.model.protocols import Abort
from console.secrets import destroy_file

_PIECE_BYTES = 4 << 20
_AT_ONCE = 2
NAME = "source.dump"
"""Under this name it lies in every place; a folder of this name is overwritten before it is removed."""
CONTENTS = "toc.dat"
"""A folder's table of contents, with all that is no row (pg_dump, directory format)."""


def dump_files(path: Path) -> list[Path]:
    """Return the dump's files: itself, or those of its folder by name. Nothing but plain files counts."""
    if not stat.S_ISDIR(path.lstat().st_mode):
        return [path]
    return sorted(one for one in path.iterdir() if stat.S_ISREG(one.lstat().st_mode))


def dump_sha256(path: Path, abort: Abort) -> str:
    """Return the sha256 of a file; of a folder that of what ``sha256sum *`` says in it (names in the C locale)."""
    if not stat.S_ISDIR(path.lstat().st_mode):
        return _sha256(path, abort)
    files = dump_files(path)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        hashes = list(pool.map(partial(_sha256, abort=abort), files))
    lines = "".join(f"{found}  {one.name}\n" for found, one in zip(hashes, files, strict=True))
    return hashlib.sha256(lines.encode()).hexdigest()


def dump_bytes(path: Path) -> int:
    """Return the bytes of all its files; 0 where there is nothing yet."""
    try:
        return sum(one.lstat().st_size for one in dump_files(path))
    except FileNotFoundError:
        return 0


def destroy_dump(path: Path, *, spare: str = "") -> None:
    """Overwrite and remove every file of it but the spared one; an emptied folder stays, whose receipt others have."""
    if os.path.lexists(path):
        for one in dump_files(path):
            if one.name != spare:
                destroy_file(one)


def _sha256(path: Path, abort: Abort) -> str:
    total = hashlib.sha256()
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        while piece := file.read(_PIECE_BYTES):
            abort.raise_if_requested()
            total.update(piece)
    return total.hexdigest()


def is_dump_folder(kind: str, name: str) -> bool:
    """Tell whether a receipt is of a folder with a dump in it: production's rows, not only something big."""
    return kind == "folder" and Path(name).name == NAME
