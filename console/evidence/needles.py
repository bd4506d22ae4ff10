"""What a leak scan looks for: every form of every known secret, and SCRAM verifiers that a known secret fits.

Hyperscan finds candidates at the speed of memory, however many needles there are; each is then looked at exactly,
so that forms and secrets that overlap are all told. Never shows a value.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import hyperscan

from console.secrets import forms_of

GZIP_MAGIC, ZSTD_MAGIC = b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"
SCRAM_FORM = "SCRAM-verifier"
LONGEST_VERIFIER_BYTES = 512
MOST_ITERATIONS = 1_000_000
MOST_VERIFIERS = 1000
_SCRAM_PREFIX = b"SCRAM-SHA-256$"
_MARKS = (GZIP_MAGIC, ZSTD_MAGIC, _SCRAM_PREFIX)
_SOUGHT_BYTES = 64
"""Of each needle that much is sought first: Hyperscan takes no text of 10 000 bytes, and key files are longer."""
_FEWEST_SOUGHT = 96
"""Below some seventy texts Hyperscan takes another engine, which is half as fast on logs full of hexadecimal digits."""
_VERIFIER = re.compile(
    rb"SCRAM-SHA-256\$(\d{1,9}):([A-Za-z0-9+/=]{4,88})\$([A-Za-z0-9+/]{43}=):[A-Za-z0-9+/]{43}="
)
Hit = tuple[int, int, str, str]
"""Begin and end in what was searched, form, and the secret's name."""


