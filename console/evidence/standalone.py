"""Checks a pack of Drydock without Drydock: python3 verify.py [FOLDER]. Standard library alone.

Checks the journal's hash chain and every file that the manifest lists. It does NOT check the signature, the
ledger, nor what the gates say: whoever wrote the pack could have written this program too, so take it from
somewhere else if that matters to you. Exit codes: 0 it verifies, 5 it does not, 2 it cannot be read.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
from pathlib import Path

UNLISTED = {"manifest.json", "seal.json", "seal.sig"}
HEAD = b'{"hash":"'


def file_sha256(path: Path) -> tuple[int, str]:
    """Return size and sha256 of a regular file."""
    if not stat.S_ISREG(path.lstat().st_mode):
        raise OSError(22, "it is no regular file", str(path))
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        for piece in iter(lambda: file.read(1 << 20), b""):
            digest.update(piece)
            size += len(piece)
    return size, digest.hexdigest()


def chain_faults(path: Path) -> tuple[list[str], str]:
    """Return the first line of the journal that does not fit, and the last hash."""
    previous, number = "0" * 64, 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            said, body = line[len(HEAD) : len(HEAD) + 64].decode("ascii", "replace"), line[len(HEAD) + 66 :]
            fits = hashlib.sha256(previous.encode() + body).hexdigest() == said
            if not (line.startswith(HEAD) and line.endswith(b"\n") and fits):
                return [f"journal.jsonl, line {number}: the hash does not fit"], previous
            previous = said
    return ([] if number else ["journal.jsonl is empty"]), previous


def manifest_faults(folder: Path, files: list[dict[str, object]]) -> list[str]:
    """Return one sentence for each file that is missing, other than listed, or not listed."""
    faults = []
    for one in files:
        try:
            found = file_sha256(folder / str(one["path"]))
        except OSError as wrong:
            faults.append(f"{one['path']}: {wrong.strerror}")
            continue
        if found != (one["size_bytes"], one["sha256"]):
            faults.append(f"{one['path']}: size or sha256 differ from the manifest")
    listed = {one["path"] for one in files} | UNLISTED
    for root, folders, names in os.walk(folder):
        links = [name for name in folders if Path(root, name).is_symlink()]
        for name in names + links:
            path = Path(root, name).relative_to(folder).as_posix()
            if path not in listed:
                faults.append(f"{path}: not in the manifest")
    return faults


def say(line: str) -> None:
    """Write one line in which nothing can act on a terminal."""
    sys.stdout.write(ascii(line)[1:-1] + "\n")


def main(folder: Path) -> int:
    """Say what does not verify and return the exit code."""
    try:
        manifest_bytes = (folder / "manifest.json").read_bytes()
        seal = json.loads((folder / "seal.json").read_bytes())
        files = json.loads(manifest_bytes)["files"]
        faults, head = chain_faults(folder / "journal.jsonl")
        faults += manifest_faults(folder, files)
        if hashlib.sha256(manifest_bytes).hexdigest() != seal["manifest"]:
            faults.append("manifest.json: not the one that seal.json names")
        if head != seal["journal"]["head"]:
            faults.append("journal.jsonl: its last line is not the one that seal.json names")
    except (OSError, ValueError, KeyError, TypeError) as wrong:
        say(f"cannot be read: {type(wrong).__name__}: {wrong}")
        return 2
    for fault in faults:
        say(fault)
    say(f"{len(files)} files, chain and manifest: " + ("DO NOT VERIFY" if faults else "verify"))
    say("The signature was NOT checked; with the operator's public key:")
    say("  openssl pkeyutl -verify -pubin -inkey KEY.pem -rawin -in seal.json -sigfile seal.sig")
    return 5 if faults else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent))
