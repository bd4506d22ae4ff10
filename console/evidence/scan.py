"""The leak scan: known secrets in every form, searched for in everything that is kept.

Says where and in which form, never what. A file that cannot be read is a finding, and a scan that a
limit stopped is not clean.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from console.secrets import forms_of

CHUNK_BYTES = 4 << 20


@dataclass(frozen=True, kw_only=True)
class Scanned:
    """What was searched and what was found; `findings` are "file offset form secret's name"."""

    files: int
    bytes: int
    findings: tuple[str, ...]


def scan_files(paths: Iterable[Path], secrets: Mapping[str, str], *, root: Path) -> Scanned:
    """Search every file for every form of every secret, in constant memory, across chunk borders."""
    needles = _needles(secrets)
    overlap = max((len(needle) for needle, _form, _name in needles), default=1) - 1
    files = size_bytes = 0
    findings: list[str] = []
    for path in paths:
        shown = str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
        try:
            read_bytes, found = _scan_file(path, needles, overlap)
        except OSError as wrong:
            findings.append(f"{shown} cannot be read: {wrong.strerror}")
            continue
        files += 1
        size_bytes += read_bytes
        findings += [f"{shown} {place}" for place in found]
    return Scanned(files=files, bytes=size_bytes, findings=tuple(findings))


def _needles(secrets: Mapping[str, str]) -> list[tuple[bytes, str, str]]:
    """Return (bytes, form, name) of everything to search for; forms that look the same once."""
    found: dict[tuple[bytes, str], str] = {}
    for name, value in secrets.items():
        for form, text in forms_of(value).items():
            found.setdefault((text.encode(), name), form)
    return [(needle, form, name) for (needle, name), form in found.items()]


def _scan_file(path: Path, needles: list[tuple[bytes, str, str]], overlap: int) -> tuple[int, list[str]]:
    found: dict[tuple[int, str], str] = {}
    offset, kept = 0, b""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            window = kept + chunk
            for needle, form, name in needles:
                at = window.find(needle)
                while at >= 0:
                    place = offset - len(kept) + at
                    found.setdefault((place, name), f"at {place} as {form} of {name}")
                    at = window.find(needle, at + 1)
            kept = window[-overlap:] if overlap else b""
            offset += len(chunk)
    return offset, [found[place] for place in sorted(found)]
