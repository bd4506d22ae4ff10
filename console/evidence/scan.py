"""The leak scan: known secrets in every form, searched for in everything that is kept.

Says where and in which form, never what. Looks into gzip and zstd members wherever they begin, also in each
other, in constant memory. A file that cannot be read is a finding, and a scan that a limit stopped is not clean.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import zstandard

from console.evidence.needles import GZIP_MAGIC, LONGEST_VERIFIER_BYTES, Hit, Needles
from console.evidence.sieve import clear_windows
from console.evidence.storage import open_regular

CHUNK_BYTES = 1 << 20
"""Large beside what a call costs that lets the interpreter's lock go and takes it again, some 15 µs."""
_MEMBER_CHUNK_BYTES = 1 << 16
"""Of what a member unpacks to: members can be many and small."""
MOST_FINDINGS = 1000
MOST_DEEP = 4
MOST_OPEN = 8
MOST_NESTED = 100_000
"""Members of members in one file: where they overlap, there are many more of them than bytes."""
MOST_UNPACKED_BYTES = 64 << 30
_LARGEST_WINDOW_BYTES = 128 << 20
_PIECE_BYTES = 1 << 20
_FIRST_FED_BYTES = 4 << 10
"""Of a member that may have begun; most that look like one end there, and each next piece is twice as long."""
_SLICE_BYTES = 2 << 10
"""A slice of this size unpacks to at most some 64 MB, however it was made (zstd: 128 KB from 4 bytes)."""
_FEWEST_TOLD_BYTES = 1 << 10
"""What chance takes for a member breaks sooner: of 60 000 with random bytes behind them 136 gave 64, none as many."""
_LONGEST_HEAD_BYTES = 256 << 10
"""Before it unpacks to anything, a zstd block takes 128 KB, a gzip header as much as its name is long."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One place: `inside` says in which compressed members, outermost first; `at` is the offset there."""

    file: str
    at: int = -1
    form: str = ""
    secret: str = ""
    inside: str = ""
    trouble: str = ""

    def __str__(self) -> str:
        if self.trouble:
            return f"{self.file} {self.trouble}"
        inside = f"{self.inside}, " if self.inside else ""
        return f"{self.file} {inside}at {self.at} as {self.form} of {self.secret}"


@dataclass(frozen=True, kw_only=True)
class Scanned:
    """What was searched, what was found, and what a limit kept from being searched."""

    files: int
    bytes: int
    found: tuple[Finding, ...]
    limits: tuple[str, ...] = ()

    @property
    def findings(self) -> tuple[str, ...]:
        """Return each finding as "file at offset as form of secret's name"."""
        return tuple(map(str, self.found))

    @property
    def everything(self) -> tuple[str, ...]:
        """Return findings and limits: empty is clean."""
        return (*self.findings, *self.limits)


@dataclass(kw_only=True)
class _Search:
    """What the streams of one file share."""

    file: str
    needles: Needles
    found: list[Finding] = field(default_factory=list)
    limits: dict[str, None] = field(default_factory=dict)
    nested: int = 0
    open_members: int = 0
    unpacked_bytes: int = 0

    def limit(self, what: str) -> None:
        if len(self.limits) < MOST_FINDINGS:
            self.limits[f"{self.file}: {what}"] = None

    def add(self, finding: Finding) -> None:
        if len(self.found) < MOST_FINDINGS:
            self.found.append(finding)
        else:
            self.limit(f"more than {MOST_FINDINGS} findings, the rest is not told")


class _Frame(Protocol):
    """What zlib and zstandard unpack one member with."""

    @property
    def eof(self) -> bool: ...

    def decompress(self, data: bytes, /) -> bytes: ...


def _frame(kind: str) -> _Frame:
    if kind == "gzip":
        return zlib.decompressobj(31)
    decompressor = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW_BYTES)
    return decompressor.decompressobj(write_size=_PIECE_BYTES)


