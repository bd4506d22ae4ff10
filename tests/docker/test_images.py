"""The PostgreSQL image behaves as the official one is documented to, and production is the demo."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from container_production import DATABASE, PROTECTED, READER, ContainerProduction, await_server, one_file
from docker_engine import Engine, EngineFailed
from docker_images import POSTGRES_IMAGE, PYTHON_IMAGE, Images

SECRET = "first password of the image's test"


@pytest.fixture(scope="module")
def server(engine: Engine, images: Images) -> Iterator[str]:
    """A server made with files for its secret and its first database, a script and an option."""
    engine.docker(
        "create", "--name=image-test", "--network=none", "--env=POSTGRES_PASSWORD_FILE=/etc/secret",
        "--env=POSTGRES_USER=chief", "--env=POSTGRES_DB=ledger", POSTGRES_IMAGE, "-c", "shared_buffers=9MB",
    )  # fmt: skip
    engine.docker("cp", "-", "image-test:/etc", given=one_file("secret", SECRET))
    script = one_file("10.sql", "CREATE TABLE made_at_start (); SELECT 'said at start';")
    engine.docker("cp", "-", "image-test:/docker-entrypoint-initdb.d", given=script)
    engine.docker("start", "image-test")
    await_server(engine, "image-test")
    yield "image-test"
    engine.docker("rm", "--force", "--volumes", "image-test")


def test_images_are_the_same_by_id(engine: Engine, images: Images) -> None:
    """An image's tag names another id than the one that was told."""
    told = {tag: engine.docker("image", "inspect", "--format={{.Id}}", tag) for tag in images.tags}
    assert told == images.tags


def test_first_start(engine: Engine, server: str) -> None:
    """User, database, script, option, locale, user id, sockets or addresses are not what was asked for."""
    query = """SELECT current_user, current_database(), 'made_at_start'::regclass, current_setting('shared_buffers'),
        datcollate, current_setting('listen_addresses'), current_setting('server_version_num')::integer / 10000
        FROM pg_database WHERE datname = current_database()"""
    psql = ["exec", server, "psql", "--username=chief", "--dbname=ledger", "--tuples-only", "--no-align"]
    assert engine.docker(*psql, f"--command={query}") == "chief|ledger|made_at_start|9MB|en_US.utf8|*|16"
    assert engine.docker("exec", server, "stat", "--format=%U %a", "/proc/1", "/var/lib/postgresql/data") == (
        "postgres 555\npostgres 700"
    )
    assert engine.docker("exec", server, "ls", "-A", "/var/run/postgresql") == (
        ".s.PGSQL.5432\n.s.PGSQL.5432.lock"
    )


def test_the_password_is_asked_for_by_network(production: ContainerProduction) -> None:
    """A wrong password opens a session by another address than loopback, or the right one does not."""

    def count(password: str) -> str:
        words = [
            "psql",
            "--no-password",
            "-Atc",
            "SELECT count(*) FROM directus_roles",
            f"--host={production.name}",
        ]
        role = [f"--username={READER}", f"--dbname={DATABASE}"]
        return production.engine.docker(
            "exec", f"--env=PGPASSWORD={password}", production.name, *words, *role
        )

    assert count(production.reader_password) == "3"
    with pytest.raises(EngineFailed, match="password authentication failed"):
        count("another password")


def test_the_secret_is_nowhere_after_the_start(engine: Engine, server: str) -> None:
    """The password stands in inspect, in the log, or in the environment of the server's processes."""
    told = engine.docker("inspect", server) + engine.docker("logs", server)
    told += engine.docker(
        "exec", server, "bash", "-c", "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\\0' '\\n'"
    )
    assert "PGDATA=/var/lib/postgresql/data" in told
    assert SECRET not in told


def test_a_stop_is_clean_and_a_second_start_keeps_the_data(engine: Engine, server: str) -> None:
    """The server is killed rather than stopped, or its second start makes the cluster anew."""
    engine.docker("stop", server)
    assert engine.docker("inspect", "--format={{.State.ExitCode}}", server) == "0"
    engine.docker("start", server)
    await_server(engine, server)
    said = engine.docker("exec", server, "psql", "--username=chief", "--dbname=ledger", "-Atc", r"\dt")
    assert said == "public|made_at_start|table|chief"


def test_no_password_no_server(engine: Engine, images: Images) -> None:
    """A server without a password starts."""
    with pytest.raises(EngineFailed, match="superuser password is not specified"):
        engine.docker("run", "--rm", "--network=none", POSTGRES_IMAGE)


def test_python_makes_environments(engine: Engine, images: Images) -> None:
    """The harness's image cannot make an environment with pip without a network."""
    script = "python3 -m venv --without-pip /tmp/v && python3 -m pip --version && /tmp/v/bin/python -V"
    said = engine.docker(
        "run", "--rm", "--network=none", "--user=65534:65534", PYTHON_IMAGE, "sh", "-c", script
    )
    assert said.endswith("Python 3.11.2")


def test_production_is_the_demo(production: ContainerProduction, protected: tuple[str, ...]) -> None:
    """Production lacks the demo's rows, its roles, or a role that may only read."""
    assert production.psql("SELECT count(*) FROM directus_activity") == "200"
    roles = "SELECT string_agg(rolname, ' ' ORDER BY rolname) FROM pg_roles WHERE rolname !~ '^pg_'"
    assert production.psql(roles) == (
        "context_pack_readonly cutter_exec cutter_ro cutter_verify directus postgres rehearsal_reader workflow_admin"
    )
    with pytest.raises(EngineFailed, match="permission denied"):
        production.psql("SET ROLE rehearsal_reader; DELETE FROM directus_activity")
    assert protected == PROTECTED
    assert len(production.system_identifier) == 19
