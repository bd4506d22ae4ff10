"""A password for a data folder that was copied: the superuser's verifier written over the one that it had.

Changes one value of one page of pg_authid in a cluster that was shut down and never started since (all verifiers of as
many iterations are equally long), and that page's checksum where it has one. A server would take 70 ms for the same.
"""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path

from console.secrets import FEW_ITERATIONS, make_password, scram_verifier

AUTHID = "global/1260"
"""pg_authid's first file, where initdb leaves it (catalog/pg_authid.h: AuthIdRelationId)."""

_VERIFIER = re.compile(
    b"SCRAM-SHA-256\\$%d:[A-Za-z0-9+/=]{24}\\$[A-Za-z0-9+/=]{44}:[A-Za-z0-9+/=]{44}" % FEW_ITERATIONS
)
_PAGE_BYTES = 8192
_LARGEST_BYTES = 128 * _PAGE_BYTES
_CHECKSUM = struct.Struct("<H")
_CHECKSUM_AT = 8
"""PageHeaderData.pd_checksum (storage/bufpage.h)."""

_SIZE, _SIZE_AT, _SIZE_BITS = struct.Struct("<H"), 18, 0xFF00
"""PageHeaderData.pd_pagesize_version: PostgreSQL may be built with other pages (PageGetPageSize)."""

_PRIME = 16777619
_WORD = 0xFFFFFFFF
_OFFSETS = (
    0x5B1F36E9, 0xB8525960, 0x02AB50AA, 0x1DE66D2A, 0x79FF467A, 0x9BB9F8A3, 0x217E7CD2, 0x83E13D2C, 0xF8D4474F,
    0xE39EB970, 0x42C6AE16, 0x993216FA, 0x7B093B5D, 0x98DAFF3C, 0xF718902A, 0x0B1C9CDB, 0xE58F764B, 0x187636BC,
    0x5D7B3BB1, 0xE73DE7DE, 0x92BEC979, 0xCCA6C0B2, 0x304A0979, 0x85AA43D4, 0x783125BB, 0x6CA8EAA2, 0xE407EAC6,
    0x4B5CFC3E, 0x9FBF8C76, 0x15CA20BE, 0xF2CA9FD3, 0x959BD756,
)  # fmt: skip
"""checksumBaseOffsets (storage/checksum_impl.h)."""


def nobodys_verifier() -> str:
    """Return a verifier of a password that nobody knows, to be replaced: as long as one of `replace_verifier`'s."""
    return scram_verifier(make_password(), iterations=FEW_ITERATIONS)


def replace_verifier(data_folder: Path, verifier: str) -> bool:
    """Write a verifier of FEW_ITERATIONS over the only one of as many in pg_authid, the superuser's.

    False, with nothing changed, where there is none or several, or where the page is not whole.
    """
    new = verifier.encode("ascii")
    if _VERIFIER.fullmatch(new) is None:
        return False
    descriptor = os.open(data_folder / AUTHID, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        content = os.pread(descriptor, _LARGEST_BYTES, 0)
        page = _with_verifier(content, new)
        if page is None:
            return False
        number, written = page
        return os.pwrite(descriptor, written, number * _PAGE_BYTES) == _PAGE_BYTES
    finally:
        os.close(descriptor)


def _with_verifier(content: bytes, new: bytes) -> tuple[int, bytes] | None:
    """Return the number of the page that holds the verifier, and that page with the new one."""
    found = [one.start() for one in _VERIFIER.finditer(content)]
    if len(found) != 1 or len(content) % _PAGE_BYTES or len(content) == _LARGEST_BYTES:
        return None
    if _SIZE.unpack_from(content, _SIZE_AT)[0] & _SIZE_BITS != _PAGE_BYTES:
        return None
    number, at = divmod(found[0], _PAGE_BYTES)
    page = bytearray(content[number * _PAGE_BYTES : (number + 1) * _PAGE_BYTES])
    (stored,) = _CHECKSUM.unpack_from(page, _CHECKSUM_AT)
    if at + len(new) > _PAGE_BYTES or (stored and stored != page_checksum(page, number)):
        return None
    page[at : at + len(new)] = new
    if stored:
        _CHECKSUM.pack_into(page, _CHECKSUM_AT, page_checksum(page, number))
    return number, bytes(page)


def page_checksum(page: bytes | bytearray, number: int) -> int:
    """Return the checksum of the page with this number in its relation, as pg_checksum_page() does."""
    words = memoryview(
        bytes(page[:_CHECKSUM_AT]) + bytes(_CHECKSUM.size) + bytes(page[_CHECKSUM_AT + _CHECKSUM.size :])
    )
    sums, lanes = list(_OFFSETS), len(_OFFSETS)
    values = [*words.cast("I"), *[0] * (2 * lanes)]
    for row in range(0, len(values), lanes):
        for lane in range(lanes):
            mixed = sums[lane] ^ values[row + lane]
            sums[lane] = (mixed * _PRIME & _WORD) ^ mixed >> 17
    total = number
    for one in sums:
        total ^= one
    return total % 65535 + 1
