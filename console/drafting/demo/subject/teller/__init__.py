"""pgbench's own transaction (TPC-B-like), as an application would write it: one deposit, wholly or not at all."""

from __future__ import annotations

from typing import Any

import psycopg


def deposit(
    connection: psycopg.Connection[Any], *, account: int, teller: int, branch: int, delta: int
) -> int:
    """Book `delta` on an account, its teller and its branch, keep the history, and return the new balance."""
    with connection.transaction():
        connection.execute(
            "UPDATE pgbench_accounts SET abalance = abalance + %s WHERE aid = %s", (delta, account)
        )
        row = connection.execute(
            "SELECT abalance FROM pgbench_accounts WHERE aid = %s", (account,)
        ).fetchone()
        connection.execute(
            "UPDATE pgbench_tellers SET tbalance = tbalance + %s WHERE tid = %s", (delta, teller)
        )
        connection.execute(
            "UPDATE pgbench_branches SET bbalance = bbalance + %s WHERE bid = %s", (delta, branch)
        )
        connection.execute(
            "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (%s, %s, %s, %s, CURRENT_TIMESTAMP)",
            (teller, branch, account, delta),
        )
    if row is None:
        raise LookupError(f"there is no account {account}")
    return int(row[0])
