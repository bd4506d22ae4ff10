"""Scenario packs as they lie on disk: found by name, folder or entry point, decoded and checked against themselves.

Reads files only; never imports a pack's code (only the harness does, in its own process).
"""

from __future__ import annotations

import errno
import hashlib
import importlib.metadata
import importlib.util
import os
import re
import stat
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from console.errors import PackError
from console.model.catalogue import Inventory, Privileges
from console.model.pack import Pack, Scenario
from console.model.pack_rules import faults
from console.pack_code import declared_scenarios, spelled_out
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
    found: dict[str, Path] = {}
    for point in importlib.metadata.entry_points(group=ENTRY_POINTS):
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

    Raises PackError that names the file and what is wrong in it.
    """
    loaded, problems = read_pack(folder)
    for problem in problems:
        raise problem
    assert loaded is not None
    return loaded


def read_pack(folder: Path) -> tuple[LoadedPack | None, list[PackError]]:
    """Return a pack and every problem of its files; None instead of a pack when one of them cannot be read."""
    problems: list[PackError] = []

    def tried(read: Callable[[], T]) -> T | None:
        try:
            return read()
        except PackError as wrong:
            problems.append(wrong)
            return None

    pack = tried(lambda: _decode_toml(folder / "pack.toml"))
    inventory = tried(lambda: _decode_json(folder / "frozen" / "inventory.json", Inventory))
    privileges = tried(lambda: _decode_json(folder / "frozen" / "privileges.json", Privileges))
    needs_code = pack is None or pack.migration is None
    declared = tried(lambda: _declared(folder)) if needs_code or (folder / "pack.py").is_file() else ()
    if pack is None or inventory is None or privileges is None or declared is None:
        return None, problems
    scenarios = (*pack.scenario, *declared)
    problems += _wrong_declarations(folder, scenarios)
    pack = msgspec.structs.replace(pack, scenario=spelled_out(scenarios))
    problems += _contradictions(folder, pack, inventory)
    for fault in faults(pack, privileges):
        problems.append(PackError(f"{folder / 'pack.toml'}: {fault}", remedy="mend the file"))
    return LoadedPack(folder=folder, pack=pack, inventory=inventory, privileges=privileges), problems


def _declared(folder: Path) -> tuple[Scenario, ...]:
    if not (folder / "pack.py").is_file():
        raise PackError(f"{folder} has no pack.py", remedy="write the scenario functions there")
    return declared_scenarios(folder / "pack.py")


def _decode_toml(path: Path) -> Pack:
    try:
        return msgspec.convert(tomllib.loads(_document(path, _LONGEST_TOML_BYTES).decode()), Pack)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as wrong:
        raise PackError(f"{path} cannot be read: {wrong}", remedy="mend the file") from wrong
    except RecursionError as deep:
        raise PackError(f"{path} cannot be read: it is nested too deep", remedy="mend the file") from deep


def _decode_json(path: Path, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(_document(path, _LONGEST_JSON_BYTES), type=shape)
    except (OSError, msgspec.DecodeError) as wrong:
        raise PackError(f"{path} cannot be read: {wrong}", remedy="mend the file") from wrong
    except RecursionError as deep:
        raise PackError(f"{path} cannot be read: it is nested too deep", remedy="mend the file") from deep


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


def _wrong_declarations(folder: Path, scenarios: tuple[Scenario, ...]) -> Iterator[PackError]:
    for one in scenarios:
        place = f"{folder}: scenario {one.id!r}"
        if one.repeatable and one.kind != "happy":
            yield PackError(f"{place} is {one.kind} and repeatable", remedy="only a happy one is repeated")
        for attempt in one.attempt:
            at = attempt.fails_at
            if at is not None and (at < 1 if isinstance(at, int) else not at.strip()):
                what = f"{place}, attempt {attempt.name}: fails_at {at!r} is no statement"
                yield PackError(what, remedy="write its number, from 1, or a text that it holds")
            if attempt.refused and not _SQLSTATE.fullmatch(attempt.refused):
                what = f"{place}, attempt {attempt.name}: {attempt.refused!r} is no SQLSTATE"
                yield PackError(what, remedy='write its five characters, such as refused = "42501"')


def _contradictions(folder: Path, pack: Pack, inventory: Inventory) -> Iterator[PackError]:
    ids = [scenario.id for scenario in pack.scenario]
    for wrong, sentence in (
        (len(set(ids)) != len(ids), "a scenario id occurs twice"),
        (set(pack.baseline) != set(pack.tables), "[baseline] does not name exactly the tables"),
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
            yield PackError(f"{folder / 'pack.toml'}: {sentence}", remedy="mend the file")


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
