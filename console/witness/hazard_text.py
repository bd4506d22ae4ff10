"""What a text names that it could reach, and what in it a ROLLBACK does not undo, by PostgreSQL's own grammar.

Pure. Deny by default: a kind of statement that is not listed as undone is a hazard, and what cannot be parsed raises.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import Message  # type: ignore[import-untyped]

from console.witness.surface_grammar import children, kind_of, names_of, parse
from console.witness.surface_tree import OWN_SCHEMAS, verb_of

UNDONE_STATEMENTS = frozenset(
    """
    CallStmt ConstraintsSetStmt DeleteStmt InsertStmt LockStmt MergeStmt NotifyStmt SelectStmt UpdateStmt
    VariableSetStmt VariableShowStmt
    """.split()  # noqa: SIM905
)
_ENDS = "ends a transaction, and what follows is another one"
_WHY = {
    "TransactionStmt": _ENDS,
    "CopyStmt": "COPY may write a file or start a program of the server",
    "DoStmt": "DO runs code that is a text",
    "ExecuteStmt": "EXECUTE runs a statement that was prepared elsewhere",
}
_WRITES = ("InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt")

Name = tuple[str, str]
"""Schema ("" where none is written) and name."""


@dataclass(kw_only=True)
class Named:
    """Everything that one text names; `hazards` are sentences about the text itself.

    `inserts` are those of `writes` whose defaults are evaluated. `functions` hold what stands after a dot too: (x).f
    calls f(x), whatever x is; after a name alone (`columns`) only a row's function can be meant.
    """

    functions: set[Name] = field(default_factory=set)
    columns: set[str] = field(default_factory=set)
    reads: set[Name] = field(default_factory=set)
    writes: set[Name] = field(default_factory=set)
    inserts: set[Name] = field(default_factory=set)
    types: set[Name] = field(default_factory=set)
    operators: set[str] = field(default_factory=set)
    hazards: dict[str, None] = field(default_factory=dict)
    asks_for_defaults: bool = False


def named_in(sql: str) -> Named:
    """Return what every statement of a text names. Raises NotParsed."""
    found = Named()
    for tree, _text in parse(sql):
        _node(tree, found)
    if found.asks_for_defaults:
        found.inserts |= found.writes
    return found


COMPARISONS = frozenset({"=", "<>", "<", "<=", ">", ">="})
"""Operators that a text can use without writing them: IN, BETWEEN, CASE, NULLIF, USING, DISTINCT, ORDER BY."""


def _node(tree: Any, found: Named) -> None:
    kind = kind_of(tree)
    if kind.endswith("Stmt") and kind not in UNDONE_STATEMENTS:
        why = _WHY.get(kind, "is not known to leave nothing after a ROLLBACK")
        found.hazards[why if kind in ("CopyStmt", "DoStmt", "ExecuteStmt") else f"{verb_of(kind)} {why}"] = (
            None
        )
    _names(tree, kind, found)
    for child in children(tree):
        _node(child, found)


def _names(tree: Any, kind: str, found: Named) -> None:
    if kind in _WRITES:
        target = (tree.relation.schemaname, tree.relation.relname)
        found.writes.add(target)
        if kind in ("InsertStmt", "MergeStmt"):
            found.inserts.add(target)
        if target[0] in OWN_SCHEMAS or target[0].startswith("pg_"):
            found.hazards[f"it writes into {target[0]}.{target[1]}, PostgreSQL's own"] = None
    elif kind == "SelectStmt" and tree.HasField("into_clause"):
        found.hazards["SELECT INTO creates a table"] = None
    elif kind == "RangeVar":
        found.reads.add((tree.schemaname, tree.relname))
    elif kind == "SetToDefault":
        found.asks_for_defaults = True
    elif kind == "FuncCall":
        found.functions.add(_last_two(tree.funcname))
    elif kind == "RangeTableSample":
        found.functions.add(_last_two(tree.method))
    elif kind == "TypeName":
        found.types.add(_last_two(tree.names))
    elif kind == "ColumnRef":
        found.columns.update(part for part in names_of(tree.fields)[1:] if part != "*")
    elif kind == "A_Indirection":
        found.functions.update(("", part) for part in names_of(tree.indirection) if part != "*")
    else:
        _operators(tree, kind, found)


def _operators(tree: Any, kind: str, found: Named) -> None:
    parts: Any = ()
    if kind == "A_Expr":
        parts = tree.name
    elif kind == "SubLink":
        parts = tree.oper_name
    elif kind == "SortBy":
        parts = tree.use_op
    if parts:
        found.operators.add(names_of(parts)[-1])


def _last_two(nodes: Message) -> Name:
    parts = names_of(nodes)
    return (parts[-2] if len(parts) > 1 else "", parts[-1]) if parts else ("", "")
