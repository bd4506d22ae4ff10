"""The driver's modules compiled once and kept, for harnesses of users that cannot reach what is kept.

Owns one file in the cache folder for each Python. It is believed only when it is this user's alone, in a folder of
this user's alone, whole to the byte, and made by this very Python from these very sources, whose every byte is part
of its name for them. What is laid out says which source it was made from (PEP 552, checked by hash): Python holds
that against the source in place at each import, and compiles where they differ. Never decides what the driver is,
and is never used for a harness that runs as the user who keeps it: a subject could then change what it will be
watched by the next time.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import marshal
import os
import secrets
import stat
import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import msgspec

_FORMAT = b"drydock bytecode 1\n"
_AFTER_DIGEST = len(_FORMAT) + hashlib.sha256().digest_size
_LARGEST_BYTES = 64 << 20
_CHECKED_BY_HASH = (0b11).to_bytes(4, "little")


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    """Whole files of bytecode by the names of their sources, and what they were made from and by."""

    key: str
    files: dict[str, bytes]


def compiled(sources: Mapping[str, bytes], *, cache: Path) -> dict[str, bytes]:
    """Return the bytecode files of these sources by their own names (x/__pycache__/y.cpython-311.pyc).

    A source that this Python cannot compile has none.
    """
    key = _key_of(sources)
    path = cache / f"driver-{sys.implementation.cache_tag}.bytecode"
    found = _read(path)
    if found is None or found.key != key:
        made = {name: file for name, content in sources.items() if (file := _file(name, content)) is not None}
        found = _Kept(key=key, files=made)
        _keep(path, found)
    return {_place_of(name): file for name, file in found.files.items()}


def _key_of(sources: Mapping[str, bytes]) -> str:
    """Return what bytecode depends on: the interpreter, and name and content of every source."""
    total = hashlib.sha256(f"{sys.version}\n{importlib.util.MAGIC_NUMBER.hex()}\n".encode())
    for name in sorted(sources):
        total.update(f"{hashlib.sha256(sources[name]).hexdigest()}  {name}\n".encode())
    return total.hexdigest()


def _file(name: str, source: bytes) -> bytes | None:
    try:
        code = compile(source, name, "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError):
        return None
    words = importlib.util.MAGIC_NUMBER + _CHECKED_BY_HASH + importlib.util.source_hash(source)
    return words + marshal.dumps(code)


def _place_of(name: str) -> str:
    path = PurePosixPath(name)
    return str(path.parent / "__pycache__" / f"{path.stem}.{sys.implementation.cache_tag}.pyc")


def _read(path: Path) -> _Kept | None:
    """Return what is kept, None for anything that is not to be believed."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        found, above = os.fstat(descriptor), path.parent.lstat()
        if not (_is_ours_alone(found) and stat.S_ISREG(found.st_mode) and found.st_size <= _LARGEST_BYTES):
            return None
        if not (_is_ours_alone(above) and stat.S_ISDIR(above.st_mode)):
            return None
        whole = memoryview(file.readall())
    packed = whole[_AFTER_DIGEST:]
    if whole[:_AFTER_DIGEST] != _FORMAT + hashlib.sha256(packed).digest():
        return None
    try:
        return msgspec.msgpack.decode(packed, type=_Kept)
    except msgspec.DecodeError:
        return None


def _is_ours_alone(found: os.stat_result) -> bool:
    return found.st_uid == os.geteuid() and not found.st_mode & 0o022


def _keep(path: Path, what: _Kept) -> None:
    """Keep it, whole or not at all; where it cannot be kept (no room, no such right), it is made again next time."""
    packed = msgspec.msgpack.encode(what)
    place = path.with_name(f".{secrets.token_hex(8)}")
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(_FORMAT + hashlib.sha256(packed).digest() + packed)
            place.replace(path)
        finally:
            place.unlink(missing_ok=True)
