"""Whether an operator's WHERE is one harmless expression, by PostgreSQL's own grammar and the SQL surface.

Deny by default, as for a subject's statements. Never connects; what a name means is the server's business.
"""

from __future__ import annotations

from typing import Any

from console.witness.surface import find_in_text
from console.witness.surface_functions import VOLATILE_BUT_HARMLESS, VOLATILE_BUT_HARMLESS_SINCE
from console.witness.surface_grammar import NotParsed, children, kind_of, parse
from console.witness.surface_tree import Found

_ALONE = frozenset({"where_clause", "limit_option", "op"})
"""What a SELECT without anything but a condition has; the last two are enumerations with a default."""

_CHANGING = VOLATILE_BUT_HARMLESS.union(
    *VOLATILE_BUT_HARMLESS_SINCE.values(), ("statement_timestamp", "current_setting")
)
"""What need not answer alike in each of the statements that read the same rows: the looks would see others."""


def where_refusal(text: str) -> str:
    """Return why the text must not stand in a WHERE, "" where it may.

    It must be one expression by itself and in parentheses, name only functions and operators that are PostgreSQL's own
    and harmless, whose answer stays in one snapshot, change no setting, lock nothing and have no parameter.
    """
    if not text.strip():
        return "it is empty"
    for statement in (f"SELECT WHERE {text}\n", f"SELECT WHERE ({text}\n)"):
        try:
            trees = parse(statement)
        except NotParsed as refused:
            return str(refused)
        if len(trees) != 1 or not _is_condition(trees[0][0]):
            return "it is more than one expression"
    found = find_in_text(f"SELECT WHERE ({text}\n)")
    more = [why for one in found for why in (*one.refusals, *_more_refusals(one))]
    return "; ".join(dict.fromkeys([*more, *_held(trees[0][0])]))


def _is_condition(tree: Any) -> bool:
    if kind_of(tree) != "SelectStmt":
        return False
    return {field.name for field, _value in tree.ListFields()} <= _ALONE and tree.HasField("where_clause")


def _more_refusals(found: Found) -> list[str]:
    refused = [f"it changes the setting {name}" for name in sorted(found.settings)]
    own = [".".join(parts) for parts in sorted(found.types) if len(parts) > 1 and parts[0] != "pg_catalog"]
    refused += [f"the type {name} is not PostgreSQL's own, and its checks may run code" for name in own]
    if found.called_by_dot & _CHANGING:
        refused.append("a name after a dot calls what does not answer alike whenever it is asked")
    for name in found.functions:
        plain = name.removeprefix("pg_catalog.")
        if plain in _CHANGING or plain.startswith("pg_stat_get"):
            refused.append(f"{name} does not answer alike whenever it is asked")
    return refused + [f"it holds {verb}" for verb in found.verbs if verb != "SELECT"]


def _held(tree: Any) -> list[str]:
    """Return what the surface lets through and a condition must not have: locks and parameters."""
    kinds: set[str] = set()
    waiting = [tree]
    while waiting:
        one = waiting.pop()
        kinds.add(kind_of(one))
        waiting += children(one)
    told = {
        "LockingClause": "it locks rows", "ParamRef": "it has a parameter",
        "RangeTableSample": "TABLESAMPLE does not give the same rows whenever it is asked",
    }  # fmt: skip
    return [words for kind, words in told.items() if kind in kinds]
