"""Secrets that the operator keeps: found by name, stored and deleted in the keyring, never shown.

Looks at exactly one place a name: `file:/PATH` is a 0600 file, `prompt:NAME` what the operator typed before the
run; any other name is a systemd credential where there is one of that name, else an entry of the keyring's service
`drydock`. Never prompts, never takes a value from argv or a variable, and never puts one into a message.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from console.errors import SecretUnavailable
from console.secrets import SHORTEST_SECRET_CHARS, SecretRegistry

if TYPE_CHECKING:  # a tenth of a second that most commands need not wait for
    import keyring.backend

Answer = TypeVar("Answer")

SERVICE = "drydock"
FILE_PREFIX = "file:"
PROMPT_PREFIX = "prompt:"
LONGEST_SECRET_BYTES = 4096
SECRET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_INDEX = ".names"
"""The entry that holds the names: a keyring cannot list its own. It begins with a dot, as no name does."""

_SILENT_BACKENDS = ("SecretService", "libsecret", "kwallet", "macOS")
"""Modules of keyring.backends that keep something and ask nothing on a terminal."""

_REFUSED_BACKENDS = {
    "keyring.backends.null": "stores nothing",
    "keyring.backends.fail": "stores nothing",
    "keyring.backends.chainer": "asks whichever backend happens to be installed",
    "keyrings.cryptfile": "asks for a password on the terminal",
    "keyrings.alt.file.EncryptedKeyring": "asks for a password on the terminal",
}
_OTHER_PLACES = (
    f'name a 0600 file instead (secret = "{FILE_PREFIX}/path"), '
    "or pass a systemd credential (LoadCredential=)"
)


def resolve(name: str) -> str:
    """Return the value of the secret `name`.

    Raises SecretUnavailable, in one sentence with its remedy, where the place cannot be used, nothing is
    stored, or what is stored is no password (8 characters to 4096 bytes of text in one line).
    """
    if name.startswith(FILE_PREFIX):
        value = _from_file(Path(name.removeprefix(FILE_PREFIX)), private=True)
    else:
        require_name(name)
        value = _from_credential(name) or _from_keyring(name)
    return require_value(name, value)


def known_or_resolved(name: str, registry: SecretRegistry) -> str:
    """Return the value of a secret: one that was typed, which only the registry knows, else as `resolve` does."""
    if not name.startswith(PROMPT_PREFIX):
        return resolve(name)
    found = registry.values().get(name)
    if found is None:
        raise SecretUnavailable(
            f"the secret {name.removeprefix(PROMPT_PREFIX)} was typed when the run began and is kept nowhere",
            remedy="drydock recover on a terminal asks for it again",
        )
    return found


def store(name: str, value: str) -> None:
    """Keep `value` in the keyring under `name`, over an earlier one."""
    require_name(name)
    require_value(name, value)
    backend = chosen_backend()
    _asked(lambda: backend.set_password(SERVICE, name, value))
    _keep_names(backend, sorted({*_names(backend), name}))


def delete(name: str) -> None:
    """Remove `name` from the keyring. Raises SecretUnavailable when there is no such entry."""
    require_name(name)
    backend = chosen_backend()
    if _asked(lambda: backend.get_password(SERVICE, name)) is None:
        raise SecretUnavailable(
            f"the keyring has no secret {name}", remedy="drydock secret list shows the names"
        )
    _asked(lambda: backend.delete_password(SERVICE, name))
    _keep_names(backend, [one for one in _names(backend) if one != name])


def names() -> list[str]:
    """Return the names that `store` keeps in the keyring, sorted."""
    return _names(chosen_backend())


def require_name(name: str) -> None:
    """Raise SecretUnavailable unless `name` can be a secret's name."""
    if SECRET_NAME.fullmatch(name) is None:
        raise SecretUnavailable(
            "what stands there is no name of a secret",
            remedy="use letters, digits, dot, dash and underscore, at most 63, "
            f"or {FILE_PREFIX}/path in a plan file",
        )


def require_value(name: str, value: str) -> str:
    """Return `value`, or raise SecretUnavailable when it cannot be a password."""
    wrong = ""
    if len(value) < SHORTEST_SECRET_CHARS:
        wrong = f"is shorter than {SHORTEST_SECRET_CHARS} characters, too short to search for in the evidence"
    elif len(value.encode()) > LONGEST_SECRET_BYTES:
        wrong = f"is longer than {LONGEST_SECRET_BYTES} bytes"
    elif any(character in value for character in "\0\r\n"):
        wrong = "has more than one line, or a NUL"
    if wrong:
        raise SecretUnavailable(f"the secret {name} {wrong}", remedy="store the password alone, in one line")
    return value


