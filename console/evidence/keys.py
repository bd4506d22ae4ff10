"""The sealing key: one Ed25519 key of the operator's, in a 0600 file or in the keyring, and whom to believe.

The private half never leaves its place but into this process's memory. ``seal.key`` is one line: the seed in
base64, or ``keyring:NAME``. ``seal-keys.txt`` lists the public keys that `drydock verify` believes.
"""

from __future__ import annotations

import base64
import binascii
import errno
import fcntl
import os
import re
import tempfile
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from console.errors import SecretUnavailable
from console.secret_store import FILE_PREFIX, names, resolve, store

KEY_FILE = "seal.key"
TRUSTED_FILE = "seal-keys.txt"
KEYRING_NAME = "drydock-seal-key"
_KEYRING_PREFIX = "keyring:"
_SEED_BYTES = 32
_PUBLIC_KEY = re.compile(r"[0-9a-f]{64}")


def public_of(key: Ed25519PrivateKey) -> str:
    """Return the public half as 64 hex digits: the key's name everywhere."""
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def public_pem(public: str) -> bytes:
    """Return a public key as PEM, which openssl reads."""
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def signed_by(public: str, content: bytes, signature: bytes) -> bool:
    """Tell whether `signature` is over exactly `content` and by the key of this name."""
    if _PUBLIC_KEY.fullmatch(public) is None:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(signature, content)
    except (InvalidSignature, ValueError):
        return False
    return True


def has_key(folder: Path) -> bool:
    """Tell whether there is a sealing key in the state folder."""
    return os.path.lexists(folder / KEY_FILE)


def load_key(folder: Path) -> Ed25519PrivateKey:
    """Return the sealing key. Raises SecretUnavailable where there is none or it cannot be used."""
    path = folder / KEY_FILE
    if not has_key(folder):
        raise SecretUnavailable(f"there is no sealing key {path}", remedy="drydock key make makes one")
    value = resolve(f"{FILE_PREFIX}{path}")
    if value.startswith(_KEYRING_PREFIX):
        value = resolve(value.removeprefix(_KEYRING_PREFIX))
    try:
        seed = base64.b64decode(value, validate=True)
    except binascii.Error:
        seed = b""
    if len(seed) != _SEED_BYTES:
        raise SecretUnavailable(
            f"{path} holds no sealing key", remedy="move it away; drydock key make makes another"
        )
    return Ed25519PrivateKey.from_private_bytes(seed)


def make_key(folder: Path, *, in_keyring: bool = False) -> str:
    """Make the sealing key, believe it, and return its public half.

    Raises SecretUnavailable where there is one already or it cannot be kept.
    """
    path = folder / KEY_FILE
    key = Ed25519PrivateKey.generate()
    value = base64.b64encode(key.private_bytes_raw()).decode("ascii")
    if has_key(folder):
        raise SecretUnavailable(f"there is a sealing key {path} already", remedy="move it away first")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if in_keyring:
            if KEYRING_NAME in names():
                raise SecretUnavailable(
                    f"the keyring has a sealing key {KEYRING_NAME} already, of another state folder",
                    remedy="make a key without --keyring, or drydock secret delete the other one, which seals no more",
                )
            store(KEYRING_NAME, value)
            value = f"{_KEYRING_PREFIX}{KEYRING_NAME}"
        _create_whole(path, value + "\n")
        trust(folder, public_of(key))
    except FileExistsError:
        public = public_of(load_key(folder))
        trust(folder, public)
        return public
    except OSError as wrong:
        raise SecretUnavailable(
            f"the sealing key {path} cannot be written: {wrong.strerror}",
            remedy="make its folder writable, or set XDG_STATE_HOME to another",
        ) from wrong
    return public_of(key)


def _create_whole(path: Path, content: str) -> None:
    """Create a 0600 file that is whole, and has one name, from its first moment; FileExistsError when it is there.

    Two first commands may come at once: the folder's lock decides, and whoever reads needs none.
    """
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, "it is there already", str(path))
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            Path(name).rename(path)
        except OSError:
            Path(name).unlink()
            raise
    finally:
        os.close(folder)


def trust(folder: Path, public: str) -> None:
    """Believe seals of a public key from now on. Raises SecretUnavailable for what is no key."""
    if _PUBLIC_KEY.fullmatch(public) is None:
        raise SecretUnavailable(f"{public!r} is no public key", remedy="give its 64 hex digits")
    if public in trusted(folder):
        return
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(folder / TRUSTED_FILE, flags, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(public + "\n")


def trusted(folder: Path) -> frozenset[str]:
    """Return the public keys that are believed here, empty when there are none."""
    try:
        text = (folder / TRUSTED_FILE).read_text("ascii", "replace")
    except FileNotFoundError:
        return frozenset()
    return frozenset(line for line in text.split() if _PUBLIC_KEY.fullmatch(line))
