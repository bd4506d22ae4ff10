"""The restoring psql by itself, on dumps that the lexer never saw: the second lock behind the first."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fix_places import place_for_clusters
from psycopg import sql

from console.environments.embedded import EmbeddedEnvironment
from console.environments.environment import OWNER_SECRET, SUPERUSER_SECRET
from console.environments.owner import make_folder
from console.environments.programs import find_programs
from console.model.protocols import NeverAborted, NoReceipts
from console.secrets import SecretRegistry, make_password, scram_verifier

OWNER = "keeper"


@pytest.fixture(params=[16, 18], ids=["pg16", "pg18"])
def environment(request: pytest.FixtureRequest) -> Iterator[EmbeddedEnvironment]:
    """A provisioned copy with an empty database owned by a role of its own."""
    folder = Path(tempfile.mkdtemp(prefix="ddr-", dir=place_for_clusters()))
    folder.chmod(0o711)
    make_folder(folder / "w", mode=0o711)
    registry = SecretRegistry()
    for name in (SUPERUSER_SECRET, OWNER_SECRET):
        registry.learn(name, make_password())
    made = EmbeddedEnvironment(
        folder=folder / "w", programs=find_programs(request.param), registry=registry, receipts=NoReceipts()
    )
    try:
        made.provision()
        with made.connect() as connection:
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                    sql.Identifier(OWNER), sql.Literal(scram_verifier(registry.value(OWNER_SECRET)))
                )
            )
            connection.execute(sql.SQL("CREATE DATABASE copy OWNER {}").format(sql.Identifier(OWNER)))
        yield made
    finally:
        made.cluster.stop()
        shutil.rmtree(folder)


def test_no_meta_command_runs_whatever_the_lexer_let_through(environment: EmbeddedEnvironment) -> None:
    """A meta-command runs in text, in the data of a COPY that failed, or out of a variable."""
    canaries = environment.cluster.folder / "restore"
    hostile = environment.cluster.folder.parent / "source.dump"
    touch = f"touch {canaries}/canary-"
    hostile.write_text(
        f"CREATE TABLE public.before_all (a int);\n\\! {touch}1\n"
        f"COPY public.nowhere (a) FROM stdin;\n\\! {touch}2\n"
        f"\\f `{touch}3`\n\\\\unrestrict `{touch}4`\n\\.\n"
        f"DO $$ BEGIN RAISE EXCEPTION '\\! {touch}5'; END $$;\nSELECT :LAST_ERROR_MESSAGE\n;\n"
        "CREATE TABLE public.after_all (a int);\n"
    )
    done = environment.restore(
        hostile, kind="plain", database="copy", owner=OWNER, abort=NeverAborted(), timeout_s=60
    )
    assert "backslash commands are restricted" in done.stderr
    assert list(canaries.glob("canary-*")) == []
    with environment.connect("copy") as connection:
        tables = connection.execute(
            "SELECT relname FROM pg_class WHERE relname LIKE '%_all' ORDER BY 1"
        ).fetchall()
    assert tables == [("after_all",), ("before_all",)]


def test_the_restoring_role_has_no_power(environment: EmbeddedEnvironment) -> None:
    """What a dump runs can change the cluster, read the server's files or leave its database."""
    dump = environment.cluster.folder.parent / "source.dump"
    dump.write_text(
        "CREATE TABLE public.answers (a text);\n"
        "ALTER SYSTEM SET log_statement = 'none';\nCREATE ROLE boss;\n"
        "COPY public.answers FROM '/etc/passwd';\n"
        "COPY public.answers FROM PROGRAM 'id';\nSET ROLE postgres;\n"
    )
    environment.restore(dump, kind="plain", database="copy", owner=OWNER, abort=NeverAborted(), timeout_s=60)
    with environment.connect("copy") as connection:
        [(rows, roles)] = connection.execute(
            "SELECT (SELECT count(*) FROM public.answers), "
            "(SELECT count(*) FROM pg_roles WHERE rolname = 'boss')"
        ).fetchall()
    assert (rows, roles) == (0, 0)
    assert "log_statement" not in (environment.cluster.data_folder / "postgresql.auto.conf").read_text()