def chosen_backend() -> keyring.backend.KeyringBackend:
    """Return the keyring backend: the operator's own choice, else the best that asks nothing.

    Raises SecretUnavailable where there is none, or where the chosen one stores nothing or prompts.
    """
    import keyring.core
    import keyring.errors

    try:
        chosen = keyring.core.load_env() or keyring.core.load_config() or _best_silent_backend()
    except (ImportError, AttributeError, RuntimeError, ValueError, keyring.errors.KeyringError) as wrong:
        raise SecretUnavailable(
            f"the chosen keyring backend cannot be used: {type(wrong).__name__}", remedy=_OTHER_PLACES
        ) from wrong
    if chosen is None:
        raise SecretUnavailable("there is no keyring on this machine", remedy=_OTHER_PLACES)
    kind = type(chosen)
    full_name = f"{kind.__module__}.{kind.__qualname__}"
    for refused, why in _REFUSED_BACKENDS.items():
        if full_name == refused or full_name.startswith(f"{refused}."):
            raise SecretUnavailable(f"the keyring backend {full_name} {why}", remedy=_OTHER_PLACES)
    return chosen


def _best_silent_backend() -> keyring.backend.KeyringBackend | None:
    import keyring.backend

    silent = [
        backend
        for backend in keyring.backend.get_all_keyring()
        if type(backend).__module__ in {f"keyring.backends.{name}" for name in _SILENT_BACKENDS}
    ]
    return max(silent, key=lambda backend: float(backend.priority), default=None)


def _asked(ask: Callable[[], Answer]) -> Answer:
    """Return what the keyring answers; every refusal of its own is one sentence."""
    import keyring.errors

    try:
        return ask()
    except keyring.errors.KeyringError as wrong:
        raise SecretUnavailable(
            f"the keyring refuses: {type(wrong).__name__}", remedy=f"unlock it, or {_OTHER_PLACES}"
        ) from wrong


def _names(backend: keyring.backend.KeyringBackend) -> list[str]:
    kept = _asked(lambda: backend.get_password(SERVICE, _INDEX))
    return sorted(msgspec.json.decode(kept, type=list[str])) if kept else []


def _keep_names(backend: keyring.backend.KeyringBackend, kept: list[str]) -> None:
    _asked(lambda: backend.set_password(SERVICE, _INDEX, msgspec.json.encode(kept).decode()))


def _from_keyring(name: str) -> str:
    backend = chosen_backend()
    found = _asked(lambda: backend.get_password(SERVICE, name))
    if found is None:
        raise SecretUnavailable(
            f"the keyring has no secret {name}", remedy=f"drydock secret set {name}, or {_OTHER_PLACES}"
        )
    return found


def _from_credential(name: str) -> str | None:
    """Return a systemd credential (systemd.exec(5), LoadCredential=), None where there is none."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    path = Path(folder) / name if folder else None
    return _from_file(path, private=False) if path is not None and os.path.lexists(path) else None


def _from_file(path: Path, *, private: bool) -> str:
    """Return a regular file's text without its last newline; `private`: the runner's own and 0600 or less."""
    remedy = f"chown it to yourself, chmod 600 it and name its real path: {FILE_PREFIX}/path"
    if not path.is_absolute():
        raise SecretUnavailable(f"the secret's file {path} is not an absolute path", remedy=remedy)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as wrong:
        raise SecretUnavailable(
            f"the secret's file {path} cannot be opened: {wrong.strerror}", remedy=remedy
        ) from wrong
    try:
        found = os.fstat(descriptor)
        fault = "is no regular file" if not stat.S_ISREG(found.st_mode) else ""
        if private and not fault:
            fault = _openness(found)
        if fault:
            raise SecretUnavailable(f"the secret's file {path} {fault}", remedy=remedy)
        content = os.read(descriptor, LONGEST_SECRET_BYTES + 2)
    finally:
        os.close(descriptor)
    try:
        return content.decode().removesuffix("\n")
    except UnicodeDecodeError as wrong:
        raise SecretUnavailable(f"the secret's file {path} is not UTF-8 text", remedy=remedy) from wrong


def _openness(found: os.stat_result) -> str:
    mode = stat.S_IMODE(found.st_mode)
    if found.st_uid != os.geteuid():
        return f"belongs to uid {found.st_uid}, the runner is uid {os.geteuid()}"
    if mode & 0o177:
        return f"has mode {mode:04o}, allowed is 0600"
    if found.st_nlink != 1:
        return f"has {found.st_nlink} hard links, allowed is 1"
    return ""
