"""Whether a text of the engine's own is a pure read, by PostgreSQL's own grammar.

Judges shipped SQL files only; the subject's statements are judged by the surface.
"""

from __future__ import annotations

import re

import pg_query

_PARAMETER = re.compile(r"%\((\w+)\)s|\{(\w+)\}")
_WRITING_NODES = ("insert_stmt", "update_stmt", "delete_stmt", "merge_stmt", "into_clause", "locking_clause")


def is_pure_read(text: str) -> bool:
    """Tell whether every statement of a SQL file is a SELECT without effects, or transaction control.

    Places filled by psycopg are parsed as identifiers.
    """
    parsed = pg_query.parse(_PARAMETER.sub("place", text))
    tree = str(parsed)
    kinds = {statement.stmt.WhichOneof("node") for statement in parsed.stmts}
    return kinds <= {"select_stmt", "transaction_stmt"} and not any(
        f"{node} {{" in tree for node in _WRITING_NODES
    )
