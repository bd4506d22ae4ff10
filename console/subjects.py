"""The code under rehearsal as it lies on disk: a folder, or a patch over another folder of its pack.

A subject folder with a `subject.toml` stands for the folder that its `base` names with the changes
that it lists; each `find` must occur exactly once. Copies files; never imports or runs them.
"""

from __future__ import annotations

import tempfile
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from console.errors import PackError, SubjectError
from console.packs import copy_tree, tree_sha256

PATCH_FILE = "subject.toml"


class Change(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Replace `find`, which occurs exactly once in `file`, by `replace`."""

    file: str
    find: str
    replace: str


class PatchedSubject(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A subject as base and changes; `sentence` says what a reviewer should know, `expect` is for tests."""

    base: str
    sentence: str = ""
    change: tuple[Change, ...]
    expect: dict[str, Any] = {}


def read_patch(folder: Path) -> PatchedSubject | None:
    """Return the patch of a subject folder, None for an ordinary one. Raises SubjectError."""
    path = folder / PATCH_FILE
    if not path.is_file():
        return None
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), PatchedSubject)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as wrong:
        raise SubjectError(f"{path} cannot be read: {wrong}", remedy="mend the file") from wrong


def materialise(folder: Path, into: Path) -> None:
    """Copy a subject (with its changes applied) into the new folder `into`.

    Raises SubjectError when the folder is missing, holds links, its base lies outside its pack, or a
    change does not fit exactly once.
    """
    if not folder.is_dir():
        raise SubjectError(f"there is no subject folder {folder}", remedy="name a folder with --subject")
    patch = read_patch(folder)
    if patch is None:
        _copy(folder, into)
        return
    base = (folder / patch.base).resolve()
    home = _pack_of(folder)
    if home is None or not base.is_relative_to(home) or not base.is_dir():
        raise SubjectError(
            f"{folder / PATCH_FILE}: the base {patch.base!r} is no folder of the same pack",
            remedy="name a folder below the one that holds pack.toml",
        )
    _copy(base, into)
    for change in patch.change:
        _apply(folder, into, change)


def subject_sha256(folder: Path, scratch: Path) -> str:
    """Return `tree_sha256` of what `materialise` lays out, and raise as it does.

    Only a subject with changes is laid out for it, in a folder of its own below `scratch`, which is removed again.
    """
    if folder.is_dir() and read_patch(folder) is None:
        try:
            return tree_sha256(folder)
        except PackError as wrong:
            raise SubjectError(wrong.what, remedy=wrong.remedy) from wrong
    with tempfile.TemporaryDirectory(dir=scratch, prefix="digest-") as made:
        copy = Path(made) / "subject"
        materialise(folder, copy)
        return tree_sha256(copy)


def _pack_of(folder: Path) -> Path | None:
    resolved = folder.resolve()
    return next((parent for parent in resolved.parents if (parent / "pack.toml").is_file()), None)


def _copy(folder: Path, into: Path) -> None:
    try:
        copy_tree(folder, into)
    except PackError as wrong:
        raise SubjectError(wrong.what, remedy=wrong.remedy) from wrong


def _apply(folder: Path, into: Path, change: Change) -> None:
    target = (into / change.file).resolve()
    place = f"{folder / PATCH_FILE}: the change of {change.file!r}"
    if not target.is_relative_to(into.resolve()) or not target.is_file():
        raise SubjectError(f"{place} names no file of the base", remedy="mend the path")
    content, find = target.read_bytes(), change.find.encode()
    occurrences = content.count(find)
    if occurrences != 1:
        raise SubjectError(f"{place} occurs {occurrences} times, not once", remedy="mend its find text")
    target.write_bytes(content.replace(find, change.replace.encode()))
