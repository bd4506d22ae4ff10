"""Causes that a reader can act on: which earlier statement, sent from which line of the subject.

Owns sentences about why something happened. Pure: looks at witnessed statements and transactions only, and
never decides whether a scenario passes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from console.model.trace import ClientStatement
from console.witness.reconcile import Witnessed, shortened
from console.witness.transactions import Transaction, VerbsOf

ACTIVE_TRANSACTION, DENIED = "25001", "42501"
_STRENGTH = ("read uncommitted", "read committed", "repeatable read", "serializable")


def sender(client: ClientStatement) -> str:
    """Return the subject's function and line that sent a statement, "" when no frame is the subject's.

    The nearest function without a leading underscore: what a reader knows by name.
    """
    named = [one for one in client.callers if not one.startswith(("_", "<"))]
    return (named or list(client.callers) or [""])[0]


def described(one: Witnessed) -> str:
    """Return "statement 12, SELECT …"; a statement that nobody claims is named by its backend and line."""
    text = shortened(one.server.sql)
    if one.client is not None:
        return f"statement {one.client.n}, {text}"
    return f"line {one.server.line} of backend {one.server.pid}, {text}"


def described_with_sender(one: Witnessed) -> str:
    """Return the description and who sent it, inside or outside which phase."""
    if one.client is None:
        return f"{described(one)}, which no client statement explains"
    by = sender(one.client) or "code that is not the subject's"
    where = f"in phase {one.client.phase}" if one.client.phase else "outside any phase"
    return f"{described(one)}, sent by {by} {where}"


def holding(one: Witnessed, transactions: Iterable[Transaction]) -> Transaction | None:
    """Return the transaction in which a statement was executed."""
    place = (one.server.session, one.server.line)
    for transaction in transactions:
        if place in ((it.server.session, it.server.line) for it in transaction.statements):
            return transaction
    return None


def opened_earlier(error: Witnessed, transactions: Iterable[Transaction]) -> str | None:
    """Name the earlier statement that opened the transaction which 25001 found open.

    None for other errors, and when the statement itself opened its transaction.
    """
    transaction = holding(error, transactions)
    if error.server.sqlstate != ACTIVE_TRANSACTION or transaction is None:
        return None
    opener = transaction.opener
    if opener.server.line == error.server.line:
        return None
    return (
        f"the transaction was opened by {described_with_sender(opener)}, and was still open on backend "
        f"{error.server.pid}"
    )


def culprit(error: Witnessed, transactions: Iterable[Transaction]) -> str:
    """Return the subject's line to look at: the opener's for 25001, otherwise the statement's own."""
    transaction = holding(error, transactions)
    if error.server.sqlstate == ACTIVE_TRANSACTION and transaction is not None:
        opener = transaction.opener
        if opener.client is not None and opener.server.line != error.server.line:
            return sender(opener.client)
    return sender(error.client) if error.client is not None else ""


def split_phase(committed: Sequence[Transaction], expected: int) -> str | None:
    """Name every commit when a phase committed in more transactions than it may; None when it did not."""
    if len(committed) <= expected:
        return None
    ends = " and ".join(
        f"{described_with_sender(it.statements[-1])} (transaction {it.number})" for it in committed
    )
    return f"transactions with writes committed: {len(committed)}, expected {expected}: {ends}"


def wrong_roles(statements: Iterable[Witnessed], allowed: Collection[str], verbs_of: VerbsOf) -> str | None:
    """Name the first statement of a role that may not appear, a write before anything else."""
    foreign = [one for one in statements if one.server.user not in allowed]
    if not foreign:
        return None
    writes = [one for one in foreign if _is_write(one, verbs_of)]
    first = (writes or foreign)[0]
    what = "the write" if writes else "the statement"
    may = f"only {', '.join(allowed)}" if allowed else "no role"
    return f"{what} was sent as {first.server.user}, and {may} may appear: {described_with_sender(first)}"


def other_isolation(transaction: Transaction, expected: str | None) -> str | None:
    """Say at which level a transaction wrote when it was not the expected one."""
    if expected is None or transaction.isolation == expected:
        return None
    lower = _STRENGTH.index(transaction.isolation) < _STRENGTH.index(expected)
    write = next((one for one in transaction.statements if one.client and not one.client.implicit), None)
    first = f", which begins with {described_with_sender(write)}" if write else ""
    return (
        f"transaction {transaction.number} of backend {transaction.pid} ran at {transaction.isolation}, "
        f"{'lower' if lower else 'higher'} than the expected {expected}{first}"
    )


def swallowed(error: Witnessed) -> str:
    """Say that an error of the server's never came out of the subject."""
    said = f"the server raised {error.server.sqlstate} ({error.server.message})"
    return f"{said} at {described_with_sender(error)}, and the subject returned as if nothing had happened"


def inserted_again(statements: Iterable[Witnessed], tables: Collection[str], verbs_of: VerbsOf) -> str | None:
    """Name the writes of a replay into tables whose rows changed; None when no write names one of them."""
    again = [
        one
        for one in statements
        if not one.server.sqlstate
        and _is_write(one, verbs_of)
        and any(table in one.server.sql for table in tables)
    ]
    if not again:
        return None
    return "the replay wrote again: " + "; ".join(described_with_sender(one) for one in again[:3])


def unexplained(one: Witnessed) -> str:
    """Say that a statement reached the server which the client witness never saw leave."""
    return (
        f"backend {one.server.pid} ({one.server.user}) executed {shortened(one.server.sql)}, which no client "
        "statement explains: a connection past the witness"
    )


def _is_write(one: Witnessed, verbs_of: VerbsOf) -> bool:
    return bool({"INSERT", "UPDATE", "DELETE", "MERGE"}.intersection(verbs_of(one.server.sql)))
