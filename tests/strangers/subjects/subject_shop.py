"""Sells tracks in Chinook's shop: an invoice with its lines in one transaction."""

from __future__ import annotations

from typing import Any

import psycopg


def sell(connection: psycopg.Connection[Any], *, customer: int, tracks: list[int]) -> int:
    """Write one invoice with a line for each track, and return its number."""
    with connection.transaction():
        row = connection.execute(
            'INSERT INTO chinook_invoice (customer_id, "InvoiceDate", "Total")'
            " VALUES (%s, '2013-12-24T10:00:00Z', '0') RETURNING id",
            (customer,),
        ).fetchone()
        assert row is not None
        for track in tracks:
            connection.execute(
                'INSERT INTO chinook_invoiceline (invoice_id, track_id, unit_price, "Quantity")'
                " SELECT %s, t.id, t.unit_price, 1 FROM chinook_track AS t WHERE t.id = %s",
                (row[0], track),
            )
        total = connection.execute("SELECT total FROM sales WHERE invoice_id = %s", (row[0],)).fetchone()
        assert total is not None
        connection.execute('UPDATE chinook_invoice SET "Total" = %s WHERE id = %s', (str(total[0]), row[0]))
    return int(row[0])
