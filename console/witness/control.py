"""What a statement does to its transaction, by PostgreSQL's own grammar.

Owns the reading of BEGIN, COMMIT, ROLLBACK, savepoints and isolation levels. Never judges and never splits
text by itself: what the grammar refuses, the server refuses too, and it controls nothing.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal

import msgspec

from console.witness.surface_grammar import NotParsed, kind_of, parse

Deed = Literal[
    "begin",
    "commit",
    "rollback",
    "rollback_to",
    "savepoint",
    "prepare",
    "isolation",
    "default",
    "reset",
    "other",
]

_DEEDS: dict[str, Deed] = {
    "TRANS_STMT_BEGIN": "begin",
    "TRANS_STMT_START": "begin",
    "TRANS_STMT_COMMIT": "commit",
    "TRANS_STMT_ROLLBACK": "rollback",
    "TRANS_STMT_ROLLBACK_TO": "rollback_to",
    "TRANS_STMT_SAVEPOINT": "savepoint",
    "TRANS_STMT_RELEASE": "savepoint",
    "TRANS_STMT_PREPARE": "prepare",
}
_LEVELS = ("read uncommitted", "read committed", "repeatable read", "serializable")
_RESETS = ("VAR_RESET", "VAR_SET_DEFAULT")


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """One statement's deed.

    `level` is the isolation named ("" when none); `chain` AND CHAIN; `local` SET LOCAL. "isolation" sets the
    present transaction's level, "default" the session's for later ones, "reset" puts that back to
    the role's; "other" does nothing to the transaction.
    """

    deed: Deed
    level: str = ""
    chain: bool = False
    local: bool = False


MOST_READINGS = 200
OTHER = Control(deed="other")


@lru_cache(maxsize=4096)
def controls(sql: str) -> tuple[Control, ...]:
    """Return the deeds of a string's statements in order; one "other" for what cannot be parsed."""
    try:
        found = parse(sql)
    except NotParsed:
        return (OTHER,)
    return tuple(_control(tree) for tree, _text in found)


def other_readings(sql: str) -> tuple[str, ...]:
    """Return what else the server may have executed where it logged "execute NAME: SQL".

    Whoever speaks the protocol chooses NAME: a statement prepared as "x: SELECT 1 --" shows its text as
    a comment behind ": ". Each such rest that parses is returned, and has to be allowed too. A text
    with more than MOST_READINGS of them is returned whole with its "execute", which nothing parses.
    """
    if sql.count(": ") > MOST_READINGS:
        return (f"execute : {sql}",)
    found: list[str] = []
    at = sql.find(": ")
    while at >= 0:
        rest = sql[at + 2 :]
        if controls(rest) and _parses(rest):
            found.append(rest)
        at = sql.find(": ", at + 1)
    return tuple(found)


def _parses(sql: str) -> bool:
    try:
        return bool(parse(sql))
    except NotParsed:
        return False


def _control(node: Any) -> Control:
    name = kind_of(node)
    if name == "TransactionStmt":
        return _transaction(node)
    if name == "VariableSetStmt":
        return _setting(node)
    if name == "DiscardStmt" and label_of(node, "target") == "DISCARD_ALL":
        return Control(deed="reset")
    return OTHER


def label_of(message: Any, field: str) -> str:
    """Return an enum field's name."""
    kinds = message.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number
    return str(kinds[getattr(message, field)].name)


def _transaction(statement: Any) -> Control:
    deed = _DEEDS.get(label_of(statement, "kind"), "other")
    return Control(deed=deed, level=_level(statement.options), chain=bool(statement.chain))


def _setting(statement: Any) -> Control:
    kind, name = label_of(statement, "kind"), str(statement.name).lower()
    level, local = _level(statement.args), bool(statement.is_local)
    if kind == "VAR_RESET_ALL":
        return Control(deed="reset")
    if name == "default_transaction_isolation" and kind in _RESETS:
        return Control(deed="reset", local=local)
    if name == "default_transaction_isolation" or (name == "session characteristics" and level):
        return Control(deed="default", level=level, local=local)
    if name in ("transaction", "transaction_isolation") and level:
        return Control(deed="isolation", level=level)
    return OTHER


def _level(arguments: Any) -> str:
    """Return the isolation level among SET's or BEGIN's arguments, lower case; "" when there is none."""
    for argument in arguments:
        node = argument
        if argument.WhichOneof("node") == "def_elem":
            if argument.def_elem.defname != "transaction_isolation":
                continue
            node = argument.def_elem.arg
        text = " ".join(str(node.a_const.sval.sval).lower().split())
        if text in _LEVELS:
            return text
    return ""
