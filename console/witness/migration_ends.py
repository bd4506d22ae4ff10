"""How the sessions and transactions of a migration ended, by the server's log and the looks at its sessions.

Pure. A transaction wrote when a statement of it says so, or when a look saw that it had a number of its own.
"""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.message import Message  # type: ignore[import-untyped]

from console.model.trace import ServerLine
from console.witness.migration import Looks
from console.witness.reconcile import shortened
from console.witness.surface_grammar import NotParsed, children, kind_of, parse
from console.witness.transactions import Transaction, VerbsOf

READS = frozenset({"SELECT", "SHOW", "SET", "TRANSACTION", "EXPLAIN", "DECLARE", "FETCH", "CLOSE", "VALUES"})


def uncommitted(
    done: Iterable[Transaction], scenario: str, looks: Looks, *, verbs_of: VerbsOf
) -> tuple[str, ...]:
    """Return each transaction of a migration that wrote and whose COMMIT the server did not see, in words."""
    return tuple(
        f"the transaction of backend {one.pid} that began with {shortened(one.opener.server.sql)} ({_END[one.ended]})"
        for one in done
        if one.ended != "commit"
        and any(it.server.scenario == scenario for it in one.statements)
        and _wrote(one, looks, verbs_of)
    )


_MAY_WRITE = frozenset({"FuncCall", "IntoClause", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"})
_LOCKING = frozenset({"LockingClause"})

_END = {"rollback": "rolled back", "left open": "left open"}


def _wrote(one: Transaction, looks: Looks, verbs_of: VerbsOf) -> bool:
    if only_locks(it.server.sql for it in one.statements):
        return False
    if any(it.client is not None and looks.wrote(it.client) for it in one.statements):
        return True
    return not READS.issuperset(verb for it in one.statements for verb in verbs_of(it.server.sql))


def only_locks(texts: Iterable[str]) -> bool:
    """Tell whether statements do no more than lock: LOCK, SELECT FOR UPDATE and the like, and the transaction's own.

    Such locks give a transaction its number, as a write does. A SELECT that calls a function may write.
    """
    try:
        trees = [tree for text in texts for tree, _own in parse(text)]
    except NotParsed:
        return False
    locks = any(kind_of(tree) == "LockStmt" or _holds(tree, _LOCKING) for tree in trees)
    return locks and all(_only_locks(tree) for tree in trees)


def _only_locks(tree: Message) -> bool:
    if kind_of(tree) == "SelectStmt":
        return not _holds(tree, _MAY_WRITE)
    return kind_of(tree) in ("LockStmt", "TransactionStmt", "VariableShowStmt")


def _holds(tree: Message, kinds: frozenset[str]) -> bool:
    return any(kind_of(one) in kinds or _holds(one, kinds) for one in children(tree))


def of_others(lines: Iterable[ServerLine], scenario: str, *, role: str, database: str) -> tuple[str, ...]:
    """Return each session of a migration that was another role's or in another database, in words."""
    found: dict[str, str] = {}
    for line in lines:
        if line.scenario == scenario and line.user and (line.user, line.database) != (role, database):
            found[line.session] = (
                f"backend {line.pid} was a session of {line.user} in {line.database or 'no database'}"
            )
    return tuple(sorted(set(found.values())))
