"""PL/pgSQL bodies by PostgreSQL's own parser (libpg_query): every SQL text in them, and what cannot be read.

Owns the call into the library, which pg-query-python ships and has no word for. Never executes anything.
"""

from __future__ import annotations

import ctypes
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pg_query import native

from console.witness.surface_grammar import SMALL_TEXT_BYTES, NotParsed

_EXPRESSION, _ASSIGNMENTS = 2, (3, 4, 5)
_ASSIGNED = re.compile(r"([^:=]+)(?::=|=)(.*)", re.DOTALL)
_DYNAMIC = {"PLpgSQL_stmt_dynexecute": "EXECUTE", "PLpgSQL_stmt_dynfors": "FOR … IN EXECUTE"}
_ENDS = {"PLpgSQL_stmt_commit": "COMMIT", "PLpgSQL_stmt_rollback": "ROLLBACK"}
_LARGEST_BODY_BYTES = 8 * SMALL_TEXT_BYTES
_COMMENTS = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_CALLED = re.compile(r"(?:\"?(\w+)\"?\s*\.\s*)?\"?(\w+)\"?\s*\(")
_WORD = re.compile(r"\w+")


class _Error(ctypes.Structure):
    _fields_ = [
        ("message", ctypes.c_char_p), ("funcname", ctypes.c_char_p), ("filename", ctypes.c_char_p),
        ("lineno", ctypes.c_int), ("cursorpos", ctypes.c_int), ("context", ctypes.c_char_p),
    ]  # fmt: skip


class _Result(ctypes.Structure):
    _fields_ = [("functions", ctypes.c_char_p), ("error", ctypes.POINTER(_Error))]


@dataclass(kw_only=True)
class Body:
    """What one body holds: SQL texts, statements made at run time, and ends of transactions."""

    texts: list[str] = field(default_factory=list)
    dynamic: list[str] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)


def read_body(definition: str) -> Body:
    """Return what the body of a CREATE FUNCTION or PROCEDURE in LANGUAGE plpgsql holds.

    Raises NotParsed where PostgreSQL's own parser does not read it.
    """
    if len(definition.encode()) > _LARGEST_BODY_BYTES:
        raise NotParsed(f"the function is longer than {_LARGEST_BODY_BYTES} bytes")
    body = Body()
    _walk(_parsed(definition), body)
    return body


def _parsed(definition: str) -> Any:
    parse = native.lib.pg_query_parse_plpgsql
    parse.argtypes, parse.restype = [ctypes.c_char_p], _Result
    free = native.lib.pg_query_free_plpgsql_parse_result
    free.argtypes, free.restype = [_Result], None
    result = parse(definition.encode())
    try:
        if result.error:
            raise NotParsed(str((result.error.contents.message or b"").decode("utf-8", "replace")))
        return json.loads(result.functions or b"[]")
    except json.JSONDecodeError as wrong:
        raise NotParsed("its parse tree cannot be read") from wrong
    finally:
        free(result)


def _walk(node: Any, body: Body) -> None:
    if isinstance(node, list):
        for one in node:
            _walk(one, body)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in _DYNAMIC or key == "dynquery":
                body.dynamic.append(_DYNAMIC.get(key, "RETURN QUERY EXECUTE or OPEN FOR EXECUTE"))
            elif key in _ENDS:
                body.ends.append(_ENDS[key])
            if key == "PLpgSQL_expr":
                body.texts += _sql_of(value)
            else:
                _walk(value, body)


def _sql_of(expression: dict[str, Any]) -> list[str]:
    """Return statements that hold all that one expression names. Raises NotParsed for a mode nobody knows."""
    text, mode = str(expression.get("query", "")), expression.get("parseMode", 0)
    if mode == 0:
        return [text]
    if mode == _EXPRESSION:
        return [f"SELECT {text}"]
    if mode in _ASSIGNMENTS:
        parts = _ASSIGNED.fullmatch(text)
        if parts is not None:
            return [f"SELECT {parts[1]}", f"SELECT {parts[2]}"]
    raise NotParsed(f"an expression of parse mode {mode}")


def without_comments(source: str) -> str:
    """Return a body's text without its comments; a comment sign inside a string takes its rest away too."""
    return _COMMENTS.sub(" ", source)


def words_of(source: str) -> Iterator[str]:
    """Yield every word of a body in lower case, those inside its strings as well."""
    for found in _WORD.finditer(source):
        yield found[0].lower()


def calls_of(source: str) -> set[tuple[str, str]]:
    """Return (schema or "", name) of whatever looks like a call, read without any grammar."""
    return {(found[1] or "", found[2].lower()) for found in _CALLED.finditer(source)}
