"""The registry of known secrets: makes them, keeps them in memory, redacts them from all that leaves.

Never writes a value anywhere but into a 0600 file that the caller names, and never puts one into a
message. A value is known to the registry before anything that could repeat it is written.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import secrets
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

import msgspec

if TYPE_CHECKING:
    import hyperscan

SCRAM_ITERATIONS = 4096
"""PostgreSQL's own default (scram_iterations)."""

FEW_ITERATIONS = 16
"""For a password of `make_password` that is the engine's alone: iterations make guessing dear, and nobody guesses
32 random bytes. Each of its logins would otherwise cost 2 ms."""

SHORTEST_SECRET_CHARS = 8
"""Shorter values cannot be searched for without drowning in chance hits."""

_MANY_BYTES = 1 << 20
"""Of those that were looked through: from then on one pass of an automaton for all texts is worth making it."""
_SOUGHT_BYTES = 64

_LOWERED = re.compile("%[0-9A-F]{2}")
_SHORTEST_MARK = "▒"
"""Shorter than any secret, so that it can never hold one."""


@dataclass(frozen=True, kw_only=True)
class Redaction:
    """That a secret was found and taken out: where, in which form; never the value."""

    secret: str
    origin: str
    form: str
    position: int


def make_password() -> str:
    """Return a rehearsal-only password: 32 random bytes, URL-safe text."""
    return secrets.token_urlsafe(32)


def scram_verifier(password: str, *, iterations: int = SCRAM_ITERATIONS) -> str:
    """Return PostgreSQL's SCRAM-SHA-256 verifier of an ASCII password (RFC 5803).

    The server stores it as it is, so the password itself reaches neither a statement nor a log.
    """
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    stored_key = hashlib.sha256(client_key).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    coded = [base64.b64encode(part).decode() for part in (salt, stored_key, server_key)]
    return f"SCRAM-SHA-256${iterations}:{coded[0]}${coded[1]}:{coded[2]}"


def forms_of(value: str) -> dict[str, str]:
    """Return the textual forms in which a secret is searched for, by the name of the form.

    Forms that look the same are all listed, the plainest first.
    """
    raw = value.encode()
    found = {"plain": value, "hex": raw.hex(), "HEX": raw.hex().upper(), "repr": repr(value)[1:-1]}
    found["json"] = msgspec.json.encode(value).decode()[1:-1]
    found["json-ascii"] = json.dumps(value)[1:-1]
    found["bytes-repr"] = repr(raw)[2:-1]
    found["sql"] = value.replace("'", "''")
    found["url"] = quote(value, safe="")
    found["url-path"] = quote(value)
    found["url-lower"] = _LOWERED.sub(lambda code: code[0].lower(), found["url"])
    found["url-plus"] = quote_plus(value)
    for offset in range(3):
        start, end = (offset * 8 + 5) // 6, (offset + len(raw)) * 8 // 6
        found[f"base64+{offset}"] = base64.b64encode(b"\0" * offset + raw).decode()[start:end]
        found[f"base64url+{offset}"] = base64.urlsafe_b64encode(b"\0" * offset + raw).decode()[start:end]
    return found


