"""How the sessions and transactions of a migration ended, by the server's log and the looks at its sessions.

Pure. A transaction wrote when a statement of it says so, or when a look saw that it had a number of its own.
"""

from __future__ import annotations

from collections.abc import Iterable

from console.model.trace import ServerLine
from console.witness.migration import Looks
from console.witness.reconcile import shortened
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


_END = {"rollback": "rolled back", "left open": "left open"}


def _wrote(one: Transaction, looks: Looks, verbs_of: VerbsOf) -> bool:
    if any(it.client is not None and looks.wrote(it.client) for it in one.statements):
        return True
    return not READS.issuperset(verb for it in one.statements for verb in verbs_of(it.server.sql))


def of_others(lines: Iterable[ServerLine], scenario: str, *, role: str, database: str) -> tuple[str, ...]:
    """Return each session of a migration that was another role's or in another database, in words."""
    found: dict[str, str] = {}
    for line in lines:
        if line.scenario == scenario and line.user and (line.user, line.database) != (role, database):
            found[line.session] = (
                f"backend {line.pid} was a session of {line.user} in {line.database or 'no database'}"
            )
    return tuple(sorted(set(found.values())))
