"""A cluster's data folder copied file by file and hashed: to be kept, and from what was kept.

Owns which files belong to a copy (what pg_basebackup takes, no WAL but the last, no configuration, no log) and the one
hash over them. What is kept is hashed as it is read; what is laid out of it is copied by the kernel, and the kept files
are read after that, beside other work. Follows no link; a folder that has one (a tablespace) is not kept.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from queue import SimpleQueue
from typing import TypeVar

import msgspec

from console.environments.cluster import Cluster
from console.environments.file_pieces import Piece, batches, clone, pieces
from console.environments.process import run_program
from console.errors import StepFailed
from console.kept import KeptFile
from console.model.protocols import Abort

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

Done = TypeVar("Done")


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


Stamp = tuple[int, int, int]
"""Of what nobody has written: size in bytes, modification and change time in ns. No inode: one of FUSE's may get
another number when the kernel forgets it, and what takes a file's place changes the times of the folder."""

_AROUND = {".": "its data folder", "..": "its folder"}
"""What is stamped of a kept folder beside what lies in it: whoever takes it away and puts it back renames it."""


@dataclass(frozen=True, kw_only=True)
class LaidOut:
    """What was laid out of a kept folder, how its bytes were copied, and what all of it was before that, by name."""

    folders: dict[str, Stamp]
    files: dict[str, Stamp]
    shared: bool

    @property
    def size_bytes(self) -> int:
        """Return the bytes of all files."""
        return sum(stamp[0] for stamp in self.files.values())


class Folders:
    """Copies of one data folder's files, several pieces at once; `abort` is asked between two of them."""

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
        return self._copied(data, into, folders, names)

    def laid_out(self, kept: Path, into: Path, *, uid: int | None) -> LaidOut:
        """Copy all that lies in a kept folder into an empty one, whose files are `uid`'s from the first moment.

        Nobody has looked at what was copied: `read` tells what the kept files are, `changed` that they stayed the same.
        """
        folders, names = _contents(kept, everything=True)
        around = {name: _stamp(kept, name) for name in (*_AROUND, *folders)}
        files = {name: _stamp(kept, name) for name in names}
        _make_folders(into, folders, uid)
        shared = clone(kept, into, names, uid, abort=self._abort)
        if not shared:
            sizes = {name: stamp[0] for name, stamp in files.items()}
            self._for_each(Piece.move, pieces(kept, into, sizes, uid=uid))
        return LaidOut(folders=around, files=files, shared=shared)

    def read(self, kept: Path) -> Listing:
        """Read all that lies in a kept folder."""
        folders, names = _contents(kept, everything=True)
        return self._read(kept, None, folders, names)

    def _copied(self, source: Path, into: Path, folders: list[str], names: list[str]) -> Listing:
        _make_folders(into, folders, None)
        shared = clone(source, into, names, None, abort=self._abort)
        listing = self._read(source, None if shared else into, folders, names)
        return msgspec.structs.replace(listing, shared=shared)

    def _read(self, source: Path, into: Path | None, folders: list[str], names: list[str]) -> Listing:
        """Read every file, and write what was read where there is somewhere to write it."""
        sizes = {name: (source / name).lstat().st_size for name in names}
        parts = pieces(source, into, sizes)
        totals = {name: hashlib.sha256() for name in names}
        for piece, digest in zip(parts, self._for_each(Piece.hash, parts), strict=True):
            totals[piece.name].update(digest)
        files = {name: KeptFile(size=sizes[name], sha256=totals[name].hexdigest()) for name in sorted(names)}
        return Listing(folders=folders, files=files)

    def _for_each(self, work: Callable[[Piece], Done], parts: list[Piece]) -> list[Done]:
        """Return what `work` makes of each. One thread has large pieces while another has small ones, many at once:
        two with small ones wait for each other more than they work. Raises what failed first, as soon as it did."""

        def one(batch: list[Piece]) -> list[Done]:
            done = []
            for piece in batch:
                self._abort.raise_if_requested()
                done.append(work(piece))
            return done

        several = batches(parts)
        ended = SimpleQueue[Future[list[Done]]]()
        with ThreadPoolExecutor(self._at_once) as pool:
            waiting: dict[int, Future[list[Done]]] = {}
            try:
                for turn in range(len(several)):
                    at = turn // 2 if turn % 2 == 0 else len(several) - 1 - turn // 2
                    waiting[at] = pool.submit(one, several[at])
                    waiting[at].add_done_callback(ended.put)
                for _batch in several:
                    ended.get().result()
            finally:
                pool.shutdown(cancel_futures=True)
        return [done for at in range(len(several)) for done in waiting[at].result()]


def differences(kept: Mapping[str, KeptFile], found: Mapping[str, KeptFile]) -> tuple[str, ...]:
    """Return in words every file that is missing, too much, or another one than was kept."""
    missing = [f"{name} is missing" for name in sorted(kept.keys() - found.keys())]
    more = [f"{name} was not kept" for name in sorted(found.keys() - kept.keys())]
    other = [
        f"{name} is another file" for name in sorted(kept.keys() & found.keys()) if kept[name] != found[name]
    ]
    return (*missing, *more, *other)


def changed(kept: Path, laid_out: LaidOut) -> tuple[str, ...]:
    """Return in words what of a kept folder was written, replaced or renamed since it was to be copied."""
    return tuple(
        f"{_AROUND.get(name, name)} was changed while it was copied"
        for name, stamp in sorted({**laid_out.folders, **laid_out.files}.items())
        if _stamp(kept, name) != stamp
    )


def _stamp(folder: Path, name: str) -> Stamp:
    try:
        found = os.lstat(f"{folder}/{name}")
    except (FileNotFoundError, NotADirectoryError):
        return 0, 0, 0
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _make_folders(into: Path, folders: list[str], uid: int | None) -> None:
    for name in folders:
        (into / name).mkdir(mode=0o700)
        if uid is not None:
            os.chown(into / name, uid, uid)


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
                _require_words(data, path)
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


def _require_words(data: Path, path: PurePosixPath) -> None:
    """Raise StepFailed (environment) for a name that no list could hold; PostgreSQL has none."""
    try:
        path.name.encode()
    except UnicodeEncodeError as odd:
        told = os.fsencode(data / path).decode("utf-8", "backslashreplace")
        raise StepFailed(f"{told} has a name that is no UTF-8: it is not kept", cause="environment") from odd


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
