"""Exact counts of many tables in one snapshot, as Drydock takes them, beside one count after the other.

``python -m tests.benchmarks.exact_counts [--tables 500] [--rows 300] [--repeat 9] [--json FILE]`` fills a server with
tables of a third to five thirds of that many rows and takes turns: one SELECT count(*) after the other with bare
psycopg in one read-only snapshot; Drydock's way with its first session alone; and Drydock's way with the second session
on the exported snapshot, its opening included. All counts are found equal. Beside them stands a glance at the server's
statistics of all tables after another session added a row to each, which is found to be what was added. Wall time,
medians of shuffled turns.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from figures import options, shuffled, tell
from fix_uids import own_uid

from console.environments.cluster import Cluster
from console.environments.programs import find_programs
from console.secrets import make_password
from console.witness.counting import SecondSession, Table, count_tables
from console.witness.live_rows import LiveRows

MAJOR = 16
_SIZES = (1, 2, 3, 4, 5)


def fill(connection: psycopg.Connection[Any], tables: int, rows: int) -> list[Table]:
    """Make the tables, and return them with their sizes as the product reads them."""
    for number in range(tables):
        many = rows * _SIZES[number % len(_SIZES)] // 3
        connection.execute(
            f"CREATE TABLE t{number:04} (id bigint PRIMARY KEY, v text);"
            f"INSERT INTO t{number:04} SELECT n, md5(n::text) FROM generate_series(1, {many}) AS n"
        )
    connection.execute("VACUUM ANALYZE")
    asked = "SELECT relname, pg_relation_size(oid) FROM pg_class WHERE relname ~ '^t[0-9]+$' ORDER BY relname"
    return [("public", name, size) for name, size in connection.execute(asked)]


def one_by_one(connection: psycopg.Connection[Any], tables: list[Table]) -> list[int]:
    """Count one table after the other."""
    text = sql.SQL("SELECT count(*) FROM {}")
    found = []
    for schema, name, _size in tables:
        [(rows,)] = connection.execute(text.format(sql.Identifier(schema, name))).fetchall()
        found.append(rows)
    return found


class Glance:
    """The statistics of all tables: rows that another session adds are what a glance must find."""

    def __init__(self, connection: psycopg.Connection[Any], tables: list[Table]) -> None:
        self._tables = tables
        self._live = LiveRows(connection, "public", {name: 0 for _schema, name, _size in tables})

    def took_ms(
        self, connect: Callable[[], AbstractContextManager[psycopg.Connection[Any]]], turn: int
    ) -> float:
        """Add a row to each table, and return the milliseconds of the glance that then finds all of them."""
        with connect() as other:
            for _schema, name, _size in self._tables:
                other.execute(sql.SQL("INSERT INTO {} VALUES (%s, '')").format(sql.Identifier(name)), [-turn])
        deadline = time.monotonic() + 10
        while True:  # a session tells the statistics while it ends, which is after its client has gone
            began = time.perf_counter()
            gained = self._live.gained()
            took_ms = (time.perf_counter() - began) * 1000
            if set(gained.values()) == {turn}:
                return took_ms
            assert time.monotonic() < deadline, "the statistics do not hear of the rows"


def measure(tables: int, rows: int, repeat: int) -> dict[str, Any]:
    """Return milliseconds of each way and its share of one after the other."""
    place = Path(tempfile.mkdtemp(prefix="ddb-", dir="/var/tmp"))
    place.chmod(0o711)
    cluster = Cluster(
        folder=place / "s", programs=find_programs(MAJOR), uid=own_uid(), label="the counted server"
    )
    password = make_password()
    connect = partial(cluster.connect, password=password)
    cluster.create(password)
    cluster.start()
    try:
        with connect() as connection:
            made = fill(connection, tables, rows)
        counted: dict[str, list[int]] = {}

        def once(name: str, second: SecondSession | None) -> float:
            with connect() as connection:
                connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                began = time.perf_counter()
                if name == "one after the other":
                    found = one_by_one(connection, made)
                else:
                    found = count_tables(connection, made, second)
                took_ms = (time.perf_counter() - began) * 1000
            assert found == counted.setdefault("first", found), name
            return took_ms

        ways = {"one after the other": None, "one session": None, "two sessions": SecondSession(open=connect)}
        found = shuffled({name: partial(once, name, second) for name, second in ways.items()}, repeat)
        total = sum(counted["first"])
        with connect() as watching:
            glance = Glance(watching, made)
            found["a glance"] = statistics.median(
                glance.took_ms(connect, turn) for turn in range(1, repeat + 1)
            )
        megabytes = round(sum(size for _schema, _name, size in made) / 1e6)
    finally:
        cluster.stop()
        shutil.rmtree(place)
    assert total == sum(rows * _SIZES[number % len(_SIZES)] // 3 for number in range(tables))
    return {
        "tables": tables, "rows": total, "megabytes": megabytes, "repetitions": repeat,
        "ms": {name: round(took, 1) for name, took in found.items()},
        "share": {name: round(took / found["one after the other"], 3) for name, took in found.items()},
    }  # fmt: skip


if __name__ == "__main__":
    given = options(tables=500, rows=300, repeat=9)
    tell(measure(given.tables, given.rows, given.repeat), given.json)
