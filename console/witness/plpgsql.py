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

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from pg_query import native, pg_query_pb2

from console.witness.surface_grammar import SMALL_TEXT_BYTES, NotParsed

_EXPRESSION, _ASSIGNMENTS = 2, (3, 4, 5)
_ASSIGNED = re.compile(r"([^:=]+)(?::=|=)(.*)", re.DOTALL)
_DYNAMIC = {"PLpgSQL_stmt_dynexecute": "EXECUTE", "PLpgSQL_stmt_dynfors": "FOR … IN EXECUTE"}
_ENDS = {"PLpgSQL_stmt_commit": "COMMIT", "PLpgSQL_stmt_rollback": "ROLLBACK"}
_LARGEST_BODY_BYTES = 8 * SMALL_TEXT_BYTES
_CALLED = re.compile(r'(?:"[^"]+"|\w+)(?=\s*\()')
_NAMED = re.compile(r'"[^"]+"|\w+')
_WORD = re.compile(r"\w+")
_COMMENT_TOKENS = (pg_query_pb2.SQL_COMMENT, pg_query_pb2.C_COMMENT)


class _Error(ctypes.Structure):
    _fields_ = [
        ("message", ctypes.c_char_p), ("funcname", ctypes.c_char_p), ("filename", ctypes.c_char_p),
        ("lineno", ctypes.c_int), ("cursorpos", ctypes.c_int), ("context", ctypes.c_char_p),
    ]  # fmt: skip


class _Result(ctypes.Structure):
    _fields_ = [("functions", ctypes.c_char_p), ("error", ctypes.POINTER(_Error))]


class _Scanned(ctypes.Structure):
    _fields_ = [
        ("tokens", native.PgQueryProtobuf), ("words", ctypes.c_char_p), ("error", ctypes.POINTER(_Error)),
    ]  # fmt: skip


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
    """Return a body's text without its comments, by PostgreSQL's own scanner; whole where that cannot read it."""
    scan = native.lib.pg_query_scan
    scan.argtypes, scan.restype = [ctypes.c_char_p], _Scanned
    free = native.lib.pg_query_free_scan_result
    free.argtypes, free.restype = [_Scanned], None
    encoded = source.encode()
    result = scan(encoded)
    try:
        if result.error:
            return source
        read = pg_query_pb2.ScanResult.FromString(ctypes.string_at(result.tokens.data, result.tokens.len))
    except DecodeError:
        return source
    finally:
        free(result)
    kept, at = [], 0
    for token in read.tokens:
        if token.token in _COMMENT_TOKENS:
            kept.append(encoded[at : token.start])
            at = token.end
    return b" ".join([*kept, encoded[at:]]).decode("utf-8", "replace")


def words_of(source: str) -> Iterator[str]:
    """Yield every word of a body in lower case, those inside its strings as well."""
    for found in _WORD.finditer(source):
        yield found[0].lower()


def calls_of(source: str) -> set[str]:
    """Return the name of whatever looks like a call, read without any grammar."""
    return {_folded(found[0]) for found in _CALLED.finditer(source)}


def names_in(source: str) -> set[str]:
    """Return whatever could be a name, as the server would fold it."""
    return {_folded(found[0]) for found in _NAMED.finditer(source)}


def _folded(name: str) -> str:
    return name[1:-1] if name.startswith('"') else name.lower()
