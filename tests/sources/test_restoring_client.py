"""The restoring psql by itself, on dumps that the lexer never saw: the second lock behind the first."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fix_places import place_for_clusters
from psycopg import sql

from console.environments.cluster import PORT, SUPERUSER
from console.environments.embedded import EmbeddedEnvironment
from console.environments.environment import OWNER_SECRET, SUPERUSER_SECRET
from console.environments.owner import make_folder
from console.environments.programs import find_programs
from console.environments.restoring import Parts, with_foreign_keys_last
from console.model.protocols import NeverAborted, NoReceipts
from console.secrets import SecretRegistry, make_password, scram_verifier
from console.sql import run as run_sql

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


def _archive(environment: EmbeddedEnvironment, *, broken: bool) -> tuple[Path, str]:
    """Return an archive with two tables, a foreign key and a comment on it, and its table of contents."""
    with environment.connect() as connection:
        connection.execute("CREATE DATABASE origin")
    with environment.connect("origin") as connection:
        connection.execute("CREATE TABLE shelf (id int PRIMARY KEY, room text)")
        connection.execute("CREATE TABLE book (id int PRIMARY KEY, shelf int REFERENCES shelf)")
        connection.execute("COMMENT ON CONSTRAINT book_shelf_fkey ON book IS 'where it stands'")
        connection.execute("INSERT INTO shelf SELECT n, 'r' || n FROM generate_series(1, 500) AS n")
        connection.execute("INSERT INTO book SELECT n, 1 + n % 500 FROM generate_series(1, 2000) AS n")
        if broken:
            connection.execute("SET session_replication_role = replica")
            connection.execute("DELETE FROM shelf WHERE id = 7")
    dump = environment.cluster.folder.parent / "source.dump"
    variables = {"PGPASSWORD": environment._registry.value(SUPERUSER_SECRET)}
    programs = environment.cluster.programs
    target = f"host={environment.cluster.socket_folder} user={SUPERUSER} dbname=origin port={PORT}"
    words = ["--format=custom", "--no-owner", f"--file={dump}", f"--dbname={target}"]
    subprocess.run([programs.path("pg_dump"), *words], check=True, env=variables)
    listed = subprocess.run(
        [programs.path("pg_restore"), "--list", dump], check=True, capture_output=True, text=True
    )
    return dump, listed.stdout


@pytest.mark.parametrize("broken", [False, True], ids=["whole", "an orphan"])
def test_foreign_keys_come_after_the_statistics(environment: EmbeddedEnvironment, broken: bool) -> None:
    """In two parts all is restored, statistics are there before a foreign key is, and a broken one is an error."""
    dump, listing = _archive(environment, broken=broken)
    found: list[tuple[int, int]] = []

    def between() -> None:
        with environment.connect("copy") as connection:
            run_sql(connection, "environment/analyze")
            found.extend(
                connection.execute(
                    "SELECT (SELECT count(*) FROM pg_constraint WHERE contype = 'f'), "
                    "(SELECT count(*) FROM pg_stats WHERE schemaname = 'public')"
                ).fetchall()
            )

    done = environment.restore(
        dump, kind="archive", database="copy", owner=OWNER, abort=NeverAborted(), timeout_s=60,
        parts=Parts(lists=with_foreign_keys_last(listing), between=between),
    )  # fmt: skip
    assert found == [(0, 4)]
    with environment.connect("copy") as connection:
        keys = connection.execute(
            "SELECT conname, convalidated, obj_description(oid) FROM pg_constraint WHERE contype = 'f'"
        ).fetchall()
        [(rows,)] = connection.execute("SELECT count(*) FROM book").fetchall()
    assert rows == 2000
    if broken:
        assert (done.returncode, keys) == (1, [])
        assert 'violates foreign key constraint "book_shelf_fkey"' in done.stderr
    else:
        assert (done.returncode, keys) == (0, [("book_shelf_fkey", True, "where it stands")])


def test_only_foreign_keys_and_comments_wait() -> None:
    """What is called a foreign key and is none stays where it was; without one there are no parts."""
    table = "215; 1259 16385 TABLE public FK CONSTRAINT keeper"
    key = "3360; 2606 16401 FK CONSTRAINT public book book_shelf_fkey keeper"
    note = "3361; 0 0 COMMENT public CONSTRAINT book_shelf_fkey ON book keeper"
    about = "3362; 0 0 COMMENT public TABLE book keeper"
    assert with_foreign_keys_last(f";\n; Archive\n{table}\n{about}\n") == ()
    odd = "216; 1259 16386 TABLE public a\u20285; 0 0 FK CONSTRAINT keeper"
    assert with_foreign_keys_last(f"{odd}\n") == ()
    first, later = with_foreign_keys_last(f";\n{table}\n{key}\n{about}\n{note}\n")
    assert (first, later) == (f"{table}\n{about}\n", f"{key}\n{note}\n")
