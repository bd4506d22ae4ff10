"""A real PostgreSQL with the server witness on, and a stage with the packed harness for each test."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fix_places import cache_for_tests, place_for_clusters
from fix_uids import own_uid
from harness_driver import SHOPPER_PASSWORD, Stage
from psycopg import sql

from console.engine.archive import build_harness
from console.environments.cluster import WITNESS_SETTINGS, Cluster
from console.environments.programs import find_programs


def _cluster(major: int) -> Iterator[Cluster]:
    folder = Path(tempfile.mkdtemp(prefix="ddh-", dir=place_for_clusters()))
    folder.chmod(0o711)
    password = secrets.token_hex(16)
    cluster = Cluster(
        folder=folder / "c", programs=find_programs(major), uid=own_uid(), label="the harness tests",
        templates=cache_for_tests(),
        settings=WITNESS_SETTINGS,
    )  # fmt: skip
    try:
        cluster.create(password)
        cluster.start()
        with cluster.connect(password=password) as conn:
            conn.execute(
                sql.SQL("CREATE ROLE shopper LOGIN PASSWORD {}").format(sql.Literal(SHOPPER_PASSWORD))
            )
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def cluster_16() -> Iterator[Cluster]:
    """Yield PostgreSQL 16 with the role shopper."""
    yield from _cluster(16)


@pytest.fixture(scope="session")
def cluster_18() -> Iterator[Cluster]:
    """Yield PostgreSQL 18 with the role shopper."""
    yield from _cluster(18)


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the packed harness."""
    path = tmp_path_factory.mktemp("archive") / "harness.pyz"
    build_harness(path)
    return path


@pytest.fixture
def stage(tmp_path: Path, archive: Path, cluster_16: Cluster) -> Stage:
    """Return a stage on PostgreSQL 16 with the sample pack and subject."""
    made = Stage(folder=tmp_path, archive=archive, cluster=cluster_16)
    made.write()
    return made


@pytest.fixture
def bare_stage(tmp_path: Path, archive: Path) -> Stage:
    """Return a stage without a database."""
    made = Stage(folder=tmp_path, archive=archive, cluster=None)
    made.write()
    return made
