"""The restoring psql by itself, on dumps that the lexer never saw: the second lock behind the first."""

from __future__ import annotations

import errno
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import psycopg
import pytest
from fix_places import place_for_clusters
from psycopg import sql

from console.engine import analyzing, durability
from console.engine.analyzing import gather_statistics
from console.engine.durability import NOTE, make_durable
from console.engine.rehearsal import Rehearsal
from console.environments import cluster as cluster_module
from console.environments import embedded
from console.environments.bulk import BULK_VARIABLES
from console.environments.cluster import PORT, SUPERUSER
from console.environments.embedded import EmbeddedEnvironment
from console.environments.environment import OWNER_SECRET, SUPERUSER_SECRET
from console.environments.owner import make_folder
from console.environments.process import is_alive
from console.environments.programs import find_programs
from console.environments.restoring import RESTORE_OPTIONS, Parts, with_foreign_keys_last
from console.errors import StepFailed
from console.model.protocols import NeverAborted, NoReceipts
from console.secrets import SecretRegistry, make_password, scram_verifier
from console.sources.archive import destroy_dump, dump_files, dump_sha256

OWNER = "keeper"


@dataclass
class _Notes:
    """A recorder of notes alone."""

    notes: dict[str, object] = field(default_factory=dict)

    def note(self, name: str, value: object, *, origin: str) -> None:
        """Keep one; it is the server's word."""
        assert origin == "server"
        self.notes[name] = value

    def raise_if_requested(self) -> None:
        """Nobody asks for the end."""


class _Closed(NoReceipts):
    """Keeps the names of what was closed, but for programs."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def closed(self, kind: str, name: str, *, identity: str, how: str) -> None:
        """Keep one."""
        del identity, how
        self.names += [name] if kind != "process" else []


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


def _archive(environment: EmbeddedEnvironment, *, broken: bool, form: str = "custom") -> tuple[Path, str]:
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
    words = [f"--format={form}", "--no-owner", f"--file={dump}", f"--dbname={target}"]
    subprocess.run([programs.path("pg_dump"), *words], check=True, env=variables)
    listed = subprocess.run(
        [programs.path("pg_restore"), "--list", dump], check=True, capture_output=True, text=True
    )
    return dump, listed.stdout


@pytest.mark.parametrize(
    ("broken", "form"),
    [(False, "custom"), (True, "custom"), (False, "directory")],
    ids=["whole", "an orphan", "a folder"],
)
def test_foreign_keys_come_after_the_statistics(
    environment: EmbeddedEnvironment, broken: bool, form: str
) -> None:
    """In two parts all is restored, statistics are there before a foreign key is, and a broken one is an error."""
    dump, listing = _archive(environment, broken=broken, form=form)
    before = dump_sha256(dump, NeverAborted())
    found: list[tuple[int, int]] = []

    def between() -> None:
        gather_statistics(partial(environment.connect, "copy"))
        with environment.connect("copy") as connection:
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
    assert dump_sha256(dump, NeverAborted()) != before, "what was restored is overwritten under every name"
    assert {byte for file in dump_files(dump) for byte in file.read_bytes()} == {0}
    assert not (environment.cluster.folder / "restore" / "source.dump").exists()


def test_a_table_without_statistics_is_a_failure(
    environment: EmbeddedEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of many tables has an index whose function fails when it is looked at, and the restore goes on."""
    with environment.connect("copy") as connection:
        for number in range(30):
            connection.execute(f"CREATE TABLE shelf_{number} AS SELECT generate_series(1, 100) AS id")
        connection.execute("CREATE TABLE parted (id int) PARTITION BY RANGE (id)")
        connection.execute("CREATE TABLE part PARTITION OF parted FOR VALUES FROM (1) TO (1000)")
        connection.execute("INSERT INTO parted SELECT generate_series(1, 500)")
        connection.execute("CREATE MATERIALIZED VIEW seen AS SELECT id FROM parted")
    monkeypatch.setattr(analyzing, "VACUUMED_BYTES", 0)
    gather_statistics(partial(environment.connect, "copy"))
    with environment.connect("copy") as connection:
        known = connection.execute(
            "SELECT relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace AND nspname = 'public' "
            "WHERE relkind IN ('r', 'p', 'm') AND reltuples > 0 AND EXISTS "
            "(SELECT FROM pg_statistic WHERE starelid = c.oid)"
        ).fetchall()
        assert len(known) == 33, "a plain table, a partitioned one, its part or a view was left out"
        [(visible,)] = connection.execute(
            "SELECT count(*) FROM pg_class WHERE relname ~ '^(shelf_|part$)' AND relallvisible = relpages"
        ).fetchall()
        assert visible == 31
        connection.execute(
            "CREATE FUNCTION told(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN "
            "IF (SELECT count(*) FROM public.shelf_0) = 0 THEN RAISE EXCEPTION 'the shelf is empty'; END IF; "
            "RETURN $1; END $$"
        )
        connection.execute("CREATE INDEX ON shelf_7 (told(id))")
        connection.execute("DELETE FROM shelf_0")
    monkeypatch.undo()
    with pytest.raises(psycopg.errors.RaiseException, match="the shelf is empty"):
        gather_statistics(partial(environment.connect, "copy"))


