"""The two seals of a pack: before the teardown over the artefacts, and at the end over everything.

A seal is a JSON document and, beside it, the 64 bytes of an Ed25519 signature over exactly its bytes, so that
openssl can check it. The final one covers the manifest, which covers the first one and every other file.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from console.evidence.keys import public_of, public_pem
from console.evidence.sealed import FINAL_SEAL, signature_of
from console.evidence.storage import replacing, write_document

PUBLIC_KEY_FILE = "seal.pub.pem"


class JournalHead(msgspec.Struct, frozen=True, kw_only=True):
    """Where the journal stood: number and hash of its last line."""

    n: int
    head: str


class LastScan(msgspec.Struct, frozen=True, kw_only=True):
    """The search of everything that is kept, reports included; `findings` say where, never what."""

    secrets: int = 0
    files: int = 0
    bytes: int = 0
    findings: tuple[str, ...] = ()


class FirstSeal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was sealed while the copy lived: the artefacts' own manifest, journal and trace until then."""

    run: str
    at: str
    key: str
    artefacts: str
    journal: JournalHead
    trace: str
    seal: str = "first"
    format: int = 1


class FinalSeal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was sealed after the teardown; `first` is the first seal's sha256, "" where there was none."""

    run: str
    at: str
    key: str
    first: str
    manifest: str
    journal: JournalHead
    trace: str
    verdict: str
    closure: str
    scan: LastScan
    seal: str = "final"
    format: int = 1


def write_public_key(path: Path, key: Ed25519PrivateKey) -> None:
    """Write the public half as PEM, for people who have openssl and no Drydock."""
    with replacing(path) as file:
        file.write(public_pem(public_of(key)))


def write_seal(path: Path, seal: FirstSeal | FinalSeal, key: Ed25519PrivateKey) -> str:
    """Write a seal with its signature beside it; return the seal's sha256."""
    content = write_document(path, seal)
    with replacing(signature_of(path)) as file:
        file.write(key.sign(content))
    return hashlib.sha256(content).hexdigest()


def unseal(folder: Path) -> None:
    """Take a final seal away that the ledger never heard of, so that the pack is seen to be unfinished."""
    for path in (folder / FINAL_SEAL, signature_of(folder / FINAL_SEAL)):
        with contextlib.suppress(OSError):
            path.unlink()
