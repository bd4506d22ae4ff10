"""A new identity for a copied data folder: what PostgreSQL would have drawn, had initdb run.

Changes pg_control and the headers of the WAL segments of a cluster that was shut down and never started
since. Never touches a data folder whose control file is not whole, and never another folder than the one given.
"""

from __future__ import annotations

import os
import re
import secrets
import struct
import time
from pathlib import Path

from console.errors import StepFailed

_SEGMENT = re.compile(r"[0-9A-F]{24}")
_IDENTIFIER = struct.Struct("<Q")
_CHECKSUM = struct.Struct("<I")
_WAL_IDENTIFIER_AT = 24
"""XLogLongPageHeaderData: the short header's 24 bytes come first (access/xlog_internal.h)."""

_NONCE_BYTES = 32
"""MOCK_AUTH_NONCE_LEN; it lies right before the checksum (catalog/pg_control.h)."""

_SHORTEST_BYTES, _LONGEST_BYTES = 200, 512
"""PG_CONTROL_MAX_SAFE_SIZE is 512; PostgreSQL 15 to 18 use 288 to 300 of them."""


def new_identifier() -> int:
    """Return a system_identifier as initdb draws it: seconds, microseconds and twelve bits (xlog.c, BootStrapXLOG)."""
    now_us = time.time_ns() // 1000
    return (now_us // 1_000_000) << 32 | (now_us % 1_000_000) << 12 | secrets.randbits(12)


def crc32c_offset(control: bytes) -> int | None:
    """Return where the CRC-32C of all bytes before it stands in a control file, None when nowhere."""
    crc = 0xFFFFFFFF
    for at, byte in enumerate(control[:_LONGEST_BYTES]):
        if _SHORTEST_BYTES <= at <= len(control) - _CHECKSUM.size and at % 4 == 0:
            (stored,) = _CHECKSUM.unpack_from(control, at)
            if stored == crc ^ 0xFFFFFFFF:
                return at
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return None


def crc32c(content: bytes) -> int:
    """Return the CRC-32C (Castagnoli) of `content`."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def _table() -> tuple[int, ...]:
    entries = []
    for number in range(256):
        value = number
        for _bit in range(8):
            value = value >> 1 ^ 0x82F63B78 if value & 1 else value >> 1
        entries.append(value)
    return tuple(entries)


_TABLE = _table()


def give_identity(data_folder: Path) -> str:
    """Give a data folder that no server has used a new system_identifier and nonce; return the identifier.

    Raises StepFailed (environment) when its control file or a WAL segment is not as initdb leaves them.
    """
    control = data_folder / "global" / "pg_control"
    content = bytearray(control.read_bytes())
    at = crc32c_offset(bytes(content))
    if at is None:
        raise StepFailed(f"{control} is not whole: its checksum stands nowhere in it", cause="environment")
    old, new = bytes(content[: _IDENTIFIER.size]), _IDENTIFIER.pack(new_identifier())
    segments = sorted(path for path in (data_folder / "pg_wal").iterdir() if _SEGMENT.fullmatch(path.name))
    if not segments:
        raise StepFailed(f"{data_folder} has no WAL segment to give an identity to", cause="environment")
    for segment in segments:
        _replace(segment, _WAL_IDENTIFIER_AT, old, new)
    content[: len(new)] = new
    content[at - _NONCE_BYTES : at] = secrets.token_bytes(_NONCE_BYTES)
    content[at : at + _CHECKSUM.size] = _CHECKSUM.pack(crc32c(bytes(content[:at])))
    _replace(control, 0, old, bytes(content[: at + _CHECKSUM.size]))
    return str(_IDENTIFIER.unpack(new)[0])


def _replace(path: Path, at: int, old: bytes, new: bytes) -> None:
    """Write `new` where `old` begins, in place; refuse a file that has something else there."""
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.pread(descriptor, len(old), at) != old:
            raise StepFailed(f"{path} is not of the cluster that it lies in", cause="environment")
        os.pwrite(descriptor, new, at)
    finally:
        os.close(descriptor)
