"""Deterministic fakes by type: which types can be masked, and the SQL that makes a fake on the source's own server.

Owns the table of types and the keys' way to the server. Never sees a value; never puts a key into a statement: the keys
are settings of the session's start, which no server logs and no view shows to another session.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from psycopg import sql

from console.sql import Part, prepare

MASK_KEY = "mask-key"
"""What the registry calls the key, whatever its entry is called."""

TEXT_CHARS = 24
EMAIL_ENDING_CHARS = len("@example.invalid")
SHORTEST_EMAIL_CHARS = EMAIL_ENDING_CHARS + 8
_MOST_DIGITS = 18
_TEXT = re.compile(r"text|character varying(?:\((\d+)\))?|character(?:\((\d+)\))?")
_NUMERIC = re.compile(r"numeric(?:\((\d+),(-?\d+)\))?")
_TIME = re.compile(r"timestamp(?:\(\d\))? with(?:out)? time zone")
_WHOLE = {"smallint": (15, 8), "integer": (31, 16), "bigint": (63, 32)}
_FLOATS = {"real": (6, 0), "double precision": (9, 2)}
"""Digits, and those behind the point: every such number is exact in the type, or rounded as the original is."""
_SIMPLE = {
    "date": ("date", "text", "values"), "uuid": ("uuid", "text", "values"), "boolean": ("boolean", "", "constants"),
    "bytea": ("bytes", "bytes", "values"), "inet": ("address", "text", "values"), "cidr": ("address", "text", "values"),
    "json": ("json", "text", "texts"), "jsonb": ("json", "text", "texts"),
}  # fmt: skip
"""Type to its file in sql/mask, how its value is keyed, and how a fake is compared (sql/sample/check_*)."""

TYPES = ", ".join(("text, varchar, char", *_WHOLE, *_FLOATS, "numeric, timestamp", *_SIMPLE))


def mask_refusal(type_name: str, sort: str) -> str:
    """Return why a column of a type (as format_type prints it) cannot have that sort of fake, "" where it can."""
    text = _TEXT.fullmatch(type_name)
    if sort == "email":
        if text is None:
            return f"an address does not fit into {type_name}"
        if _length(type_name) < SHORTEST_EMAIL_CHARS:
            return f"{type_name} is too short for an address of {SHORTEST_EMAIL_CHARS} characters"
        return ""
    known = text or _NUMERIC.fullmatch(type_name) or _TIME.fullmatch(type_name)
    if known or type_name in _WHOLE or type_name in _FLOATS or type_name in _SIMPLE:
        return ""
    return f"there is no fake for the type {type_name}"


def _length(type_name: str) -> int:
    found = _TEXT.fullmatch(type_name)
    assert found is not None
    given = found[1] or found[2]
    return int(given) if given else (1 if type_name == "character" else 1 << 30)


@dataclass(frozen=True, kw_only=True)
class Mask:
    """One masked column: its type as format_type prints it, and the sort of its fakes."""

    column: str
    type: str
    sort: str

    @property
    def check(self) -> str:
        """Return the file that asks what the mask made."""
        how = _SIMPLE[self.type][2] if self.type in _SIMPLE else "values"
        return f"sample/check_{how}"

    def fake(self) -> sql.Composed:
        """Return a SELECT of the fake of one row of `taken`; StepFailed's business is `mask_refusal` beforehand."""
        value = sql.Identifier("taken", self.column)
        type_part = sql.SQL(self.type)  # format_type's own words, matched whole against the table of types
        if self.type in _WHOLE:
            bits, low_bits = _WHOLE[self.type]
            numbers = {
                "bits": bits, "low_bits": low_bits, "low_mask": (1 << low_bits) - 1,
                "high_mask": (1 << (bits - low_bits)) - 1,
            }  # fmt: skip
            literals = {name: sql.SQL(str(number)) for name, number in numbers.items()}
            return _part("mask/integer", {"value": value, "type": type_part, **literals})
        if _TEXT.fullmatch(self.type):
            longest = _length(self.type)
            length = min(TEXT_CHARS, longest - EMAIL_ENDING_CHARS if self.sort == "email" else longest)
            keyed = _part("mask/keyed_text", {"value": value})
            name = "mask/email" if self.sort == "email" else "mask/text"
            return _part(name, {"keyed_rows": keyed, "type": type_part, "length": sql.SQL(str(length))})
        if self.type in _FLOATS or _NUMERIC.fullmatch(self.type):
            return self._number(value, type_part)
        if _TIME.fullmatch(self.type):
            keyed = _part("mask/keyed_text", {"value": value})
            return _part("mask/timestamp", {"keyed_rows": keyed, "type": type_part})
        name, how, _check = _SIMPLE[self.type]
        if not how:
            return _part(f"mask/{name}", {"value": value})
        keyed = _part(f"mask/keyed_{how}", {"value": value})
        return _part(f"mask/{name}", {"keyed_rows": keyed, "type": type_part})

    def _number(self, value: Part, type_part: Part) -> sql.Composed:
        keyed = "mask/keyed_text" if self.type in _FLOATS else "mask/keyed_number"
        digits, scale = _FLOATS.get(self.type, (_MOST_DIGITS, 2))
        if (found := _NUMERIC.fullmatch(self.type)) and found[1]:
            digits, scale = int(found[1]), int(found[2])
        parts = {"unit": _decimal(-scale), "range": _decimal(min(digits, _MOST_DIGITS))}
        rows = _part(keyed, {"value": value})
        return _part("mask/numeric", {"keyed_rows": rows, "type": type_part, **parts})


def fakes_of(masks: Mapping[str, Mask]) -> sql.Composed:
    """Return a SELECT of the fakes of one row of `taken`, each by its column's name."""
    named = [sql.SQL("({}) AS {}").format(mask.fake(), sql.Identifier(name)) for name, mask in masks.items()]
    return _part("mask/row", {"fakes": sql.SQL(", ").join(named)})


def _decimal(exponent: int) -> sql.SQL:
    return sql.SQL(format(Decimal(1).scaleb(exponent), "f"))


def _part(name: str, parts: Mapping[str, Part]) -> sql.Composed:
    return prepare(name, parts).query


def mask_keys(secret: str) -> dict[str, str]:
    """Return the settings of a session that can make fakes, from the key's own text ("" for one of this run alone).

    HMAC's two padded keys (RFC 2104) and one more for whole numbers; from none of them the secret can be had.
    """
    if secret:
        key = hashlib.scrypt(secret.encode(), salt=b"drydock mask 1", n=1 << 14, r=8, p=1, dklen=32)
    else:
        key = secrets.token_bytes(32)
    padded = key.ljust(64, b"\0")
    return {
        "mask_inner": bytes(byte ^ 0x36 for byte in padded).hex(),
        "mask_outer": bytes(byte ^ 0x5C for byte in padded).hex(),
        "mask_round": hmac.digest(key, b"whole numbers", "sha256").hex(),
    }


def session_options(keys: Mapping[str, str]) -> str:
    """Return the keys as libpq's options: they travel in the start of the session, never in a statement."""
    return " ".join(f"-c drydock.{name}={value}" for name, value in keys.items())
