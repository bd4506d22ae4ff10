"""Scenario packs as they lie on disk: found by name, folder or entry point, decoded and checked against themselves.

Reads files only; never imports a pack's code (only the harness does, in its own process).
"""

from __future__ import annotations

import errno
import hashlib
import importlib.util
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
from console.model.pack import Pack, Scenario
from console.model.pack_rules import faults
from console.model.problem import Wrong
from console.pack_code import declared_scenarios, spelled_out
from console.reading import first_unread_line, json_lines, line_of, misfits, toml_lines
from console.settings import data_folder

T = TypeVar("T")

_LONGEST_TOML_BYTES, _LONGEST_JSON_BYTES = 1 << 20, 64 << 20
ENTRY_POINTS = "drydock.packs"
"""The group in which an installed distribution names its packs: name = "package.folder"."""

_SQLSTATE = re.compile(r"[0-9A-Z]{5}")

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


def installed_packs() -> dict[str, Path]:
    """Return the packs of installed distributions by their entry point's name; nothing of theirs is imported.

    Raises PackError for an entry point that names no folder with a pack.toml, and for a name that occurs twice.
    """
    from importlib.metadata import (
        entry_points,
    )  # and with it all of `email`: only for a pack that is not shipped

    found: dict[str, Path] = {}
    for point in entry_points(group=ENTRY_POINTS):
        folder = _folder_of(point.value)
        if folder is None:
            raise PackError(
                f"the entry point {point.name} = {point.value!r} in {ENTRY_POINTS} names no folder with a pack.toml",
                remedy="name it as package.folder, and let the distribution hold the folder's files",
            )
        if found.setdefault(point.name, folder) != folder:
            raise PackError(f"two installed packs are called {point.name}", remedy="name the pack's folder")
    return found


def _folder_of(dotted: str) -> Path | None:
    """Return the folder of package.folder.below; only the first part is looked for, and none is imported."""
    top, *below = dotted.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    places = [Path(place, *below) for place in (spec.submodule_search_locations or () if spec else ())]
    return next((place.resolve() for place in places if (place / "pack.toml").is_file()), None)