@pytest.mark.parametrize("fails", [False, True])
def test_the_dump_is_overwritten_whatever_goes_on_beside(
    environment: EmbeddedEnvironment, fails: bool
) -> None:
    """What is done meanwhile is done before the client has ended or not at all, or its failure spares the dump."""
    dump, _listing = _archive(environment, broken=False, form="custom")
    found: list[int] = []

    def meanwhile() -> None:
        with environment.connect("copy") as connection:
            found.extend(connection.execute("SELECT count(*) FROM book").fetchall()[0])
        if fails:
            raise StepFailed("nobody is there", cause="environment")

    with pytest.raises(StepFailed, match="nobody is there") if fails else nullcontext():
        environment.restore(
            dump, kind="archive", database="copy", owner=OWNER, abort=NeverAborted(), timeout_s=60,
            meanwhile=meanwhile,
        )  # fmt: skip
    assert found == [2000]
    assert {byte for file in dump_files(dump) for byte in file.read_bytes()} == {0}
    assert list((environment.cluster.folder / "restore").glob("*")) == []


def test_foreign_keys_are_checked_by_indexes_alone(environment: EmbeddedEnvironment) -> None:
    """The client's session reads whole tables for a foreign key whose both sides have an index."""
    with environment.connect("copy") as connection:
        connection.execute(
            "CREATE TABLE shelf AS SELECT n AS id, repeat('r', 60) AS room FROM generate_series(1, 60000) AS n"
        )
        connection.execute("CREATE TABLE book AS SELECT id, 1 + id * 7919 % 60000 AS shelf, room FROM shelf")
        connection.execute("ALTER TABLE shelf ADD PRIMARY KEY (id)")
        connection.execute("CREATE INDEX ON book (shelf)")
        connection.execute(sql.SQL("GRANT SELECT ON shelf, book TO {}").format(sql.Identifier(OWNER)))
    gather_statistics(partial(environment.connect, "copy"))
    with environment.connect_as_owner("copy", OWNER, options=RESTORE_OPTIONS) as connection:
        plan = connection.execute(
            "EXPLAIN SELECT b.shelf FROM ONLY book AS b LEFT JOIN ONLY shelf AS s ON s.id = b.shelf "
            "WHERE s.id IS NULL AND b.shelf IS NOT NULL"
        ).fetchall()
    assert sum("Index Only Scan" in line for (line,) in plan) == 2, plan


@pytest.mark.parametrize("fails", [False, True])
def test_rows_are_overwritten_while_foreign_keys_are_checked(
    environment: EmbeddedEnvironment, fails: bool
) -> None:
    """The rows of a folder stay until the client has ended, go before they are loaded, or stay where a part fails."""
    dump, listing = _archive(environment, broken=False, form="directory")
    first, later = with_foreign_keys_last(listing)
    before = "".join(line for line in first.splitlines(keepends=True) if " TABLE public shelf" in line)
    rest = first.replace(before, "")
    given, kept = environment.cluster.folder / "restore" / "source.dump", dump_files(dump)
    found: list[int | list[str]] = []

    def between() -> None:
        with environment.connect("copy") as connection:
            found.extend(
                connection.execute("SELECT count(*) FROM pg_class WHERE relname = 'book'").fetchone() or ()
            )
        if len(found) == 1:
            assert len(dump_files(given)) == len(kept)
            return
        deadline = time.monotonic() + 30
        while len(files := dump_files(given)) > 1 and time.monotonic() < deadline:
            time.sleep(0.01)
        found.append([file.name for file in files])
        if fails:
            raise StepFailed("nobody is there", cause="environment")

    with pytest.raises(StepFailed, match="nobody is there") if fails else nullcontext():
        environment.restore(
            dump, kind="archive", database="copy", owner=OWNER, abort=NeverAborted(), timeout_s=60,
            parts=Parts(lists=(before, rest, later), between=between),
        )  # fmt: skip
    assert found == [0, 1, ["toc.dat"]]
    assert {byte for file in kept for byte in file.read_bytes()} == {0}
    assert list((environment.cluster.folder / "restore").glob("source.dump")) == []
    with environment.connect("copy") as connection:
        [(rows, keys)] = connection.execute(
            "SELECT (SELECT count(*) FROM book), (SELECT count(*) FROM pg_constraint WHERE contype = 'f')"
        ).fetchall()
    assert (rows, keys) == (2000, 0 if fails else 1)


