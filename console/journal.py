"""The hash-chained journal: one JSON object a line, each hash over the one before and the line's bytes.

A line is ``{"hash":"HEX","n":…,"at":…,"event":{…}}`` and HEX is
``sha256(previous HEX + everything after the hash's comma)``, so that a stranger can check it with the
standard library. Appending is durable (fsync) before it returns. Only one process may append: the
writer holds a lock on the file. Nothing reaches the file before it went through the secret registry.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import msgspec

from console.errors import JournalBroken
from console.model.event import Entry, Event, SecretRedacted

if TYPE_CHECKING:
    from console.secrets import SecretRegistry

GENESIS = "0" * 64
_HEAD = b'{"hash":"'
_BODY_AT = len(_HEAD) + 64 + len(b'",')
_MAX_LINE_BYTES = 64 << 20
_LOCK_ATTEMPTS, _LOCK_PAUSE_S = 100, 0.02

_decoder = msgspec.json.Decoder(Entry)
_encoder = msgspec.json.Encoder()


def now_at() -> str:
    """Return the time as UTC, ISO 8601, in milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def chain(previous: str, body: bytes) -> str:
    """Return the hash of a line's `body` (its bytes after the hash's comma) after `previous`."""
    return hashlib.sha256(previous.encode("ascii") + body).hexdigest()


def _lock(descriptor: int) -> None:
    """Take the lock; a reader that asks whether it is held takes it for a moment, so try for a while."""
    for _attempt in range(_LOCK_ATTEMPTS - 1):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOCK_PAUSE_S)
        else:
            return
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class JournalWriter:
    """Appends events durably; refuses a journal that somebody else appends to or that is broken."""

    def __init__(self, path: Path, registry: SecretRegistry) -> None:
        """Open `path` for appending, creating it 0600; a torn last line is cut off.

        Raises JournalBroken when the chain does not verify and BlockingIOError when another process
        holds it for longer than a reader's glance.
        """
        self._registry = registry
        self._path = path
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(path, flags, 0o600)
        self.torn_bytes = 0
        self._n, self._hash, self._end_bytes = 0, GENESIS, 0
        try:
            _lock(self._descriptor)
            for line, entry, end in _verified_lines(path):
                self._n, self._hash, self._end_bytes = (
                    entry.n,
                    line[len(_HEAD) : len(_HEAD) + 64].decode(),
                    end,
                )
            self.torn_bytes = os.fstat(self._descriptor).st_size - self._end_bytes
            if self.torn_bytes:
                os.ftruncate(self._descriptor, self._end_bytes)
        except BaseException:
            os.close(self._descriptor)
            raise

    @property
    def head(self) -> str:
        """Return the hash of the last line."""
        return self._hash

    @property
    def n(self) -> int:
        """Return the number of the last line."""
        return self._n

    def append(self, event: Event, *, origin: str = "engine") -> list[Entry]:
        """Write one event (and one SecretRedacted for each secret taken out of it) and fsync.

        Raises OSError when they cannot be made durable as a whole; the journal is then as it was before.
        Raises JournalBroken when somebody else has made the file longer or shorter.
        """
        cleaned = self._registry.redact_value(event, origin=origin)
        noted = [
            SecretRedacted(secret=it.secret, origin=it.origin, form=it.form, position=it.position)
            for it in self._registry.take_redactions()
        ]
        if os.fstat(self._descriptor).st_size != self._end_bytes:
            raise JournalBroken(str(self._path), self._n + 1, "somebody else has changed the file's size")
        before = self._n, self._hash, self._end_bytes
        try:
            entries = [self._write(msgspec.to_builtins(one)) for one in (cleaned, *noted)]
            os.fsync(self._descriptor)
        except OSError:
            self._n, self._hash, self._end_bytes = before
            os.ftruncate(self._descriptor, self._end_bytes)
            raise
        return entries

    def _write(self, event: Any) -> Entry:
        body = _encoder.encode({"n": self._n + 1, "at": now_at(), "event": event})[1:] + b"\n"
        entry = _decoder.decode(b"{" + body)
        head = chain(self._hash, body)
        line = _HEAD + head.encode("ascii") + b'",' + body
        view = memoryview(line)
        while view:
            view = view[os.write(self._descriptor, view) :]
        self._n, self._hash, self._end_bytes = entry.n, head, self._end_bytes + len(line)
        return entry

    def close(self) -> None:
        """Release the lock."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _verified_lines(path: Path) -> Iterator[tuple[bytes, Entry, int]]:
    previous, end = GENESIS, 0
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(_MAX_LINE_BYTES), b""), 1):
            if not line.endswith(b"\n"):
                if len(line) >= _MAX_LINE_BYTES:
                    raise JournalBroken(str(path), number, "the line is longer than any that is written")
                return
            entry = _verify_line(path, number, line, previous)
            previous, end = line[len(_HEAD) : len(_HEAD) + 64].decode("ascii"), end + len(line)
            yield line, entry, end


def _verify_line(path: Path, number: int, line: bytes, previous: str) -> Entry:
    if not line.startswith(_HEAD) or line[len(_HEAD) + 64 : _BODY_AT] != b'",':
        raise JournalBroken(str(path), number, "the line does not begin with its hash")
    said = line[len(_HEAD) : len(_HEAD) + 64]
    if chain(previous, line[_BODY_AT:]).encode("ascii") != said:
        raise JournalBroken(str(path), number, "the hash does not fit the line and the one before it")
    try:
        entry = _decoder.decode(b"{" + line[_BODY_AT:])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise JournalBroken(str(path), number, f"not an event: {wrong}") from wrong
    if entry.n != number:
        raise JournalBroken(str(path), number, f"the line says that it is number {entry.n}")
    return entry


def read_journal(path: Path) -> list[Entry]:
    """Return every whole, verified entry; a torn last line is left out.

    Raises JournalBroken at the first line that does not verify, FileNotFoundError without a journal.
    """
    return [entry for _line, entry, _end in _verified_lines(path)]


def read_verified_beginning(path: Path) -> list[Entry]:
    """Return the entries before the first line that does not verify, empty where there is no journal."""
    found: list[Entry] = []
    try:
        for _line, entry, _end in _verified_lines(path):
            found.append(entry)
    except (JournalBroken, OSError):
        return found
    return found


def hold_journal(path: Path) -> int:
    """Return a descriptor that holds a journal without the means to write it.

    Raises BlockingIOError when another process holds it, OSError when it cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        _lock(descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def read_verified(path: Path) -> Iterator[tuple[Entry, str, int]]:
    """Yield every whole, verified entry with its hash and the offset (bytes) at which its line ends.

    Raises JournalBroken at the first line that does not verify, FileNotFoundError without a journal.
    """
    for line, entry, end in _verified_lines(path):
        yield entry, line[len(_HEAD) : len(_HEAD) + 64].decode("ascii"), end


class JournalTail:
    """Follows a growing journal: each call of `new_entries` returns what is whole and verified."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset_bytes = 0
        self._previous = GENESIS
        self._number = 0

    def new_entries(self) -> list[Entry]:
        """Return the entries since the last call, empty when there are none (or no file yet)."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset_bytes)
                grown = file.read()
        except FileNotFoundError:
            return []
        found: list[Entry] = []
        for text in grown.split(b"\n")[:-1]:
            line = text + b"\n"
            found.append(_verify_line(self._path, self._number + 1, line, self._previous))
            self._previous = line[len(_HEAD) : len(_HEAD) + 64].decode("ascii")
            self._number += 1
            self._offset_bytes += len(line)
        return found