class _Unpacker:
    """Takes compressed bytes and returns unpacked ones, a bounded amount at a time."""

    def __init__(self, kind: str) -> None:
        self._kind, self._frame = kind, _frame(kind)
        self._head = b""
        self.begun = False

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Yield what the bytes unpack to. Raises zlib.error and ZstdError where they are broken.

        Both libraries keep to themselves what they unpacked in the call that fails: nothing is lost of a member that
        breaks before it `begun`, and up to a slice of one that breaks later.
        """
        for at in range(0, len(data), _SLICE_BYTES):
            if self.ended:
                return
            piece = data[at : at + _SLICE_BYTES]
            if not self.begun:
                self._head += piece
            try:
                unpacked = self._frame.decompress(piece)
            except (zlib.error, zstandard.ZstdError):
                if not self.begun:
                    yield from self._byte_by_byte()
                raise
            if unpacked or len(self._head) > _LONGEST_HEAD_BYTES:
                self.begun, self._head = True, b""
            yield unpacked

    def _byte_by_byte(self) -> Iterator[bytes]:
        """Yield the same in few pieces: each is searched together with what is kept of the one before."""
        frame, unpacked = _frame(self._kind), bytearray()
        with suppress(zlib.error, zstandard.ZstdError):  # its caller raises what it met
            for byte in memoryview(self._head):
                unpacked += frame.decompress(bytes([byte]))
                if len(unpacked) >= _MEMBER_CHUNK_BYTES:
                    yield bytes(unpacked)
                    unpacked.clear()
        yield bytes(unpacked)

    @property
    def ended(self) -> bool:
        """Whether the member came to its own end."""
        return self._frame.eof


class _Member:
    """A compressed member that has begun: what it unpacks to is searched like a file."""

    def __init__(self, search: _Search, kind: str, inside: str, depth: int) -> None:
        self._search, self._kind, self._inside = search, kind, inside
        self._unpacker = _Unpacker(kind)
        self._stream = _Stream(search, inside=inside, depth=depth)
        self.over = False
        search.open_members += 1

    def feed(self, data: bytes) -> None:
        """Unpack and search; `over` when it ended, broke off or met a limit."""
        try:
            for piece in self._unpacker.pieces(data):
                self._search.unpacked_bytes += len(piece)
                if self._search.unpacked_bytes > MOST_UNPACKED_BYTES:
                    self._search.limit(f"unpacks to more than {MOST_UNPACKED_BYTES} bytes")
                    break
                if piece:
                    self._stream.feed(piece)
            else:
                if not self._unpacker.ended:
                    return
        except (zlib.error, zstandard.ZstdError) as broken:
            if "memory" in str(broken):
                self._search.limit(f"{self._inside}: its window is larger than {_LARGEST_WINDOW_BYTES} bytes")
            elif self._unpacker.begun or self._stream.offset >= _FEWEST_TOLD_BYTES:
                self._search.limit(f"{self._inside}: it is broken, and not all of it could be searched")
        self.close()

    def close(self) -> None:
        """Search what its own members hold and let it go."""
        if not self.over:
            self.over = True
            self._search.open_members -= 1
            self._stream.close()
            if not self._unpacker.ended and self._inside in ("in gzip at 0", "in zstd at 0"):
                self._search.limit(f"{self._inside}: it breaks off, and what follows cannot be searched")


class _Stream:
    """Bytes in pieces: each window shares its beginning with the one before, in one buffer, so that few are copied."""

    def __init__(self, search: _Search, *, inside: str = "", depth: int = 0) -> None:
        self._search, self._inside, self._depth = search, inside, depth
        self._most_kept = search.needles.longest_bytes - 1
        self._chunk_bytes = CHUNK_BYTES if not depth else min(CHUNK_BYTES, _MEMBER_CHUNK_BYTES)
        self._buffer = bytearray()
        self._kept = 0
        self._passed_over = False
        self._offset = 0
        self._members: list[_Member] = []

    @property
    def offset(self) -> int:
        """How many bytes are behind."""
        return self._offset

    @property
    def unpacking(self) -> bool:
        """Whether a member goes on, which needs every byte."""
        return bool(self._members)

    def pass_over(self, size_bytes: int) -> None:
        """Leave out bytes in which nothing begins and nothing ends."""
        self._offset += size_bytes
        self._kept, self._passed_over = 0, True

    def read(self, descriptor: int) -> int:
        """Read and search the next piece of a file, and return its length; 0 at the end."""
        if self._passed_over:
            shared = min(self._offset, self._most_kept)
            self._kept = _read(descriptor, self._room()[:shared], self._offset - shared)
            self._passed_over = False
        got = _read(descriptor, self._room(), self._offset)
        if got:
            self._took(got)
        return got

    def feed(self, data: bytes) -> None:
        """Search bytes that something else has read."""
        for at in range(0, len(data), self._chunk_bytes):
            piece = data[at : at + self._chunk_bytes]
            self._room()[: len(piece)] = piece
            self._took(len(piece))

    def _room(self) -> memoryview:
        """Return where the next piece may be written, for `_took`."""
        if not self._buffer:  # made late: what only looks like a member's beginning has no stream
            self._buffer = bytearray(self._most_kept + self._chunk_bytes)
        return memoryview(self._buffer)[self._kept : self._kept + self._chunk_bytes]

    def _took(self, size_bytes: int) -> None:
        """Search the piece that was written into the room; what ends in what was kept was told before."""
        old = self._kept
        with memoryview(self._buffer) as whole, whole[: old + size_bytes] as window:
            for member in self._members:
                member.feed(bytes(window[old:]))
            self._search_window(window, old)
            kept = min(len(window), self._most_kept)
            whole[:kept] = window[len(window) - kept :]
        self._kept = kept
        self._offset += size_bytes

    def _search_window(self, window: memoryview, old: int) -> None:
        base = self._offset - old
        hits, members, limits = self._search.needles.search(window)
        for hit in hits:
            if hit[1] > old:
                self._tell(hit, base)
        for place, magic in members:
            if place + len(magic) > old:
                self._open(window, place, base, "gzip" if magic == GZIP_MAGIC else "zstd")
        for what in limits:
            self._search.limit(what)
        self._members = [member for member in self._members if not member.over]

    def _tell(self, hit: Hit, base: int) -> None:
        begin, _end, form, name = hit
        self._search.add(
            Finding(file=self._search.file, at=base + begin, form=form, secret=name, inside=self._inside)
        )

    def _open(self, window: memoryview, place: int, base: int, kind: str) -> None:
        inside = f"{self._inside}, in {kind} at {base + place}".removeprefix(", ")
        if self._depth >= MOST_DEEP or self._search.open_members >= MOST_OPEN:
            self._search.limit(
                f"{inside}: not unpacked: more than {MOST_DEEP} deep, or {MOST_OPEN} at a time"
            )
            return
        self._search.nested += self._depth > 0
        if self._search.nested > MOST_NESTED:
            self._search.limit(f"more than {MOST_NESTED} members begin in others, and not all are unpacked")
            return
        member, size_bytes = _Member(self._search, kind, inside, self._depth + 1), _FIRST_FED_BYTES
        while place < len(window) and not member.over:
            member.feed(bytes(window[place : place + size_bytes]))
            place, size_bytes = place + size_bytes, 2 * size_bytes
        if not member.over:
            self._members.append(member)

    def close(self) -> None:
        """End what is still being unpacked: a member that never ended was searched as far as it goes."""
        for member in self._members:
            member.close()
        self._members = []


def _read(descriptor: int, room: memoryview, at: int) -> int:
    """Fill the room as far as the file goes, and return how far that is."""
    got = 0
    while more := os.preadv(descriptor, [room[got:]], at + got):
        got += more
    return got


def scan_files(paths: Iterable[Path], secrets: Mapping[str, str], *, root: Path) -> Scanned:
    """Search every file for every form of every secret, in constant memory, across chunk borders."""
    needles = Needles(secrets)
    files = size_bytes = 0
    found: list[Finding] = []
    limits: list[str] = []
    for path in paths:
        shown = str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
        search = _Search(file=shown, needles=needles)
        try:
            read_bytes = _scan_file(path, search)
        except OSError as wrong:
            found.append(Finding(file=shown, trouble=f"cannot be read: {wrong.strerror}"))
            continue
        files += 1
        size_bytes += read_bytes
        found += search.found
        limits += search.limits
    return Scanned(files=files, bytes=size_bytes, found=tuple(found), limits=tuple(limits))


def _scan_file(path: Path, search: _Search) -> int:
    """Search one file and return how many bytes it has; windows that are clear are passed over."""
    stream = _Stream(search)
    with open_regular(path) as file:
        descriptor = file.fileno()
        looking = clear_windows(descriptor, search.needles, CHUNK_BYTES, wanted=lambda: not stream.unpacking)
        with closing(looking):
            for clear in looking:
                if clear and not stream.unpacking:
                    stream.pass_over(CHUNK_BYTES)
                elif stream.read(descriptor) < CHUNK_BYTES:
                    break  # it was cut since, and what it grows by has other windows
        while stream.read(descriptor):
            pass
    stream.close()
    return stream.offset


__all__ = ["LONGEST_VERIFIER_BYTES", "Finding", "Scanned", "scan_files"]