def find_pack(name: str) -> Path:
    """Return the folder of a pack: a shipped name, a path or an entry point. Raises PackError naming the known ones."""
    for folder in (data_folder("scenarios") / name, Path(name)):
        if (folder / "pack.toml").is_file():
            return folder.resolve()
    installed = installed_packs()
    if name in installed:
        return installed[name]
    known = ", ".join([*(folder.name for folder in pack_folders()), *installed]) or "none"
    raise PackError(
        f"there is no pack {name!r} (a pack is a folder with a pack.toml)",
        remedy=f"name one of the known packs ({known}) or a folder",
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
    declared, of_code = _read_code(folder, pack)
    wrong = [*wrong, *more, *still_more, *of_code]
    if pack is not None:
        scenarios = (*pack.scenario, *declared)
        wrong += _wrong_declarations(folder, scenarios)
        pack = msgspec.structs.replace(pack, scenario=spelled_out(scenarios))
        wrong += _contradictions(folder / "pack.toml", pack, inventory, lines)
        if privileges is not None:
            wrong += [
                _told(folder / "pack.toml", fault, "words that fit") for fault in faults(pack, privileges)
            ]
    if wrong or pack is None or inventory is None or privileges is None:
        return None, wrong
    return LoadedPack(folder=folder, pack=pack, inventory=inventory, privileges=privileges), []


def _read_code(folder: Path, pack: Pack | None) -> tuple[tuple[Scenario, ...], list[Wrong]]:
    """Return what pack.py declares, which is read as text; migrations need none."""
    code = folder / "pack.py"
    if not code.is_file():
        if pack is not None and pack.migration is not None:
            return (), []
        return (), [
            _told(
                folder,
                "the pack has no pack.py",
                "a file pack.py",
                remedy="write the scenario functions there",
            )
        ]
    try:
        return declared_scenarios(code), []
    except PackError as wrong:
        found = wrong.what.removeprefix(str(code))
        return (), [_told(code, found.lstrip(":, "), "decorators of literals", remedy=wrong.remedy)]


def _told(file: Path, found: str, expected: str, *, remedy: str = "mend the file") -> Wrong:
    return Wrong(file=str(file), found=found, expected=expected, remedy=remedy)


Lines = Mapping[tuple[str | int, ...], int]


def _read_toml(path: Path) -> tuple[Pack | None, list[Wrong], Lines]:
    try:
        text = _document(path, _LONGEST_TOML_BYTES).decode()
        decoded = tomllib.loads(text)
    except OSError as wrong:
        return None, [_unreadable(path, str(wrong.strerror))], {}
    except tomllib.TOMLDecodeError as wrong:
        return None, [_unreadable(path, str(wrong), line=first_unread_line(text))], {}
    except UnicodeDecodeError as wrong:
        return None, [_unreadable(path, str(wrong))], {}
    except RecursionError:
        return None, [_unreadable(path, "it is nested too deep")], {}
    lines = toml_lines(text)
    found = _misfits(path, decoded, Pack, lines)
    return None if found else msgspec.convert(decoded, Pack), found, lines


def _read_json(path: Path, shape: type[T]) -> tuple[T | None, list[Wrong]]:
    try:
        content = _document(path, _LONGEST_JSON_BYTES)
        decoded = msgspec.json.decode(content)
    except OSError as wrong:
        return None, [_unreadable(path, str(wrong.strerror))]
    except msgspec.DecodeError as wrong:
        line = content.count(b"\n", 0, _byte_in(str(wrong))) + 1
        return None, [_unreadable(path, str(wrong), line=line)]
    except RecursionError:
        return None, [_unreadable(path, "it is nested too deep")]
    try:
        return msgspec.convert(decoded, shape), []
    except msgspec.ValidationError:
        return None, _misfits(path, decoded, shape, json_lines(content.decode()))


def _document(path: Path, longest_bytes: int) -> bytes:
    """Return a regular file's bytes: no link is followed, no pipe waited for, and no more read than is allowed."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        content = file.read(longest_bytes + 1)
    if len(content) > longest_bytes:
        raise OSError(errno.EFBIG, f"it is longer than {longest_bytes} bytes")
    return content


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


def _wrong_declarations(folder: Path, scenarios: tuple[Scenario, ...]) -> Iterator[Wrong]:
    for one in scenarios:
        place = f"scenario {one.id!r}"
        if one.repeatable and one.kind != "happy":
            found = f"{place} is {one.kind} and repeatable"
            yield _told(folder, found, "happy", remedy="only a happy one is repeated")
        for attempt in one.attempt:
            at = attempt.fails_at
            if at is not None and (at < 1 if isinstance(at, int) else not at.strip()):
                found = f"{place}, attempt {attempt.name}: fails_at {at!r} is no statement"
                yield _told(
                    folder, found, "a statement", remedy="write its number, from 1, or a text that it holds"
                )
            if attempt.refused and not _SQLSTATE.fullmatch(attempt.refused):
                found = f"{place}, attempt {attempt.name}: {attempt.refused!r} is no SQLSTATE"
                remedy = 'write its five characters, such as refused = "42501"'
                yield _told(folder, found, "a SQLSTATE", remedy=remedy)


def _contradictions(path: Path, pack: Pack, inventory: Inventory | None, lines: Lines) -> Iterator[Wrong]:
    def told(place: tuple[str | int, ...], found: str, expected: str) -> Wrong:
        key = ".".join(map(str, place))
        return Wrong(
            file=str(path), line=line_of(place, lines), key=key, found=found, expected=expected,
            remedy="mend the file",
        )  # fmt: skip

    tables = set(pack.tables)
    if isinstance(pack.baseline, dict) and set(pack.baseline) != tables:
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