class Needles:
    """Everything to search for; `longest_bytes` is what two neighbouring pieces must share."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._secrets = dict(secrets)
        self._needles = _distinct(secrets)
        beginnings = sorted({_sought(needle) for needle, _form, _name in self._needles} - {b""})
        self._texts = _padded((*_MARKS, *beginnings))
        self._database = _compiled(self._texts)
        self._longest = max((len(needle) for needle, _form, _name in self._needles), default=1)
        self.longest_bytes = max(self._longest, LONGEST_VERIFIER_BYTES)
        self._verifiers: dict[bytes, list[str]] = {}

    def scratch(self) -> hyperscan.Scratch:
        """Return what each further thread needs to search beside this one."""
        return hyperscan.Scratch(self._database)

    def may_be_in(self, window: bytes | memoryview, scratch: hyperscan.Scratch) -> bool:
        """Say whether `search` has anything to look at in a window: hits, members and limits begin with a candidate."""
        try:  # its stubs know no other buffer
            self._database.scan(cast("bytes", window), match_event_handler=_stop, scratch=scratch)
        except hyperscan.ScanTerminated:
            return True
        return False

    def search(self, window: bytes | memoryview) -> tuple[list[Hit], list[tuple[int, bytes]], list[str]]:
        """Return the hits, the beginnings of compressed members (place, magic), and what a limit stopped."""
        places: list[tuple[int, int]] = []
        members: list[tuple[int, bytes]] = []
        verifiers: list[int] = []
        for number, end in self._candidates(window):
            text = self._texts[number]
            if number >= len(_MARKS):
                places.append((end - len(text), end))
            elif text == _SCRAM_PREFIX:
                verifiers.append(end - len(text))
            else:
                members.append((end - len(text), text))
        if not places and not verifiers:
            return [], members, []
        hits = self._exactly(window, places)
        limits: list[str] = []
        if verifiers:
            fitting, limits = self._fitting_verifiers(window, verifiers)
            hits += fitting
        return sorted(hits, key=lambda hit: (hit[0], -hit[1])), members, limits

    def _candidates(self, window: bytes | memoryview) -> list[tuple[int, int]]:
        """Return number and end of every text that was sought, in the order of their ends."""
        found: list[tuple[int, int]] = []

        def note(number: int, _begin: int, end: int, _flags: int, _context: object) -> None:
            found.append((number, end))

        self._database.scan(cast("bytes", window), match_event_handler=note)  # its stubs know no other buffer
        return found

    def _exactly(self, window: bytes | memoryview, places: Iterable[tuple[int, int]]) -> list[Hit]:
        """Return every needle at or around the places that an automaton named; forms of one text once."""
        found: dict[tuple[int, str], Hit] = {}
        for begin, end in _merged(places, self._longest):
            around = bytes(window[begin:end])
            for needle, form, name in self._needles:
                at = around.find(needle)
                while at >= 0:
                    place = begin + at
                    found.setdefault((place, name), (place, place + len(needle), form, name))
                    at = around.find(needle, at + 1)
        return list(found.values())

    def _fitting_verifiers(
        self, window: bytes | memoryview, places: Sequence[int]
    ) -> tuple[list[Hit], list[str]]:
        hits: list[Hit] = []
        limits: list[str] = []
        for match in _verifiers(window, places):
            if match[0] not in self._verifiers:
                if int(match[1]) > MOST_ITERATIONS or len(self._verifiers) >= MOST_VERIFIERS:
                    limits.append(
                        f"a SCRAM verifier was not tried: at most {MOST_VERIFIERS} are, "
                        f"of at most {MOST_ITERATIONS} iterations"
                    )
                    continue
                self._verifiers[match[0]] = self._fitting(match)
            hits += [(match.start(), match.end(), SCRAM_FORM, name) for name in self._verifiers[match[0]]]
        return hits, limits

    def _fitting(self, match: re.Match[bytes]) -> list[str]:
        try:
            salt, stored = base64.b64decode(match[2], validate=True), base64.b64decode(match[3])
        except binascii.Error:
            return []
        return [
            name for name, value in self._secrets.items()
            if hmac.compare_digest(_stored_key(value, salt, int(match[1])), stored)
        ]  # fmt: skip


def _verifiers(window: bytes | memoryview, places: Sequence[int]) -> Iterable[re.Match[bytes]]:
    """Return what looks like a verifier: few places are looked at each, among many the whole window is sooner read."""
    if len(places) * LONGEST_VERIFIER_BYTES > len(window):
        return _VERIFIER.finditer(window)
    return filter(None, (_VERIFIER.match(window, place) for place in places))


def _stop(_number: int, _begin: int, _end: int, _flags: int, _context: object) -> bool:
    """Tell Hyperscan that one candidate is enough."""
    return True


def _sought(needle: bytes) -> bytes:
    """Return the longest part of a needle's beginning without a NUL, at which Hyperscan's texts end."""
    return max(needle[:_SOUGHT_BYTES].split(b"\0"), key=len)


def _padded(texts: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Return the texts and as many that occur nowhere as are wanted; where one does, the exact look finds nothing."""
    more = range(_FEWEST_SOUGHT - len(texts))
    return (*texts, *(base64.b64encode(hashlib.sha256(b"padding %d" % n).digest()[:18]) for n in more))


def _compiled(texts: Sequence[bytes]) -> hyperscan.Database:
    made = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    made.compile(expressions=texts, ids=range(len(texts)), elements=len(texts), flags=0, literal=True)
    return made


def _stored_key(value: str, salt: bytes, iterations: int) -> bytes:
    """Return RFC 5803's StoredKey."""
    salted = hashlib.pbkdf2_hmac("sha256", value.encode(), salt, max(1, iterations))
    return hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()


def _distinct(secrets: Mapping[str, str]) -> list[tuple[bytes, str, str]]:
    """Return (bytes, form, name) of everything to search for; forms that look the same once."""
    found: dict[tuple[bytes, str], str] = {}
    for name, value in secrets.items():
        for form, text in forms_of(value).items():
            found.setdefault((text.encode(), name), form)
    return [(needle, form, name) for (needle, name), form in found.items()]


def _merged(places: Iterable[tuple[int, int]], around: int) -> list[tuple[int, int]]:
    """Return the places with `around` bytes on both sides, those that touch as one."""
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(places):
        wide = (max(0, begin - around), end + around)
        if merged and wide[0] <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], wide[1]))
        else:
            merged.append(wide)
    return merged
