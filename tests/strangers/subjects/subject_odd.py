"""Writes where names are hard: quoted tables, a partitioned one, another schema."""

from __future__ import annotations

from typing import Any

import psycopg


def write(connection: psycopg.Connection[Any]) -> None:
    """Write one row into each table, in one transaction."""
    with connection.transaction():
        connection.execute(
            'INSERT INTO "Sales Data"."Order" ("select", amount) VALUES (%s, %s)', ("one more", 3)
        )
        connection.execute('INSERT INTO "Sales Data"."a.b" ("quo""te") VALUES (%s)', ('"',))
        connection.execute('INSERT INTO "Sales Data".event VALUES (%s, %s)', ("2026-03-01", "spring"))
        connection.execute("INSERT INTO audit.log (said) VALUES (%s)", ("the order was written",))
