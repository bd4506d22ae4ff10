"""What auto_explain logs of a statement that ran inside a function, a trigger or a constraint's own query.

Owns how such a text is read. Pure. PL/pgSQL hands the executor expressions and assignments as well, which are
no statements by themselves (src/pl/plpgsql/src/pl_comp.c: RawParseMode); a context says which.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

_PLAN = re.compile(r"duration: [0-9.]+ ms  plan:\n")
_EXPRESSION, _ASSIGNMENT = "SQL expression ", "PL/pgSQL assignment "
_TARGET = re.compile(r"[^:=]+:?=")
_decode = msgspec.json.Decoder(dict[str, Any]).decode


def nested_text(message: str, context: str) -> str | None:
    """Return the statement of a line "duration: … plan: …" with a context; None for any other line.

    A plan that is not auto_explain's JSON is returned as it stands, which nobody's grammar takes for a statement.
    """
    found = _PLAN.match(message)
    if found is None or not context:
        return None
    try:
        text = _decode(message[found.end() :].encode("utf-8", "surrogatepass")).get("Query Text")
    except msgspec.DecodeError:
        return message
    if not isinstance(text, str):
        return message
    return _as_statement(text, context)


def _as_statement(text: str, context: str) -> str:
    if context.startswith(_EXPRESSION):
        return f"SELECT {text}"
    if context.startswith(_ASSIGNMENT):
        target = _TARGET.match(text)
        return f"SELECT {text[target.end() :].lstrip()}" if target else text
    return text
