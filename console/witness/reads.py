"""Whether a text of the engine's own is a pure read, by PostgreSQL's own grammar.

Judges shipped SQL files only; the subject's statements are judged by the surface.
"""

from __future__ import annotations

import re
from typing import Any

import pg_query
from pg_query import pg_query_pb2

_PARAMETER = re.compile(r"%\((\w+)\)s|\{(\w+)\}")
_QUERY = re.compile(r"\{\w+_rows\}")
"""A place that a whole SELECT fills; each is a file of its own, or one that is made of such."""
_TEXT = re.compile(r"\{\w+_text\}")
"""A place that a literal fills where the grammar takes no other expression."""

_WRITING_NODES = ("insert_stmt", "update_stmt", "delete_stmt", "merge_stmt", "into_clause", "locking_clause")


def is_pure_read(text: str) -> bool:
    """Tell whether every statement of a SQL file is a SELECT without effects, its COPY to us, or transaction control.

    Places filled by psycopg are parsed as identifiers, or as a SELECT where a whole one fills them.
    """
    parsed = pg_query.parse(_PARAMETER.sub("place", _TEXT.sub("'place'", _QUERY.sub("SELECT", text))))
    tree = str(parsed)
    kinds = {
        statement.stmt.WhichOneof("node") for statement in parsed.stmts if not _joins_snapshot(statement)
    }
    copies = [statement.stmt.copy_stmt for statement in parsed.stmts if statement.stmt.HasField("copy_stmt")]
    return (
        kinds <= {"select_stmt", "transaction_stmt", "copy_stmt"}
        and not any(f"{node} {{" in tree for node in _WRITING_NODES)
        and all(
            copy.query.HasField("select_stmt") and not (copy.is_from or copy.is_program or copy.filename)
            for copy in copies
        )
    )


def _joins_snapshot(statement: Any) -> bool:
    """Tell whether a statement says only which exported snapshot its transaction sees: control of a transaction."""
    if not statement.stmt.HasField("variable_set_stmt"):
        return False
    chosen = statement.stmt.variable_set_stmt
    return bool(chosen.kind == pg_query_pb2.VAR_SET_MULTI and chosen.name == "TRANSACTION SNAPSHOT")
