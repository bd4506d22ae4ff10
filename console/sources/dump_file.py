"""A source that is a dump file from elsewhere: hostile until proven otherwise (design section 10).

Owns the one pass that copies, hashes and lexes it, so that what is restored is what was judged. Runs no
program on it and connects to nothing; the environment restores it, unprivileged.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Collection
from pathlib import Path
from typing import IO, Literal

import msgspec

from console.environments.programs import SAFE_RESTORE_MINOR, Programs
from console.errors import PlanError, StepFailed
from console.model.beside_facts import Beside
from console.model.catalogue import Manifest
from console.model.config import SourceConfig
from console.model.migration_facts import OwnedElsewhere
from console.model.protocols import Abort
from console.sources.dump_lexer import STATEMENT_LIMIT_BYTES, DumpLexer, Refused
from console.sources.dump_rules import judge_of
from console.sources.manifest import (
    beside_path,
    manifest_path,
    owners_path,
    read_beside_file,
    read_manifest_file,
    read_owners_file,
)

Kind = Literal["archive", "plain"]

RESTRICT_SINCE_MINOR = {15: 14, 16: 10, 17: 6, 18: 0}
"""First minor release whose psql knows \\restrict (release notes of August 2025)."""

_PIECE_BYTES = 1 << 20
_REPORT_EVERY_BYTES = 64 << 20
_FOREIGN_MAGIC = (
    (b"\x1f\x8b", 0, "is compressed with gzip", "decompress it first"),
    (b"\x28\xb5\x2f\xfd", 0, "is compressed with zstd", "decompress it first"),
    (b"BZh", 0, "is compressed with bzip2", "decompress it first"),
    (b"\xfd7zXZ", 0, "is compressed with xz", "decompress it first"),
    (b"ustar", 257, "is a tar archive", "dump again with --format=plain"),
)


class CopiedDump(msgspec.Struct, frozen=True, kw_only=True):
    """The dump as it lies in the work folder: its kind, size, and the sha256 of it and of the file given.

    The two differ where `\\restrict` and `\\unrestrict` were taken out.
    """

    kind: Kind
    sha256: str
    given_sha256: str
    size_bytes: int


class DumpFileSource:
    """A dump file, and the manifest beside it where there is one."""

    kind = "dump_file"
    living = False

    def __init__(self, config: SourceConfig, programs: Programs) -> None:
        self.path = Path(config.path)
        self._manifest_path = manifest_path(self.path, config.manifest)
        self._programs = programs

    def prepare(self) -> None:
        """A file needs nothing made."""

    def database_bytes(self) -> int:
        """Return the size of the file, the only size that is known."""
        return self.path.stat().st_size

    def manifest(self) -> Manifest | None:
        """Return the manifest beside the dump, None when there is none."""
        return read_manifest_file(self._manifest_path)

    def beside(self) -> Beside | None:
        """Return the settings and publications told beside the dump, None where there is no such file."""
        return read_beside_file(beside_path(self.path))

    def owned_elsewhere(self) -> OwnedElsewhere | None:
        """Return what the file beside the dump says of its owners, None when there is none."""
        return read_owners_file(owners_path(self.path))

    def copy(self, into: Path, *, abort: Abort, progress: Callable[[int], None]) -> CopiedDump:
        """Copy the dump into the new file `into`; plain text is lexed on the way.

        Raises StepFailed (source) with the line and the words of what is not restored.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            given = _opened(self.path)
        except PlanError as gone:
            raise StepFailed(gone.what, cause="source") from gone
        with given, os.fdopen(os.open(into, flags, 0o600), "wb") as file:
            kind = _kind_of(self.path, given)
            writing = _Copying(given, file, abort=abort, progress=progress)
            if kind == "archive":
                writing.copy_all()
            else:
                lex(self.path, writing.lines, extensions=available_extensions(self._programs))
        return CopiedDump(
            kind=kind, sha256=writing.written.hexdigest(), given_sha256=writing.read.hexdigest(),
            size_bytes=writing.size_bytes,
        )  # fmt: skip


