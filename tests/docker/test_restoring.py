"""The restoring client in its container: an archive in parts by one client, or brought before it is wanted."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from docker_engine import Engine
from docker_images import Images
from environment_contract import Ledger, registry
from psycopg import sql

from console.engine.analyzing import gather_statistics
from console.environments import docker as docker_environment
from console.environments.cluster import PORT, SUPERUSER
from console.environments.docker import DockerEnvironment
from console.environments.docker_endpoint import Endpoint
from console.environments.docker_objects import opened
from console.environments.environment import OWNER_SECRET, SUPERUSER_SECRET
from console.environments.programs import find_programs
from console.environments.restoring import Parts, with_foreign_keys_last
from console.errors import StepFailed
from console.model.config import EnvironmentConfig
from console.model.protocols import NeverAborted
from console.secrets import scram_verifier

ORDER = ("container", "network", "volume")
OWNER = "keeper"


@pytest.fixture(scope="module")
def environment(engine: Engine, images: Images) -> Iterator[DockerEnvironment]:
    """A copy provisioned for loading, with an archive's origin in it; removed as a teardown would."""
    folder = Path(tempfile.mkdtemp(prefix="dcr-", dir="/var/tmp"))
    ledger, endpoint, secrets = Ledger(), Endpoint(address=engine.address), registry()
    config = EnvironmentConfig(
        kind="docker", endpoint=engine.address, image=images.postgres, harness_image=images.python
    )
    made = DockerEnvironment(
        folder=folder, config=config, endpoint=endpoint, run="restoring", nonce=ledger.mark, registry=secrets,
        receipts=ledger,
    )  # fmt: skip
    made.provision(much=True)
    with made.connect() as connection:
        verifier = sql.Literal(scram_verifier(secrets.value(OWNER_SECRET)))
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(OWNER), verifier)
        )
        connection.execute("CREATE DATABASE origin")
    with made.connect("origin") as connection:
        connection.execute("CREATE TABLE shelf (id int PRIMARY KEY, room text)")
        connection.execute("CREATE TABLE book (id int PRIMARY KEY, shelf int REFERENCES shelf)")
        connection.execute("INSERT INTO shelf SELECT n, 'r' || n FROM generate_series(1, 500) AS n")
        connection.execute("INSERT INTO book SELECT n, 1 + n % 500 FROM generate_series(1, 2000) AS n")
    yield made
    made.close()
    with opened(endpoint, folder=folder / "ssh", nonce=ledger.mark) as objects:
        for kind in ORDER:
            for name, identity in list(ledger.opened.items()):
                if name.startswith(f"{kind} "):
                    assert objects.remove(kind, name.partition(" ")[2], identity) == "removed"  # type: ignore[arg-type]
    shutil.rmtree(folder)


def archive(environment: DockerEnvironment, form: str) -> tuple[Path, str]:
    """Dump the origin through the relay, and return the archive with its table of contents."""
    programs, folder = find_programs(16), environment._folder
    dump = Path(tempfile.mkdtemp(dir=folder)) / "source.dump"
    target = f"host={folder / 'copy' / 'socket'} user={SUPERUSER} dbname=origin port={PORT} sslmode=disable"
    words = [f"--format={form}", "--no-owner", f"--file={dump}", f"--dbname={target}"]
    password = environment._registry.value(SUPERUSER_SECRET)
    subprocess.run([programs.path("pg_dump"), *words], check=True, env={"PGPASSWORD": password})
    listed = subprocess.run(
        [programs.path("pg_restore"), "--list", dump], check=True, capture_output=True, text=True
    )
    return dump, listed.stdout


