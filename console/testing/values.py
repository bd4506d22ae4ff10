"""Python values on the fake server's wire, and parameters off it, by psycopg's own adapters."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg.adapt import PyFormat, Transformer
from psycopg.types.json import Json, Jsonb
from psycopg.types.numeric import Float8, Int8

from console.testing.wire import Column

TEXT, JSONB = 25, 3802
_PLAIN: dict[type, int] = {bool: 16, int: 20, float: 701, str: TEXT, Decimal: 1700, UUID: 2950, dict: JSONB}


def _prepared(value: Any) -> Any:
    """Return a value whose dumper makes the type that `_PLAIN` says."""
    if isinstance(value, dict):
        return Jsonb(value)
    if isinstance(value, Json):
        return Jsonb(value.obj)
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return Int8(value)
    return Float8(value) if isinstance(value, float) else value


def columns_of(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[Column]:
    """Return the columns with the types of their first values that are not NULL; text where there is none."""
    adapters = Transformer()
    found = []
    for at, name in enumerate(names):
        value = next((row[at] for row in rows if row[at] is not None), None)
        oid = _PLAIN.get(type(value), 0)
        if not oid and value is not None:
            oid = adapters.get_dumper(_prepared(value), PyFormat.TEXT).oid
        found.append(Column(name=name, oid=oid or TEXT))
    return found


def encoded(row: Sequence[Any], formats: Sequence[int]) -> list[bytes | None]:
    """Return a row's values in the formats asked for (0 text, 1 binary)."""
    adapters = Transformer()
    made: list[bytes | None] = []
    for value, code in zip(row, formats, strict=True):
        if value is None:
            made.append(None)
            continue
        form = PyFormat.BINARY if code else PyFormat.TEXT
        dumped = adapters.get_dumper(_prepared(value), form).dump(_prepared(value))
        made.append(None if dumped is None else bytes(dumped))
    return made


def decoded(values: Sequence[bytes | None], oids: Sequence[int], formats: Sequence[int]) -> tuple[Any, ...]:
    """Return parameters as Python values; one whose type nobody knows is its text."""
    adapters = Transformer()
    codes = formats if len(formats) == len(values) else list(formats or [0])[:1] * len(values)
    found: list[Any] = []
    for at, value in enumerate(values):
        oid = oids[at] if at < len(oids) else 0
        code = codes[at]
        found.append(None if value is None else adapters.get_loader(oid or TEXT, _format(code)).load(value))
    return tuple(found)


def _format(code: int) -> Any:
    from psycopg.pq import Format

    return Format(code)
