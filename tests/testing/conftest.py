"""Connections for the contract: by the real psycopg to a fake server, and by the same to a real PostgreSQL."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fix_places import cache_for_tests, place_for_clusters
from fix_uids import own_uid

from console.environments.cluster import PORT, WITNESS_SETTINGS, Cluster
from console.environments.programs import find_programs
from console.testing import FakeServer

Open = Callable[..., psycopg.Connection[Any]]

TABLE = "CREATE TABLE item (n integer PRIMARY KEY)"
FIVE = "SELECT n FROM generate_series(1, 5) AS n"


@pytest.fixture(scope="module")
def real_words() -> Iterator[dict[str, Any]]:
    """Yield how to connect to a real PostgreSQL with the table `item`."""
    folder = Path(tempfile.mkdtemp(prefix="ddt-", dir=place_for_clusters()))
    folder.chmod(0o711)
    password = secrets.token_hex(16)
    cluster = Cluster(
        folder=folder / "c", programs=find_programs(16), uid=own_uid(), label="the fake's contract",
        templates=cache_for_tests(), settings=WITNESS_SETTINGS,
    )  # fmt: skip
    try:
        cluster.create(password)
        cluster.start()
        with cluster.connect(password=password) as connection:
            connection.execute(TABLE)
        yield {"host": str(cluster.socket_folder), "port": PORT, "dbname": "postgres", "user": "postgres",
               "password": password}  # fmt: skip
    finally:
        cluster.stop()
        shutil.rmtree(folder)


def scripted(server: FakeServer) -> None:
    """Let the fake answer what the contract's statements come to on the real server."""
    server.on("SELECT n FROM generate_series(1, 5) AS n", rows=[(n,) for n in range(1, 6)], columns=["n"])
    server.on("SELECT 1 AS one", rows=[{"one": 1}])
    server.on("SELECT 1/0", error="22012")
    server.on("INSERT INTO item")
    server.on("INSERT INTO item VALUES (2), (3) RETURNING n", rows=[{"n": 2}, {"n": 3}])
    server.on("DELETE FROM item", rowcount=0)
    server.on("LOCK TABLE item")
    server.on("no_such_table", error="42P01")
    server.on("pg_cursors", rows=[{"?column?": 1}])


@pytest.fixture(params=["fake", "real"])
def opened(request: pytest.FixtureRequest) -> Iterator[Open]:
    """Yield a function that opens a connection; every one is closed, and the table is empty afterwards."""
    made: list[psycopg.Connection[Any]] = []

    def open_one(connect: Open) -> Open:
        def opens(**options: Any) -> psycopg.Connection[Any]:
            connection = connect(**options)
            made.append(connection)
            return connection

        return opens

    if request.param == "fake":
        with FakeServer() as server:
            scripted(server)
            yield open_one(server.connect)
            for one in made:
                one.close()
        return
    words = request.getfixturevalue("real_words")
    yield open_one(lambda **options: psycopg.connect(**words, **options))
    for one in made:
        one.close()
    with psycopg.connect(**words, autocommit=True) as last:
        last.execute("TRUNCATE item")
