"""Scenario packs as they lie on disk: found by name or folder, decoded and checked against themselves.

Reads files only; never imports a pack's code (only the harness does, in its own process).
"""

from __future__ import annotations

import hashlib
import os
import stat
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from console.errors import PackError
from console.model.catalogue import Inventory, Privileges
from console.model.pack import Pack
from console.settings import data_folder

T = TypeVar("T")

LEFT_OUT = frozenset({"__pycache__", ".git", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis"})
"""Folders that neither travel nor count: they change without anybody changing the code."""


@dataclass(frozen=True, kw_only=True)
class LoadedPack:
    """A pack, its frozen expectations and the folder they came from."""

    folder: Path
    pack: Pack
    inventory: Inventory
    privileges: Privileges


def pack_folders() -> list[Path]:
    """Return the folders of the shipped packs, sorted by name."""
    return sorted(path.parent for path in data_folder("scenarios").glob("*/pack.toml"))


def find_pack(name: str) -> Path:
    """Return the folder of a pack: a shipped name or a path. Raises PackError naming the known ones."""
    for folder in (data_folder("scenarios") / name, Path(name)):
        if (folder / "pack.toml").is_file():
            return folder.resolve()
    known = ", ".join(folder.name for folder in pack_folders()) or "none"
    raise PackError(
        f"there is no pack {name!r} (a pack is a folder with a pack.toml)",
        remedy=f"name one of the shipped packs ({known}) or a folder",
    )


def load_pack(folder: Path) -> LoadedPack:
    """Decode a pack and check that it does not contradict itself.

    Raises PackError that names the file and what is wrong in it.
    """
    pack = _decode_toml(folder / "pack.toml")
    inventory = _decode_json(folder / "frozen" / "inventory.json", Inventory)
    privileges = _decode_json(folder / "frozen" / "privileges.json", Privileges)
    if not (folder / "pack.py").is_file():
        raise PackError(f"{folder} has no pack.py", remedy="write the scenario functions there")
    _check(folder, pack, inventory)
    return LoadedPack(folder=folder, pack=pack, inventory=inventory, privileges=privileges)


def _decode_toml(path: Path) -> Pack:
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Pack)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as wrong:
        raise PackError(f"{path} cannot be read: {wrong}", remedy="mend the file") from wrong


def _decode_json(path: Path, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(path.read_bytes(), type=shape)
    except (OSError, msgspec.DecodeError) as wrong:
        raise PackError(f"{path} cannot be read: {wrong}", remedy="mend the file") from wrong


def _check(folder: Path, pack: Pack, inventory: Inventory) -> None:
    ids = [scenario.id for scenario in pack.scenario]
    for wrong, sentence in (
        (len(set(ids)) != len(ids), "a scenario id occurs twice"),
        (
            isinstance(pack.baseline, dict) and set(pack.baseline) != set(pack.tables),
            "[baseline] does not name exactly the tables",
        ),
        (set(inventory.tables) != set(pack.tables), "frozen/inventory.json does not hold exactly the tables"),
        (
            any(not set(scenario.rows) <= set(pack.tables) for scenario in pack.scenario),
            "a scenario expects rows in a table that the pack does not name",
        ),
        (
            any(scenario.kind != "happy" and any(scenario.rows.values()) for scenario in pack.scenario),
            "a negative or replay scenario expects row changes",
        ),
    ):
        if wrong:
            raise PackError(f"{folder / 'pack.toml'}: {sentence}", remedy="mend the file")


def tree_files(folder: Path) -> list[Path]:
    """Return the regular files below `folder`, sorted by their relative path; caches are left out.

    Raises PackError for a link or a special file: what is hashed must be what travels.
    """
    found: list[Path] = []
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in LEFT_OUT)
        for name in sorted([*files, *folders]):
            path = Path(root, name)
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode):
                if path.suffix != ".pyc":
                    found.append(path)
            elif not stat.S_ISDIR(mode):
                raise PackError(f"{path} is a link or a special file", remedy="replace it by a regular file")
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def copy_tree(folder: Path, into: Path) -> None:
    """Copy exactly what `tree_files` names into the new folder `into`: no compiled file travels along."""
    into.mkdir(mode=0o700)
    for path in tree_files(folder):
        target = into / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())


def placed_sha256(folder: Path) -> str:
    """Return `tree_sha256` of a copy in place, where nothing may be left out.

    Python runs a compiled file without looking at its source, so one that was put there changes the hash,
    and so does a link.
    """
    lines: dict[str, str] = {}
    for path in folder.rglob("*"):
        name, mode = path.relative_to(folder).as_posix(), path.lstat().st_mode
        if stat.S_ISREG(mode):
            lines[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        elif not stat.S_ISDIR(mode):
            lines[name] = "a link or a special file"
    text = "".join(f"{lines[name]}  {name}\n" for name in sorted(lines))
    return hashlib.sha256(text.encode()).hexdigest()


def tree_sha256(folder: Path) -> str:
    """Return one hash over the paths and contents of a folder's files."""
    total = hashlib.sha256()
    for path in tree_files(folder):
        name = path.relative_to(folder).as_posix()
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"{content}  {name}\n".encode())
    return total.hexdigest()
