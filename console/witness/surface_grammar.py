"""PostgreSQL's own grammar (libpg_query): turns SQL text into typed trees, or says why it cannot.

Owns the limits under which a text is parsed at all. Never executes anything and never judges.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pg_query
from google.protobuf.message import DecodeError, Message  # type: ignore[import-untyped]

LONGEST_TEXT_BYTES = 262_144
"""Longer texts are not judged: nested to the full, this many take libpg_query about 7 s."""

SMALL_TEXT_BYTES = 8_192
"""libpg_query walks its tree by recursion without a limit, up to about 400 bytes of stack a character:
this many characters fit an ordinary thread's 8 MB, more crash the process."""

LARGE_STACK_BYTES = 512 * 1024 * 1024
"""Address space (not memory) for the thread that parses the longer texts."""

GRAMMAR_MAJOR = 16
"""The major version whose grammar pg-query-python 0.1.3 carries (ParseResult.version 160001)."""

_large_stack = threading.Lock()


class NotParsed(ValueError):
    """The text cannot be parsed; the message says why, without repeating the text."""


def parse(sql: str) -> list[tuple[Message, str]]:
    """Return each statement of `sql` as (tree, its own text), empty when there is nothing to execute.

    Raises NotParsed for a NUL, a lone surrogate, a text over 262144 bytes, trees nested more than
    about 50 expressions or 16 subqueries deep, and whatever the grammar refuses.
    """
    if "\0" in sql:
        raise NotParsed("the text holds a NUL, at which a driver would cut it")
    try:
        encoded = sql.encode("utf-8")
    except UnicodeEncodeError as surrogate:
        raise NotParsed("the text holds half a surrogate pair and is no text") from surrogate
    if len(encoded) > LONGEST_TEXT_BYTES:
        raise NotParsed(f"the text has {len(encoded)} bytes; at most {LONGEST_TEXT_BYTES} are judged")
    try:
        tree = pg_query.parse(sql) if len(encoded) <= SMALL_TEXT_BYTES else _parse_on_large_stack(sql)
    except pg_query.PgQueryError as refused:
        raise NotParsed(f"PostgreSQL {GRAMMAR_MAJOR}'s grammar refuses it: {refused}") from refused
    except DecodeError as deep:
        raise NotParsed("the statement is nested too deep to be judged") from deep
    return [(unwrap(raw.stmt), _own_text(encoded, raw)) for raw in tree.stmts]


def _own_text(encoded: bytes, raw: Any) -> str:
    end = raw.stmt_location + raw.stmt_len if raw.stmt_len else len(encoded)
    return encoded[raw.stmt_location : end].decode("utf-8", "replace").strip()


def _parse_on_large_stack(sql: str) -> Any:
    done: list[Any] = []

    def work() -> None:
        try:
            done.append(pg_query.parse(sql))
        except (pg_query.PgQueryError, DecodeError) as failed:
            done.append(failed)

    with _large_stack:
        before = threading.stack_size(LARGE_STACK_BYTES)
        try:
            thread = threading.Thread(target=work, name="drydock-grammar")
            thread.start()
        finally:
            threading.stack_size(before)
    thread.join()
    if isinstance(done[0], Exception):
        raise done[0]
    return done[0]


def kind_of(message: Message) -> str:
    """Return the name of a tree node, such as SelectStmt or FuncCall."""
    return str(message.DESCRIPTOR.name)


def unwrap(message: Message) -> Message:
    """Return the node inside the grammar's Node wrapper, or the message itself."""
    if kind_of(message) != "Node":
        return message
    which = message.WhichOneof("node")
    return getattr(message, which) if which is not None else message


def children(message: Message) -> Iterator[Message]:
    """Yield the nodes directly below one, unwrapped, in the grammar's order."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if isinstance(value, Message):
            yield unwrap(value)
        else:
            for item in value:
                yield unwrap(item)


def names_of(nodes: Any) -> tuple[str, ...]:
    """Return a dotted name's parts; a part that is no name is given as "*"."""
    found = [unwrap(node) for node in nodes]
    return tuple(node.sval if kind_of(node) == "String" else "*" for node in found)
