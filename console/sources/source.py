"""What every source of a copy offers, as one small protocol and its values."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec
import psycopg

from console.model.protocols import Abort, Receipts


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What identifies a source: its system_identifier and when its server was started (text).

    `read_only` tells whether the look could not have written: a session's transaction_read_only, or
    files that were opened for reading.
    """

    system_identifier: str
    started_at: str
    read_only: bool


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One exported snapshot of the source: its name for pg_dump, the server's version and size.

    `packed_bytes` of a large one are what the server may keep compressed.
    """

    name: str
    server_version_num: int
    database_bytes: int
    packed_bytes: int = 0


class Dumped(msgspec.Struct, frozen=True, kw_only=True):
    """A finished dump: sha256 (`archive.dump_sha256`) and size, and pg_dump's exit code and last words."""

    sha256: str
    size_bytes: int
    returncode: int
    words: str
    arguments: tuple[str, ...]
    kind: Literal["archive"] = "archive"


class Source(Protocol):
    """Where the copy comes from; everything here is read-only there."""

    kind: str
    living: bool

    def prepare(self) -> None:
        """Make what the source itself needs (the demo's production); others do nothing."""

    def look(self) -> Look:
        """Return the source's identity now."""

    def database_bytes(self) -> int:
        """Return the size of the database that will be copied."""

    def server_major(self) -> int:
        """Return the major version of the source's server."""

    def snapshot(self) -> AbstractContextManager[tuple[psycopg.Connection[Any], Snapshot]]:
        """Open a read-only REPEATABLE READ transaction and export its snapshot."""

    def dump_kind(self, snapshot: Snapshot) -> Literal["file", "folder"]:
        """Return what the dump of that snapshot will be."""

    def dump(
        self, snapshot: Snapshot, into: Path, *, receipts: Receipts, abort: Abort, progress: Any,
        leave_out: Sequence[str] = (),
    ) -> Dumped:  # fmt: skip
        """Write the dump of that snapshot to the new `into`, and hash it; `leave_out` says what not."""
