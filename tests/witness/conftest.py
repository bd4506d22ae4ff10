"""Real PostgreSQL 16 and 18 with the cutter's demo production in them.

Tests break the demo inside a transaction that the `demo` fixture rolls back, so that one cluster a major
version serves all of them.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fix_places import cache_for_tests, place_for_clusters
from fix_uids import own_uid

from console.environments.cluster import WITNESS_SETTINGS, Cluster
from console.environments.programs import find_programs
from console.secrets import scram_verifier

PACK = Path(__file__).resolve().parents[2] / "scenarios" / "cutter_dry_run"
DEMO_ROWS = 700


@dataclass(frozen=True, kw_only=True)
class DemoProduction:
    """A running cluster whose database directus holds the demo; `connect` opens as its superuser."""

    cluster: Cluster
    password: str

    def connect(self, database: str = "directus") -> Any:
        """Open an autocommit connection as the superuser (a context manager)."""
        return self.cluster.connect(password=self.password, database=database)


def install_demo(conn: psycopg.Connection[Any], rows: int) -> None:
    """Run the pack's demo files in the order of their names."""
    conn.execute("SELECT set_config('drydock.demo_rows', %s, false)", [str(rows)])
    for file in sorted((PACK / "demo").glob("*.sql")):
        conn.execute(file.read_bytes())


@pytest.fixture(scope="session", params=[16, 18], ids=["pg16", "pg18"])
def production(request: pytest.FixtureRequest) -> Iterator[DemoProduction]:
    """Yield the demo production on one major version; nothing of it is left afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="ddw-", dir=place_for_clusters()))
    folder.chmod(0o711)
    password = secrets.token_hex(16)
    programs = find_programs(request.param)
    cluster = Cluster(
        folder=folder / "c", programs=programs, uid=own_uid(), templates=cache_for_tests(), label="the demo"
    )
    try:
        cluster.create(password)
        cluster.start()
        demo = DemoProduction(cluster=cluster, password=password)
        with demo.connect("postgres") as conn:
            conn.execute("CREATE DATABASE directus")
        with demo.connect() as conn:
            install_demo(conn, DEMO_ROWS)
        yield demo
    finally:
        cluster.stop()
        shutil.rmtree(folder)


@pytest.fixture
def demo(production: DemoProduction) -> Iterator[psycopg.Connection[Any]]:
    """Yield a superuser connection inside a transaction that is rolled back whatever the test did."""
    with production.connect() as conn:
        conn.execute("BEGIN")
        yield conn
        conn.execute("ROLLBACK")


@dataclass(frozen=True, kw_only=True)
class WitnessedServer:
    """A running cluster that logs as the isolated copy does; the role subject may write one table."""

    cluster: Cluster
    password: str

    def connect(self, **options: Any) -> psycopg.Connection[Any]:
        """Open a session as the role subject, autocommit off unless asked otherwise."""
        return psycopg.connect(
            host=str(self.cluster.socket_folder), port=5432, user="subject", password=self.password,
            dbname="postgres", sslmode="disable", **options,
        )  # fmt: skip


@pytest.fixture(scope="session", params=[16, 18], ids=["pg16", "pg18"])
def witnessed_server(request: pytest.FixtureRequest) -> Iterator[WitnessedServer]:
    """Yield a server with the witness's settings; nothing of it is left afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="ddw-", dir=place_for_clusters()))
    folder.chmod(0o711)
    password = secrets.token_hex(16)
    cluster = Cluster(
        folder=folder / "c", programs=find_programs(request.param), uid=own_uid(), templates=cache_for_tests(),
        label=f"witness {request.param}", settings=WITNESS_SETTINGS,
    )  # fmt: skip
    try:
        cluster.create(password)
        cluster.start()
        with cluster.connect(password=password) as conn:
            conn.execute(f"CREATE ROLE subject LOGIN PASSWORD '{scram_verifier(password)}'".encode())
            conn.execute("ALTER ROLE subject SET default_transaction_isolation = 'repeatable read'")
            conn.execute("CREATE TABLE ledger (a int PRIMARY KEY, b text)")
            conn.execute("CREATE TABLE secret (a int)")
            conn.execute("GRANT SELECT, INSERT, UPDATE ON ledger TO subject")
        yield WitnessedServer(cluster=cluster, password=password)
    finally:
        cluster.stop()
        shutil.rmtree(folder)
