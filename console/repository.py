"""The git repository around a folder: branch, HEAD and what differs, read without running anything of its own.

A repository's configuration can name programs (filters, hooks, monitors, helpers). Only plumbing that
calls none of them is asked, as the repository's owner where that is not root, and the work files are
hashed here. So a file that a filter or a line-end conversion would change counts as modified.
Never writes; never asks `git status`.
"""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import stat
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

_GIT_WAIT_S = 20
_SAFE = (
    "--no-pager", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "protocol.allow=never",
    "-c", "core.attributesFile=/dev/null",
)  # fmt: skip
_ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LC_ALL": "C",
    "HOME": "/",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_TERMINAL_PROMPT": "0",
}
"""The allowed protocol that does not exist overrides what the repository allows itself (git(1))."""

_LINK, _SUBMODULE, _EXECUTABLE = "120000", "160000", "100755"


class Repository(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the git repository around a folder; empty strings where there is none with a commit.

    `status` has the lines of `git status --short`, paths relative to the folder.
    """

    branch: str = ""
    head: str = ""
    status: str = ""


@dataclass(frozen=True, kw_only=True)
class _WorkTree:
    """A work tree that git accepts, and the user as whom git is asked (None: this process's own)."""

    top: Path
    uid: int | None


def read_repository(folder: Path) -> Repository:
    """Return branch, HEAD and state of the repository around `folder`, of the folder's own files only."""
    if not folder.is_dir():
        return Repository()
    real = folder.resolve()
    tree, _refused = _work_tree_around(real)
    head = _git(tree, "rev-parse", "--verify", "--quiet", "HEAD^{commit}") if tree is not None else None
    if tree is None or not head:
        return Repository()
    branch = _git(tree, "symbolic-ref", "--quiet", "--short", "HEAD")
    return Repository(
        branch=_words(branch) or "HEAD", head=_words(head), status="\n".join(_status(tree, real))
    )


def index_listing(path: Path) -> str:
    """Return the work tree whose git index lists `path` or something below it, "" for none.

    A repository that git refuses to read (its owners differ) might list it: then it is named as well.
    """
    real = path.parent.resolve() / path.name
    tree, refused = _work_tree_around(real)
    if tree is None:
        return str(refused or "")
    return str(tree.top) if _git(tree, "ls-files", "--", str(real.relative_to(tree.top))) else ""


def _work_tree_around(path: Path) -> tuple[_WorkTree | None, Path | None]:
    """Return the innermost work tree around `path`; without one, the innermost that git refuses."""
    refused = None
    for place in (path, *path.parents):
        if not _looks_like_a_repository(place / ".git"):
            continue
        uid = _owner(place / ".git")
        found = _git(_WorkTree(top=place, uid=uid), "rev-parse", "--show-toplevel")
        if found is None:
            refused = refused or place
            continue
        top = Path(os.fsdecode(found.rstrip(b"\n")))
        if path.is_relative_to(top):
            return _WorkTree(top=top, uid=uid), None
    return None, refused


def _looks_like_a_repository(git: Path) -> bool:
    return git.is_file() or os.path.lexists(git / "HEAD")


def _owner(git: Path) -> int | None:
    """Return whose repository it is when we are root and the owner is not."""
    owner = git.lstat().st_uid
    return owner if os.geteuid() == 0 and owner != 0 else None


def _group_of(uid: int) -> int:
    try:
        return pwd.getpwuid(uid).pw_gid
    except KeyError:
        return uid


def _git(tree: _WorkTree, *words: str) -> bytes | None:
    """Return what git says, None when it refuses; without git there is nothing to say."""
    uid = tree.uid
    try:
        done = subprocess.run(
            ["git", *_SAFE, "-C", str(tree.top), *words],
            env=_ENVIRONMENT, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            check=False, timeout=_GIT_WAIT_S, start_new_session=True, user=uid,
            group=None if uid is None else _group_of(uid), extra_groups=None if uid is None else [],
        )  # fmt: skip
    except FileNotFoundError:
        return b""
    except subprocess.TimeoutExpired:
        return None
    return done.stdout if done.returncode == 0 else None


def _status(tree: _WorkTree, folder: Path) -> list[str]:
    below = str(folder.relative_to(tree.top))
    staged = _staged(tree, below)
    marks: dict[bytes, tuple[str, str]] = {path: (mark, " ") for path, mark in staged.items()}
    for mode, blob, stage, path in _index(tree, below):
        if stage != "0":
            marks[path] = ("U", "U")
            continue
        mark = _work_mark(tree.top, path, mode=mode, blob=blob)
        if mark != " ":
            marks[path] = (staged.get(path, " "), mark)
    untracked = _fields(_git(tree, "ls-files", "--others", "--exclude-standard", "-z", "--", below))
    told = [
        *((marks[path], path) for path in sorted(marks)),
        *((("?", "?"), path) for path in sorted(untracked)),
    ]
    prefix = b"" if below == "." else os.fsencode(below) + b"/"
    return [f"{''.join(letters)} {_shown(path.removeprefix(prefix))}" for letters, path in told]


def _staged(tree: _WorkTree, below: str) -> dict[bytes, str]:
    """Return how the index differs from HEAD: path to one letter (A, D, M, T or U)."""
    listed = _git(
        tree, "diff-index", "--cached", "--name-status", "--no-renames", "--no-ext-diff", "--no-textconv", "-z",
        "HEAD", "--", below,
    )  # fmt: skip
    fields = _fields(listed)
    return {path: _words(letter) for letter, path in zip(fields[::2], fields[1::2], strict=True)}


def _index(tree: _WorkTree, below: str) -> Iterator[tuple[str, str, str, bytes]]:
    """Yield mode, blob id, stage and path of every entry of the index."""
    for line in _fields(_git(tree, "ls-files", "-s", "-z", "--", below)):
        told, _tab, path = line.partition(b"\t")
        mode, blob, stage = _words(told).split()
        yield mode, blob, stage, path


def _work_mark(top: Path, path: bytes, *, mode: str, blob: str) -> str:
    """Return what became of an indexed file: " ", "M", "D" or "T" (another kind of thing)."""
    place = top / os.fsdecode(path)
    try:
        found = place.lstat()
        if place.parent.resolve() != place.parent:
            return "D"
        if mode == _SUBMODULE:
            return " " if stat.S_ISDIR(found.st_mode) else "T"
        if stat.S_ISLNK(found.st_mode) != (mode == _LINK):
            return "T"
        if mode == _LINK:
            target = os.fsencode(place.readlink())
            return " " if _blob_id([target], len(target), like=blob) == blob else "M"
        if not stat.S_ISREG(found.st_mode):
            return "D" if stat.S_ISDIR(found.st_mode) else "T"
        same = bool(found.st_mode & stat.S_IXUSR) == (mode == _EXECUTABLE)
        return " " if same and _file_id(place, like=blob) == blob else "M"
    except (FileNotFoundError, NotADirectoryError):
        return "D"
    except OSError:
        return "M"


def _file_id(place: Path, *, like: str) -> str:
    descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        size_bytes = os.fstat(descriptor).st_size
        return _blob_id(iter(lambda: file.read(1 << 20), b""), size_bytes, like=like)


def _blob_id(parts: Iterable[bytes], size_bytes: int, *, like: str) -> str:
    """Return git's id of a blob; its length says which hash the repository uses (gitformat-pack)."""
    digest = hashlib.new("sha256" if len(like) == 64 else "sha1", usedforsecurity=False)
    digest.update(f"blob {size_bytes}\0".encode())
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _fields(said: bytes | None) -> list[bytes]:
    return [field for field in (said or b"").split(b"\0") if field]


def _words(said: bytes | None) -> str:
    return (said or b"").decode("utf-8", "backslashreplace").strip()


def _shown(path: bytes) -> str:
    text = path.decode("utf-8", "backslashreplace")
    return text if text.isprintable() else json.dumps(text)