@pytest.mark.parametrize("form", ["custom", "directory"])
@pytest.mark.parametrize("broken", [False, True], ids=["whole", "an orphan"])
def test_one_client_restores_in_parts(environment: DockerEnvironment, form: str, broken: bool) -> None:
    """The second part comes before what is done between, or not at all, or a first part's failure is forgotten."""
    dump, listing = archive(environment, form)
    with environment.connect() as connection:
        connection.execute(f"CREATE DATABASE copy OWNER {OWNER}")
    found: list[tuple[int, int]] = []

    def between() -> None:
        gather_statistics(partial(environment.connect, "copy"))
        with environment.connect("copy") as connection:
            if broken:
                connection.execute("DELETE FROM shelf WHERE id = 7")
            found.extend(
                connection.execute(
                    "SELECT (SELECT count(*) FROM pg_constraint WHERE contype = 'f'), (SELECT count(*) FROM book)"
                ).fetchall()
            )

    beside: list[int] = []

    def meanwhile() -> None:
        with environment.connect("copy") as connection:
            beside.extend(
                connection.execute("SELECT count(*) FROM pg_constraint WHERE contype = 'f'").fetchall()[0]
            )

    if form == "directory":
        environment._client.place(dump)
    try:
        done = environment.restore(
            dump, kind="archive", database="copy", owner=OWNER, abort=NeverAborted(), timeout_s=60,
            parts=Parts(lists=with_foreign_keys_last(listing), between=between), meanwhile=meanwhile,
        )  # fmt: skip
        assert found == [(0, 2000)]
        assert beside == [0 if broken else 1], "what is done meanwhile is done before the client's work is"
        with environment.connect("copy") as connection:
            [(keys,)] = connection.execute(
                "SELECT count(*) FROM pg_constraint WHERE contype = 'f'"
            ).fetchall()
        assert (done.returncode, keys) == ((1, 0) if broken else (0, 1)), done.stderr
        assert ("violates foreign key" in done.stderr) is broken
    finally:
        with environment.connect() as connection:
            connection.execute("DROP DATABASE copy")


def test_a_first_part_that_fails_is_not_forgotten(environment: DockerEnvironment) -> None:
    """The second part ends well, and its 0 is what counts."""
    dump, listing = archive(environment, "custom")
    first, later = with_foreign_keys_last(listing)
    with environment.connect() as connection:
        connection.execute(f"CREATE DATABASE copy OWNER {OWNER}")
    with environment.connect("copy") as connection:
        connection.execute("CREATE TABLE shelf (id int PRIMARY KEY, room text)")
    try:
        done = environment.restore(
            dump, kind="archive", database="copy", owner=OWNER, abort=NeverAborted(), timeout_s=60,
            parts=Parts(lists=(first, later), between=lambda: None),
        )  # fmt: skip
        assert done.returncode == 1
        assert 'relation "shelf" already exists' in done.stderr
    finally:
        with environment.connect() as connection:
            connection.execute("DROP DATABASE copy")


def setting(environment: DockerEnvironment, name: str) -> str:
    """Return a server setting of the copy."""
    with environment.connect() as connection:
        [(value,)] = connection.execute("SELECT current_setting(%s)", (name,)).fetchall()
    return str(value)


def test_a_server_for_loading_that_goes_on_is_not_taken_for_the_other(
    environment: DockerEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever server answers is ready."""
    monkeypatch.setattr(docker_environment, "_START_PATIENCE_S", 0.2)
    monkeypatch.setattr(environment.containers, "end_loading_server", lambda: None)
    environment._loads_much = True
    with pytest.raises(StepFailed) as wrong:
        environment.end_loading()
    assert wrong.value.reason == "PostgreSQL of the copy is not there again 0 s after loading"


def test_the_server_for_loading_gives_way_to_the_other(
    environment: DockerEnvironment, engine: Engine
) -> None:
    """Its container is another one afterwards, its log begins anew, or rows still need no WAL."""
    name, form = (
        environment.names.database,
        "--format={{.Id}} {{.State.StartedAt}} {{.RestartCount}} {{.State.Pid}}",
    )
    container, log = engine.docker("inspect", form, name), environment.server_log()
    assert (setting(environment, "wal_level"), setting(environment, "max_wal_senders")) == ("minimal", "0")
    assert log.read().lines
    environment.end_loading()
    assert (setting(environment, "wal_level"), setting(environment, "max_wal_senders")) == ("logical", "10")
    assert engine.docker("inspect", form, name) == container
    found = log.read()
    log.close()
    assert found.lines and not found.irregularities, found
    with environment.connect("origin") as connection:
        assert connection.execute("SELECT count(*) FROM book").fetchall() == [(2000,)]
    environment.end_loading()
    environment.containers.require_running(name)


def test_a_server_that_cannot_be_asked_to_end_is_said(environment: DockerEnvironment, engine: Engine) -> None:
    """A server that has no pid any more is taken for one that was asked, or one that goes on for one that ended."""
    name, file = environment.names.database, "/drydock/data/cluster/postmaster.pid"
    engine.docker("exec", "--user=999", name, "cp", file, "/tmp/mislaid.pid")
    engine.docker("exec", "--user=999", name, "sh", "-c", f"echo 99999 >{file}")
    with pytest.raises(StepFailed) as wrong:
        environment.containers.end_loading_server()
    assert "cannot be asked to end (1)" in wrong.value.reason and "99999" in wrong.value.reason
    engine.docker("exec", "--user=999", name, "sh", "-c", f"cat /tmp/mislaid.pid >{file}")