class SecretRegistry:
    """The known values of one process; redacts text and values, and remembers that it did."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        self._needles: list[tuple[str, str, str]] = []
        self._shortest_chars = sys.maxsize
        self._redactions: list[Redaction] = []
        self._written_needles: list[bytes] = []
        self._automaton: hyperscan.Database | None = None
        self._seen_bytes = 0

    def learn(self, name: str, value: str) -> None:
        """Make `value` known under `name`; values under 8 characters are refused by ValueError."""
        if len(value) < SHORTEST_SECRET_CHARS:
            raise ValueError(f"the secret {name} is shorter than {SHORTEST_SECRET_CHARS} characters")
        self._values[name] = value
        known = {text for _form, text, _name in self._needles}
        for form, text in forms_of(value).items():
            if text not in known:
                known.add(text)
                self._needles.append((form, text, name))
        self._needles.sort(key=lambda needle: -len(needle[1]))
        self._shortest_chars = len(self._needles[-1][1])
        self._written_needles = sorted({_written(text) for _form, text, _name in self._needles})
        self._automaton = None

    def value(self, name: str) -> str:
        """Return a known value by name (KeyError when it was never learnt)."""
        return self._values[name]

    def values(self) -> Mapping[str, str]:
        """Return every known value by name."""
        return dict(self._values)

    def redact(self, text: str, *, origin: str) -> str:
        """Return `text` with every known secret replaced by `[redacted:NAME]`, and remember each.

        `position` counts characters of the text as it came. Where the mark itself would spell a secret
        (a name that holds one, or what stands beside it), a shorter mark is used.
        """
        found = self._found_in(text)
        if not found:
            return text
        for start, _end, form, name in found:
            shown = "unnamed" if self._holds(name) else name
            self._redactions.append(Redaction(secret=shown, origin=origin, form=form, position=start))
        for mark in ("[redacted:{name}]", "[redacted]", _SHORTEST_MARK):
            clean = _replaced(text, found, mark)
            if not self._holds(clean):
                return clean
        return _SHORTEST_MARK

    def secret_in(self, text: str) -> str | None:
        """Return the name of a secret that `text` holds in some form, None when it holds none."""
        return next((name for _form, needle, name in self._needles if needle in text), None)

    def _holds(self, text: str) -> bool:
        return self.secret_in(text) is not None

    def _found_in(self, text: str) -> list[tuple[int, int, str, str]]:
        """Return (start, end, form, name) of every find, in order; finds that overlap are one per secret."""
        if len(text) < self._shortest_chars:
            return []  # most texts are names and numbers, shorter than any secret's shortest form
        found: list[tuple[int, int, str, str]] = []
        for form, needle, name in self._needles:
            start = text.find(needle)
            while start >= 0:
                found.append((start, start + len(needle), form, name))
                start = text.find(needle, start + 1)
        merged: list[tuple[int, int, str, str]] = []
        last: dict[str, int] = {}
        for start, end, form, name in sorted(found, key=lambda one: (one[0], -one[1])):
            before = merged[last[name]] if name in last else None
            if before is not None and start < before[1]:
                merged[last[name]] = (before[0], max(before[1], end), before[2], name)
            else:
                last[name] = len(merged)
                merged.append((start, end, form, name))
        return merged

    def is_absent(self, encoded: bytes) -> bool:
        """Tell whether no string of a JSON text, as msgspec writes it, can hold a secret; False says nothing.

        JSON writes character by character, so that a text within another is within it when both are written.
        """
        self._seen_bytes += len(encoded)
        if self._seen_bytes < _MANY_BYTES or not self._written_needles:
            return not any(needle in encoded for needle in self._written_needles)
        if self._automaton is None:
            self._automaton = _automaton(self._written_needles)
        found: list[int] = []
        self._automaton.scan(encoded, match_event_handler=lambda number, *_place: found.append(number))
        return not found

    def redact_value(self, value: Any, *, origin: str) -> Any:
        """Return a value with every string in it (keys too, a struct's own field names not) redacted.

        All its strings are searched at once, and one by one only where that finds something.
        """
        if self.secret_in("\0".join(_strings_in(value))) is None:
            return value
        return self._redacted(value, origin=origin)

    def _redacted(self, value: Any, *, origin: str) -> Any:
        if isinstance(value, str):
            return self.redact(value, origin=origin)
        if isinstance(value, msgspec.Struct):
            fields = {name: getattr(value, name) for name in value.__struct_fields__}
            clean = {name: self._redacted(field, origin=origin) for name, field in fields.items()}
            return msgspec.structs.replace(value, **clean)
        if isinstance(value, dict):
            return {
                self._redacted(key, origin=origin): self._redacted(item, origin=origin)
                for key, item in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [self._redacted(item, origin=origin) for item in value]
        if value is None or isinstance(value, (bool, int, float)):
            return value
        return self._redacted(msgspec.to_builtins(value), origin=origin)

    def take_redactions(self) -> list[Redaction]:
        """Return the redactions since the last call and forget them."""
        taken, self._redactions = self._redactions, []
        return taken


def _written(text: str) -> bytes:
    """Return the beginning of a text as JSON writes it: Hyperscan takes no text of 10 000 bytes."""
    return msgspec.json.encode(text)[1:-1][:_SOUGHT_BYTES]


def _automaton(texts: Sequence[bytes]) -> hyperscan.Database:
    import hyperscan

    made = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    numbers = range(len(texts))
    made.compile(
        expressions=texts, ids=numbers, elements=len(texts), flags=hyperscan.HS_FLAG_SINGLEMATCH, literal=True
    )
    return made


def _strings_in(value: Any) -> Iterator[str]:
    """Yield every string that `SecretRegistry.redact_value` would redact."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _strings_in(getattr(value, name))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _strings_in(key)
            yield from _strings_in(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _strings_in(item)
    elif value is not None and not isinstance(value, (bool, int, float)):
        yield from _strings_in(msgspec.to_builtins(value))


def _replaced(text: str, found: list[tuple[int, int, str, str]], mark: str) -> str:
    """Return `text` with `mark` in the place of every find; finds of several secrets that overlap are one."""
    parts: list[str] = []
    kept_from = 0
    for start, end, _form, name in found:
        if start >= kept_from:
            parts += (text[kept_from:start], mark.format(name=name))
        kept_from = max(kept_from, end)
    return "".join((*parts, text[kept_from:]))


def write_secret_file(path: Path, content: str, *, uid: int | None = None) -> None:
    """Create `path` (it must not exist; no link is followed) with mode 0600 and `content`."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        if uid is not None:
            os.fchown(descriptor, uid, uid)
        os.fchmod(descriptor, 0o600)
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def destroy_file(path: Path) -> None:
    """Overwrite a regular file once and remove it; a missing one is already destroyed.

    Overwriting is a courtesy of file systems that write in place; copy-on-write ones and SSDs keep
    old blocks, which the documentation says.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    with os.fdopen(descriptor, "wb") as file:
        remaining_bytes = os.fstat(descriptor).st_size
        while remaining_bytes > 0:
            step_bytes = min(remaining_bytes, 1 << 20)
            file.write(b"\0" * step_bytes)
            remaining_bytes -= step_bytes
        file.flush()
        os.fsync(descriptor)
    path.unlink()


def learn_all(registry: SecretRegistry, values: Iterable[tuple[str, str]]) -> None:
    """Make every (name, value) known."""
    for name, value in values:
        registry.learn(name, value)
