"""A cluster's data folder copied file by file, each hashed as it is read: to be kept, and from what was kept.

Owns which files belong to a copy (what pg_basebackup takes, no WAL but the last, no configuration, no log) and the one
hash over them. Follows no link; a folder that has one (a tablespace) is not kept.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import msgspec

from console.environments.cloning import FICLONE
from console.environments.cluster import Cluster
from console.environments.process import run_program
from console.errors import StepFailed
from console.kept import KeptFile
from console.model.protocols import Abort

_PIECE_BYTES = 16 << 20
_READ_BYTES = 1 << 20
_HEADER_BYTES = 40
"""XLogLongPageHeaderData (access/xlog_internal.h)."""

_SEGMENT = re.compile(r"[0-9A-F]{24}")
_REDO_SEGMENT = re.compile(r"^Latest checkpoint's REDO WAL file: +([0-9A-F]{24})$", re.MULTILINE)
_WITHOUT_CONTENT = frozenset({
    "log", "pg_dynshmem", "pg_notify", "pg_replslot", "pg_serial", "pg_snapshots", "pg_stat", "pg_stat_tmp",
    "pg_subtrans",
})  # fmt: skip
"""Folders that a server fills anew (protocol-replication, BASE_BACKUP), and what it counted of earlier sessions."""

_LEFT_OUT = frozenset({
    "postmaster.pid", "postmaster.opts", "current_logfiles", "pg_internal.init", "backup_label", "tablespace_map",
    "postgresql.auto.conf.tmp", "pg_hba.conf", "pg_ident.conf", "postgresql.conf", "postgresql.auto.conf",
})  # fmt: skip
_TEMPORARY = "pgsql_tmp"


@contextmanager
def resting(cluster: Cluster) -> Iterator[str]:
    """Stop a server in order for the block and start it again afterwards; yield its last checkpoint's WAL segment.

    What raises in the block leaves it stopped: then only the teardown follows.
    """
    cluster.rest()
    told = run_program(
        [cluster.programs.path("pg_controldata"), "-D", str(cluster.data_folder)],
        name="pg_controldata", scratch=cluster.folder, uid=cluster.uid, receipts=cluster.receipts,
    )  # fmt: skip
    found = _REDO_SEGMENT.search(told.stdout.decode("utf-8", "replace"))
    if told.returncode or found is None:
        raise StepFailed(
            f"pg_controldata of {cluster.label} failed: {told.stderr.strip()}", cause="environment"
        )
    yield found[1]
    cluster.start()


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """The folders (those above first) and files of a copied data folder, and how its bytes were copied."""

    folders: list[str]
    files: dict[str, KeptFile]
    shared: bool = False

    @property
    def size_bytes(self) -> int:
        """Return the bytes of all files."""
        return sum(one.size for one in self.files.values())

    @property
    def sha256(self) -> str:
        """Return one hash over all names, sizes and contents."""
        words = [sorted(self.folders), sorted(self.files.items())]
        return hashlib.sha256(msgspec.json.encode(words)).hexdigest()


class Folders:
    """Copies of one data folder's files, read once; `abort` is asked between two pieces."""

    def __init__(self, abort: Abort, *, at_once: int = 0) -> None:
        self._abort = abort
        self._at_once = at_once or max(2, min(4, os.cpu_count() or 2))

    def kept(self, data: Path, into: Path, *, redo_segment: str) -> Listing:
        """Copy a cleanly stopped server's data folder into a new one.

        Of its WAL only the segment of the last checkpoint and the one after it. Raises StepFailed (environment) for
        a link or a special file.
        """
        folders, names = _contents(data)
        segments = sorted(name for name in names if PurePosixPath(name).parent == PurePosixPath("pg_wal"))
        wanted = set(_segments(data, segments, redo_segment))
        names = [name for name in names if name not in segments or name in wanted]
        return self._copied(data, into, folders, names, uid=None)

    def laid_out(self, kept: Path, into: Path, *, uid: int | None) -> Listing:
        """Copy all that lies in a kept folder into an empty one, whose files are `uid`'s from the first moment."""
        folders, names = _contents(kept, everything=True)
        return self._copied(kept, into, folders, names, uid=uid)

    def read(self, kept: Path) -> Listing:
        """Read all that lies in a kept folder."""
        folders, names = _contents(kept, everything=True)
        return self._each(kept, None, folders, names, uid=None)

    def _copied(
        self, source: Path, into: Path, folders: list[str], names: list[str], *, uid: int | None
    ) -> Listing:
        for name in folders:
            (into / name).mkdir(mode=0o700)
            if uid is not None:
                os.chown(into / name, uid, uid)
        return self._each(source, into, folders, names, uid=uid)

    def _each(
        self, source: Path, into: Path | None, folders: list[str], names: list[str], *, uid: int | None
    ) -> Listing:
        """Read every file in pieces, several at once, and write what was read; the largest files go first."""
        sizes = {name: (source / name).lstat().st_size for name in names}
        shared = into is not None and _made(source, into, names, uid)
        pieces = [
            _Piece(
                source=source / name, target=into / name if into is not None and not shared else None, at=at,
                length=min(_PIECE_BYTES, sizes[name] - at),
            )
            for name in sorted(names, key=lambda name: -sizes[name])
            for at in range(0, sizes[name] or 1, _PIECE_BYTES)
        ]  # fmt: skip
        with ThreadPoolExecutor(self._at_once) as pool:
            digests = list(pool.map(self._one, pieces))
        totals = {name: hashlib.sha256() for name in names}
        for piece, digest in zip(pieces, digests, strict=True):
            totals[str(piece.source.relative_to(source))].update(digest)
        files = {name: KeptFile(size=sizes[name], sha256=totals[name].hexdigest()) for name in sorted(names)}
        return Listing(folders=folders, files=files, shared=shared)

    def _one(self, piece: _Piece) -> bytes:
        """Return the digest of a piece; what was read is written where there is somewhere to write it."""
        self._abort.raise_if_requested()
        total, room = hashlib.sha256(), memoryview(bytearray(_READ_BYTES))
        source = os.open(piece.source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        target = -1
        try:
            if piece.target is not None:
                target = os.open(piece.target, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            at, end = piece.at, piece.at + piece.length
            while at < end:
                got = os.preadv(source, [room[: min(_READ_BYTES, end - at)]], at)
                if not got:
                    raise StepFailed(
                        f"{piece.source} became shorter while it was copied", cause="environment"
                    )
                total.update(room[:got])
                if target >= 0:
                    _write(target, room[:got], at)
                at += got
        finally:
            os.close(source)
            if target >= 0:
                os.close(target)
        return total.digest()


@dataclass(frozen=True, kw_only=True)
class _Piece:
    """Bytes `at` to `at + length` of one file, and where they go; nowhere to be read only."""

    source: Path
    target: Path | None
    at: int
    length: int


def differences(kept: Mapping[str, KeptFile], found: Mapping[str, KeptFile]) -> tuple[str, ...]:
    """Return in words every file that is missing, too much, or another one than was kept."""
    missing = [f"{name} is missing" for name in sorted(kept.keys() - found.keys())]
    more = [f"{name} was not kept" for name in sorted(found.keys() - kept.keys())]
    other = [
        f"{name} is another file" for name in sorted(kept.keys() & found.keys()) if kept[name] != found[name]
    ]
    return (*missing, *more, *other)


def _made(source: Path, into: Path, names: list[str], uid: int | None) -> bool:
    """Make every file, empty or with its blocks shared where the file system can; return whether all are shared."""
    shares = bool(names)
    for name in names:
        target = os.open(
            into / name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
        )
        try:
            if uid is not None:
                os.fchown(target, uid, uid)
            shares = shares and _cloned(source / name, target)
        finally:
            os.close(target)
    return shares


def _cloned(source: Path, target: int) -> bool:
    given = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.ioctl(target, FICLONE, given)
    except OSError:
        return False
    finally:
        os.close(given)
    return True


def _write(target: int, content: memoryview, at: int) -> None:
    while content:
        written = os.pwrite(target, content, at)
        content, at = content[written:], at + written


def _contents(data: Path, *, everything: bool = False) -> tuple[list[str], list[str]]:
    """Return the folders, those above first, and the files of a copy of a data folder, as paths below it."""
    folders: list[str] = []
    names: list[str] = []
    waiting = [PurePosixPath()]
    while waiting:
        here = waiting.pop()
        with os.scandir(data / here) as inside:
            for entry in sorted(inside, key=lambda one: one.name):
                path = here / entry.name
                if entry.is_dir(follow_symlinks=False):
                    if everything or not entry.name.startswith(_TEMPORARY):
                        folders.append(str(path))
                        waiting += [path] if everything or str(path) not in _WITHOUT_CONTENT else []
                elif not entry.is_file(follow_symlinks=False):
                    raise StepFailed(
                        f"{data / path} is a link or no file: it is not kept", cause="environment"
                    )
                elif everything or entry.name not in _LEFT_OUT:
                    names.append(str(path))
    return sorted(folders, key=lambda name: (name.count("/"), name)), names


def _segments(data: Path, segments: list[str], redo_segment: str) -> list[str]:
    """Return the segment in which the last checkpoint begins, and the next one where it is of this cluster.

    Raises StepFailed (environment) where the first is missing: then the server was not stopped in order.
    """
    names = [name for name in sorted(segments) if _SEGMENT.fullmatch(Path(name).name)]
    from_there = [name for name in names if Path(name).name >= redo_segment][:2]
    if not from_there or Path(from_there[0]).name != redo_segment:
        raise StepFailed(
            f"the WAL segment {redo_segment} of the last checkpoint is missing", cause="environment"
        )
    return [name for name in from_there if _has_header(data / name)]


def _has_header(segment: Path) -> bool:
    """Tell whether a segment was ever written: one that was made in advance begins with zeros."""
    with segment.open("rb") as file:
        return any(file.read(_HEADER_BYTES))
