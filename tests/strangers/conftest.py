"""One real source with four databases that Drydock has never seen; nothing of it is left afterwards."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fix_places import cache_for_tests, place_for_clusters
from fix_uids import own_uid
from psycopg import sql
from public_schemas import HERE, load_chinook, load_pgbench, load_procrastinate
from stranger_server import READER, Stranger

from console.environments.cluster import Cluster
from console.environments.programs import find_programs
from console.secrets import make_password, scram_verifier, write_secret_file


@pytest.fixture(scope="session")
def stranger() -> Iterator[Stranger]:
    """Yield the server with the databases pgbench, chinook, procrastinate and odd."""
    folder = Path(tempfile.mkdtemp(prefix="dds-", dir=place_for_clusters()))
    folder.chmod(0o711)
    programs = find_programs(16)
    cluster = Cluster(
        folder=folder / "c", programs=programs, uid=own_uid(), templates=cache_for_tests(), label="a stranger"
    )
    password, reader = make_password(), make_password()
    secret, passfile = folder / "reader", folder / "pass"
    write_secret_file(secret, reader)
    write_secret_file(passfile, f"*:*:*:*:{password}\n")
    made = Stranger(cluster=cluster, superuser_password=password, secret=secret)
    try:
        cluster.create(password)
        cluster.start()
        with made.connect("postgres") as connection:
            for name in ("pgbench", "chinook", "procrastinate", "odd"):
                connection.execute(
                    sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name))
                )
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} IN ROLE pg_read_all_data").format(
                    sql.Identifier(READER), sql.Literal(scram_verifier(reader))
                )
            )
        with made.connect("pgbench") as connection:
            load_pgbench(
                connection, pgbench=Path(programs.path("pgbench")), socket_folder=cluster.socket_folder,
                password_file=passfile,
            )  # fmt: skip
        with made.connect("chinook") as connection:
            load_chinook(connection)
        with made.connect("procrastinate") as connection:
            load_procrastinate(connection)
        with made.connect("odd") as connection:
            connection.execute((HERE / "odd_names.sql").read_bytes())
        yield made
    finally:
        cluster.stop()
        shutil.rmtree(folder)