def test_rows_that_cannot_be_overwritten_are_told(
    environment: EmbeddedEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails beside the foreign keys is forgotten, and the folder's receipt is closed as if its rows were gone."""
    dump, listing = _archive(environment, broken=False, form="directory")
    ledger = _Closed()
    environment._receipts = ledger

    def refused(path: Path, *, spare: str = "") -> None:
        if spare:
            raise OSError(errno.EIO, "the disk is gone")
        destroy_dump(path)

    monkeypatch.setattr(embedded, "destroy_dump", refused)
    with pytest.raises(OSError, match="the disk is gone"):
        environment.restore(
            dump, kind="archive", database="copy", owner=OWNER, abort=NeverAborted(), timeout_s=60,
            parts=Parts(lists=with_foreign_keys_last(listing), between=lambda: None),
        )  # fmt: skip
    assert [Path(name).name for name in ledger.names] == ["owner.pass"]


def test_a_folder_that_lost_a_tables_rows_is_not_restored_in_silence(
    environment: EmbeddedEnvironment,
) -> None:
    """One file of the folder is gone, and the client ends with 0 or says nothing."""
    dump, _listing = _archive(environment, broken=False, form="directory")
    before = dump_sha256(dump, NeverAborted())
    rows = max(
        (file for file in dump_files(dump) if file.name != "toc.dat"), key=lambda it: it.stat().st_size
    )
    rows.unlink()
    assert dump_sha256(dump, NeverAborted()) != before
    done = environment.restore(
        dump, kind="archive", database="copy", owner=OWNER, abort=NeverAborted(), timeout_s=60
    )
    assert done.returncode != 0
    assert "could not open" in done.stderr


def _variables(environment: EmbeddedEnvironment) -> dict[str, str]:
    """Return with what variables the copy's server was started."""
    child = environment.cluster.child
    assert child is not None
    told = Path(f"/proc/{child.process.pid}/environ").read_text("utf-8")
    return dict(part.split("=", 1) for part in told.split("\0") if part)


def test_what_was_off_for_loading_is_on_again(environment: EmbeddedEnvironment) -> None:
    """A scenario runs without fsync or WAL, in a server that keeps its memory, or in another than was loaded."""
    run = cast(Rehearsal, SimpleNamespace(the_environment=lambda: environment, recorder=_Notes()))
    with environment.connect() as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
        assert connection.execute("SHOW fsync").fetchall() == [("off",)]
    environment.cluster.restart()
    environment.cluster.stop(immediate=False)
    environment.cluster.start(bulk=True)
    environment._started_for_much = True
    with environment.connect() as connection:
        assert connection.execute("SHOW wal_level").fetchall() == [("minimal",)]
    assert dict(_variables(environment), **BULK_VARIABLES) == _variables(environment)
    make_durable(run)
    assert not BULK_VARIABLES.keys() & _variables(environment).keys()
    assert run.recorder.notes[NOTE] == {  # type: ignore[attr-defined]
        "fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "wal_level": "logical",
    }  # fmt: skip
    with environment.connect() as connection:
        assert connection.execute("SELECT n FROM kept").fetchall() == [(1,)]


def test_a_server_that_does_not_end_is_not_started_beside_itself(
    environment: EmbeddedEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that is slow to end is killed or forgotten, and its processes stay below a second one."""
    monkeypatch.setattr(cluster_module, "_RESTART_PATIENCE_S", 0.1)
    child = environment.cluster.child
    assert child is not None
    child.process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(StepFailed, match=r"did not end within 0 s of being asked to"):
            environment.cluster.restart()
        assert environment.cluster.child is child
        assert is_alive(child.identity)
    finally:
        child.process.send_signal(signal.SIGCONT)
        child.process.wait(30)


def test_a_server_that_stays_without_fsync_ends_the_step(
    environment: EmbeddedEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something else than our own line keeps fsync off, and the scenarios run all the same."""
    monkeypatch.setattr(durability, "_PATIENCE_S", 0.2)
    with (environment.cluster.data_folder / "postgresql.conf").open("a") as file:
        file.write("fsync = off\n")
    run = cast(Rehearsal, SimpleNamespace(the_environment=lambda: environment, recorder=_Notes()))
    with pytest.raises(StepFailed, match="fsync of the copy's server is off 0 s after it was reset"):
        make_durable(run)
    assert not run.recorder.notes  # type: ignore[attr-defined]


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
