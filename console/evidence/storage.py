"""How the files of a pack lie on disk: large ones as zstd, all of them listed in one manifest.

Writes below one run's folder only; a file is replaced by its compressed form only when that is whole on disk.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import IO, Any

import msgspec
import zstandard

LARGE_BYTES = 1 << 20
"""What is larger is compressed; a small file stays readable with a pager."""

LARGEST_DOCUMENT_BYTES = 64 << 20
"""No manifest and no seal is larger; what is would only fill the memory of whoever checks it."""

MANIFEST_FILE = "manifest.json"
SUFFIX = ".zst"
_LEVEL = 6
_PIECE_BYTES = 1 << 20
_UNLISTED = frozenset({MANIFEST_FILE, "seal.json", "seal.sig"})
_PASSING = frozenset({"secrets", "scratch", "control.sock"})
_ALWAYS_PLAIN = frozenset({"journal.jsonl", "order.json"})


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """Size and sha256 of some bytes."""

    size_bytes: int
    sha256: str


class KeptFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file as it lies in the pack, and what it unpacks to where it is compressed."""

    path: str
    size_bytes: int
    sha256: str
    unpacked: Content | None = None


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Every file of a pack but the manifest, the final seal and its signature."""

    run: str
    files: tuple[KeptFile, ...]
    format: int = 1


def kept_files(folder: Path) -> list[Path]:
    """Return what a manifest lists, sorted by path; links and special files too, so that none hides."""
    found: list[Path] = []
    for root, folders, names in os.walk(folder):
        below = Path(root)
        if below == folder:
            folders[:] = [name for name in folders if name not in _PASSING]
            names = [name for name in names if name not in _PASSING | _UNLISTED]
        links = [name for name in folders if (below / name).is_symlink()]
        found += [below / name for name in (*names, *links)]
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def content_of(path: Path) -> Content:
    """Return size and sha256 of a regular file as it lies there. Raises OSError for a link or a special file."""
    with open_regular(path) as file:
        digest = hashlib.file_digest(file, "sha256")
        return Content(size_bytes=os.fstat(file.fileno()).st_size, sha256=digest.hexdigest())


def unpacked_content_of(path: Path) -> Content:
    """Return size and sha256 of what a zstd file unpacks to. Raises OSError or ZstdError."""
    digest, size_bytes = hashlib.sha256(), 0
    with open_kept(path) as file:
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
            size_bytes += len(piece)
    return Content(size_bytes=size_bytes, sha256=digest.hexdigest())


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file for reading, following no link and waiting for no pipe."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(22, "it is no regular file", str(path))
    return os.fdopen(descriptor, "rb")


def read_document(path: Path) -> bytes:
    """Return the bytes of a document. Raises OSError for a link, a special file, and one above 64 MB."""
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > LARGEST_DOCUMENT_BYTES:
            raise OSError(27, f"it is larger than {LARGEST_DOCUMENT_BYTES} bytes", str(path))
        return file.read(LARGEST_DOCUMENT_BYTES)


@contextlib.contextmanager
def open_kept(path: Path) -> Iterator[IO[bytes]]:
    """Open a kept file's content, compressed or not; `path` may lack its .zst. Raises FileNotFoundError."""
    packed = path if path.suffix == SUFFIX else path.with_name(path.name + SUFFIX)
    if path.suffix != SUFFIX and os.path.lexists(path):
        with open_regular(path) as file:
            yield file
        return
    with open_regular(packed) as file, zstandard.ZstdDecompressor().stream_reader(
        file, read_across_frames=True
    ) as reader:  # fmt: skip
        yield reader


def exists_kept(path: Path) -> bool:
    """Tell whether a kept file is there, compressed or not."""
    return path.exists() or path.with_name(path.name + SUFFIX).exists()


def compress_large(folder: Path, *, larger_than_bytes: int = LARGE_BYTES) -> None:
    """Compress every large file of a pack but the journal; each is whole at every moment."""
    for path in kept_files(folder):
        found = path.lstat()
        plain = path.relative_to(folder).as_posix() in _ALWAYS_PLAIN or path.suffix == SUFFIX
        if stat.S_ISREG(found.st_mode) and found.st_size > larger_than_bytes and not plain:
            _compress(path)


def _compress(path: Path) -> None:
    target = path.with_name(path.name + SUFFIX)
    with open_regular(path) as given, replacing(target) as packed:
        size_bytes = os.fstat(given.fileno()).st_size
        writer = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
        writer.copy_stream(given, packed, size=size_bytes)
    path.unlink()


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[IO[bytes]]:
    """Write `target` anew, 0600, whole or not at all."""
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(descriptor)
        Path(name).replace(target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise


def write_document(path: Path, document: Any) -> bytes:
    """Write a JSON document for people and programs, 0600, and return its bytes."""
    content = msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"
    with replacing(path) as file:
        file.write(content)
    return content


def write_manifest(folder: Path, run: str) -> str:
    """List every kept file and return the manifest's sha256."""
    files = [_kept(folder, path) for path in kept_files(folder)]
    content = write_document(folder / MANIFEST_FILE, Manifest(run=run, files=tuple(files)))
    return hashlib.sha256(content).hexdigest()


def _kept(folder: Path, path: Path) -> KeptFile:
    content = content_of(path)
    return KeptFile(
        path=path.relative_to(folder).as_posix(), size_bytes=content.size_bytes, sha256=content.sha256,
        unpacked=unpacked_content_of(path) if path.suffix == SUFFIX else None,
    )  # fmt: skip


def size_bytes_of(folder: Path) -> int:
    """Return how many bytes the regular files below a folder hold."""
    total = 0
    for root, _folders, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                found = Path(root, name).lstat()
                total += found.st_size if stat.S_ISREG(found.st_mode) else 0
    return total
