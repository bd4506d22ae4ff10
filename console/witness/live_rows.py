"""How many rows tables have while somebody writes, from the server's statistics: cheap, late and no proof.

A count reads a whole table; the statistics are a look into shared memory, whatever the tables' size. They know what was
committed, and hear of it when a session commits and a second has passed since it last told, when it has rested for ten,
or when it ends. An exact count always follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg

from console.model.catalogue import pack_name
from console.sql import run
from console.witness.catalogue import by_schema


class LiveRows:
    """How many rows each of a schema's named tables (`split_name`) has gained since this was made.

    `counted` has the exact count of each at that moment. Raises psycopg.Error as a statement of `connection` does,
    which must be in autocommit to see anything new.
    """

    def __init__(self, connection: psycopg.Connection[Any], schema: str, counted: Mapping[str, int]) -> None:
        self.counted = counted
        self._connection = connection
        leaves: list[tuple[str, int]] = []
        for own, named in by_schema(schema, tuple(counted)).items():
            wanted = {"schema": own, "tables": named}
            for table, _schema, _leaf_name, leaf in run(connection, "catalogue/leaf_tables", wanted):
                leaves.append((pack_name(schema, own, table), leaf))
        self._names = [name for name, _leaf in leaves]
        self._relations = [leaf for _name, leaf in leaves]
        self._first = self._live()

    def gained(self) -> Mapping[str, int]:
        """Return the rows gained (lost: below 0) so far by table."""
        return {name: rows - self._first[name] for name, rows in self._live().items()}

    def _live(self) -> dict[str, int]:
        found = dict.fromkeys(self._names, 0)
        for place, rows in run(self._connection, "effects/live_rows", {"relations": self._relations}):
            found[self._names[place - 1]] += rows
        return found
