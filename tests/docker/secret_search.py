"""Looks for secrets wherever an engine, its containers and this machine's processes could show them.

Reads only, and tells where a value was found, never the value.
"""

from __future__ import annotations

import base64
import json
import urllib.parse
from collections.abc import Iterable, Iterator
from pathlib import Path

from docker_engine import Engine, EngineFailed


def forms(value: str) -> set[bytes]:
    """Return a value as it is, and as people and programs encode it."""
    raw = value.encode()
    found = {raw, raw.hex().encode(), raw.hex().upper().encode(), raw[::-1], value.encode("utf-16-le")}
    found |= {urllib.parse.quote(value, safe="").encode(), json.dumps(value)[1:-1].encode()}
    for shift in range(3):
        # Within a longer text base64 begins at any of three places; its outermost characters depend on neighbours.
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            found.add(encode(b"\0" * shift + raw).rstrip(b"=")[4 if shift else 0 : -2])
    return found


def places_of_engine(engine: Engine) -> Iterator[tuple[str, bytes]]:
    """Yield what `inspect`, `logs` and `history` say, the engine's own log, and its own files about containers."""
    for name in engine.docker("ps", "--all", "--format={{.Names}}").split():
        yield f"inspect of {name}", engine.docker("inspect", name).encode()
        if engine.docker("inspect", "--format={{.State.Status}}", name) == "created":
            continue  # it has said nothing, and asking for its log would change what inspect says
        try:
            yield f"logs of {name}", engine.docker("logs", name, both=True).encode()
        except EngineFailed as wrong:
            if "does not support reading" not in str(wrong):
                raise
    for kind in ("volume", "network"):
        names = engine.docker(kind, "ls", "--quiet").split()
        yield f"every {kind}", engine.docker(kind, "inspect", *names).encode()
    for image in engine.docker("image", "ls", "--quiet", "--all").split():
        yield f"history of {image}", engine.docker("history", "--no-trunc", image).encode()
    yield "the engine's log", engine.log.read_bytes()
    for path in engine.path_outside(f"{engine.folder}/data/containers").rglob("*"):
        if path.is_file():
            yield f"the engine's {path.name}", path.read_bytes()


def places_of_processes() -> Iterator[tuple[str, bytes]]:
    """Yield environment and arguments of every process of this machine, those in containers too."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            for name in ("environ", "cmdline"):
                try:
                    yield f"{name} of process {entry.name}", (entry / name).read_bytes()
                except (FileNotFoundError, ProcessLookupError, PermissionError):
                    continue


def places_of_folder(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every file below a folder."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path), path.read_bytes()


def found_in(secrets: Iterable[str], places: Iterable[tuple[str, bytes]]) -> tuple[list[str], int]:
    """Return where any form of a secret is, and how many places were searched."""
    wanted = [form for secret in secrets for form in forms(secret)]
    hits, searched = [], 0
    for name, content in places:
        searched += 1
        if any(form in content for form in wanted):
            hits.append(name)
    return sorted(hits), searched
