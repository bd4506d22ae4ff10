"""Scenario packs as they lie on disk: found by name or folder, decoded and checked against themselves.

Reads files only; never imports a pack's code (only the harness does, in its own process).
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from console.errors import PackError
from console.model.catalogue import Inventory, Privileges
from console.model.pack import Pack
from console.model.problem import Wrong
from console.reading import first_unread_line, json_lines, line_of, misfits, toml_lines
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

    Raises PackError that names the file, the line where there is one, and what is wrong there.
    """
    loaded, wrong = read_pack(folder)
    if loaded is None:
        raise PackError(wrong[0].what, remedy=wrong[0].remedy)
    return loaded


def read_pack(folder: Path) -> tuple[LoadedPack | None, list[Wrong]]:
    """Return a pack and nothing, or None and everything that is wrong with its files."""
    pack, wrong, lines = _read_toml(folder / "pack.toml")
    inventory, more = _read_json(folder / "frozen" / "inventory.json", Inventory)
    privileges, still_more = _read_json(folder / "frozen" / "privileges.json", Privileges)
    wrong = [*wrong, *more, *still_more]
    if not (folder / "pack.py").is_file():
        wrong.append(
            Wrong(
                file=str(folder), found="the pack has no pack.py", expected="a file pack.py",
                remedy="write the scenario functions there",
            )
        )  # fmt: skip
    if pack is not None:
        wrong += _contradictions(folder / "pack.toml", pack, inventory, lines)
    if wrong or pack is None or inventory is None or privileges is None:
        return None, wrong
    return LoadedPack(folder=folder, pack=pack, inventory=inventory, privileges=privileges), []


Lines = Mapping[tuple[str | int, ...], int]


def _read_toml(path: Path) -> tuple[Pack | None, list[Wrong], Lines]:
    try:
        text = path.read_text(encoding="utf-8")
        decoded = tomllib.loads(text)
    except OSError as wrong:
        return None, [_unreadable(path, str(wrong.strerror))], {}
    except tomllib.TOMLDecodeError as wrong:
        return None, [_unreadable(path, str(wrong), line=first_unread_line(text))], {}
    except (UnicodeDecodeError, RecursionError) as wrong:
        return None, [_unreadable(path, str(wrong))], {}
    lines = toml_lines(text)
    found = _misfits(path, decoded, Pack, lines)
    return None if found else msgspec.convert(decoded, Pack), found, lines


def _read_json(path: Path, shape: type[T]) -> tuple[T | None, list[Wrong]]:
    try:
        content = path.read_bytes()
        decoded = msgspec.json.decode(content)
    except OSError as wrong:
        return None, [_unreadable(path, str(wrong.strerror))]
    except msgspec.DecodeError as wrong:
        line = content.count(b"\n", 0, _byte_in(str(wrong))) + 1
        return None, [_unreadable(path, str(wrong), line=line)]
    except RecursionError as wrong:
        return None, [_unreadable(path, str(wrong))]
    try:
        return msgspec.convert(decoded, shape), []
    except msgspec.ValidationError:
        return None, _misfits(path, decoded, shape, json_lines(content.decode()))


def _byte_in(said: str) -> int | None:
    """Return the byte that a decoder names, None (the end) for one that names none."""
    place = re.search(r"\(byte (\d+)\)", said)
    return int(place[1]) if place else None


def _unreadable(path: Path, why: str, *, line: int = 0) -> Wrong:
    return Wrong(
        file=str(path), line=line, found=f"the file cannot be read: {why}",
        expected="TOML in UTF-8" if path.suffix == ".toml" else "JSON in UTF-8", remedy="mend the file",
    )  # fmt: skip


def _misfits(path: Path, decoded: Any, shape: Any, lines: Lines) -> list[Wrong]:
    return [
        Wrong(
            file=str(path), line=line_of(one.path, lines), key=".".join(map(str, one.path)), found=one.found,
            expected=one.expected, remedy=one.remedy,
        )
        for one in misfits(decoded, shape)
    ]  # fmt: skip


def _contradictions(path: Path, pack: Pack, inventory: Inventory | None, lines: Lines) -> Iterator[Wrong]:
    def told(place: tuple[str | int, ...], found: str, expected: str) -> Wrong:
        key = ".".join(map(str, place))
        return Wrong(
            file=str(path), line=line_of(place, lines), key=key, found=found, expected=expected,
            remedy="mend the file",
        )  # fmt: skip

    tables = set(pack.tables)
    if set(pack.baseline) != tables:
        found = "[baseline] does not name exactly the tables" + _difference(set(pack.baseline), tables)
        yield told(("baseline",), found, "one row count for each of the tables")
    if inventory is not None and set(inventory.tables) != tables:
        found = "frozen/inventory.json does not hold exactly the tables" + _difference(
            set(inventory.tables), tables
        )
        yield told(("tables",), found, "the same tables in both")
    seen: set[str] = set()
    for number, scenario in enumerate(pack.scenario):
        place = ("scenario", number)
        if scenario.id in seen:
            yield told((*place, "id"), f"a scenario id occurs twice: {scenario.id}", "an id of its own")
        seen.add(scenario.id)
        if not set(scenario.rows) <= tables:
            names = ", ".join(sorted(set(scenario.rows) - tables))
            found = f"a scenario expects rows in a table that the pack does not name: {names}"
            yield told((*place, "rows"), found, "tables that the pack names")
        if scenario.kind != "happy" and any(scenario.rows.values()):
            found = f"a negative or replay scenario expects row changes: {scenario.id}"
            yield told((*place, "rows"), found, 'no rows, or kind = "happy"')


def _difference(found: set[str], tables: set[str]) -> str:
    parts = [("without", tables - found), ("beside them", found - tables)]
    return "".join(f", {words} {', '.join(sorted(names))}" for words, names in parts if names)


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