class _Copying:
    """Reads a file once, in bounded pieces, and writes what comes of it; both are hashed."""

    def __init__(
        self, given: IO[bytes], into: IO[bytes], *, abort: Abort, progress: Callable[[int], None]
    ) -> None:
        self._given, self._into, self._abort, self._progress = given, into, abort, progress
        self.read, self.written = hashlib.sha256(), hashlib.sha256()
        self.size_bytes = self._told_bytes = self._read_bytes = 0

    def copy_all(self) -> None:
        """Copy byte for byte."""
        while piece := self._given.read(_PIECE_BYTES):
            self._take(piece)
            self._write(piece)

    def lines(self, lexer: DumpLexer) -> None:
        """Copy what the lexer lets through."""
        while line := next_line(self._given, lexer):
            self._take(line)
            self._write(lexer.feed(line))

    def _take(self, piece: bytes) -> None:
        self.read.update(piece)
        self._read_bytes += len(piece)
        if self._read_bytes - self._told_bytes >= _REPORT_EVERY_BYTES:
            self._told_bytes = self._read_bytes
            self._abort.raise_if_requested()
            self._progress(self._read_bytes)

    def _write(self, piece: bytes) -> None:
        self.written.update(piece)
        self._into.write(piece)
        self.size_bytes += len(piece)


def next_line(given: IO[bytes], lexer: DumpLexer) -> bytes:
    """Return the next line, or a piece of one where COPY data may have long lines; empty at the end."""
    return given.readline(_PIECE_BYTES if lexer.in_data else STATEMENT_LIMIT_BYTES + 1)


def lex(path: Path, feed: Callable[[DumpLexer], None], *, extensions: Collection[str] | None) -> None:
    """Return when `feed` has given a whole dump to the lexer, StepFailed (source) when it is refused."""
    lexer = DumpLexer(judge_of(extensions))
    try:
        feed(lexer)
        lexer.end()
    except Refused as wrong:
        gate = "G-08" if wrong.truncated else None
        raise StepFailed(
            f"the dump {path.name} is not restored: {wrong}", cause="source", gate=gate
        ) from wrong


def check_dump_file(config: SourceConfig, programs: Programs, *, environment: str) -> None:
    """Raise PlanError for what can be known of a dump file before anything is made."""
    path = Path(config.path)
    with _opened(path) as file:
        kind = _kind_of(path, file)
    if environment == "embedded" and not config.accept_untrusted:
        raise PlanError(
            f"the dump {path} comes from elsewhere, and the embedded environment is a separate cluster, "
            "not a sandbox",
            remedy="write accept_untrusted = true under [source] to accept that, or use --environment docker",
        )
    if kind == "archive" and not programs.may_read_foreign_dumps:
        safe = ", ".join(f"{major}.{minor}" for major, minor in sorted(SAFE_RESTORE_MINOR.items()))
        raise PlanError(
            f"the dump {path} is an archive, and pg_restore {programs.version} is not safe with archives "
            "from elsewhere",
            remedy=f"name newer programs with --pg-programs ({safe} or later), or dump with --format=plain",
        )
    if kind == "plain" and programs.minor < RESTRICT_SINCE_MINOR.get(programs.major, 0):
        raise PlanError(
            f"psql {programs.version} cannot be restricted while it reads the dump {path}",
            remedy="name newer programs with --pg-programs: "
            f"{programs.major}.{RESTRICT_SINCE_MINOR[programs.major]} or later",
        )
    read_manifest_file(manifest_path(path, config.manifest))


def available_extensions(programs: Programs) -> frozenset[str] | None:
    """Return the extensions that these programs bring, None where their folder is not known."""
    folders = (
        programs.root / "share" / "postgresql" / "extension",
        programs.root / "share" / "extension",
        Path(f"/usr/share/postgresql/{programs.major}/extension"),
    )
    found = next((folder for folder in folders if folder.is_dir()), None)
    return frozenset(path.stem for path in found.glob("*.control")) if found is not None else None


def _opened(path: Path) -> IO[bytes]:
    remedy = "name a regular file made by pg_dump --format=plain or --format=custom in [source] path"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as wrong:
        raise PlanError(f"the dump {path} cannot be opened: {wrong.strerror}", remedy=remedy) from wrong
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise PlanError(f"the dump {path} is no regular file", remedy=remedy)
    return os.fdopen(descriptor, "rb")


def _kind_of(path: Path, file: IO[bytes]) -> Kind:
    head = file.read(512)
    file.seek(0)
    for magic, offset, what, remedy in _FOREIGN_MAGIC:
        if head[offset : offset + len(magic)] == magic:
            raise PlanError(f"the dump {path} {what}", remedy=remedy)
    return "archive" if head.startswith(b"PGDMP") else "plain"
