"""A connection by itself: what reaches libpq, what cannot, and what is said when the server refuses."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from productions import ROLE, Production

from console.engine import dump_copying
from console.environments.cluster import PORT
from console.environments.process import end_process, members_of_session, process_identity
from console.environments.programs import find_programs
from console.errors import AbortRequested, StepFailed
from console.model.catalogue import Manifest
from console.model.config import RunConfig
from console.model.protocols import NeverAborted, NoReceipts
from console.sources import connection as connection_module
from console.sources import dumping as dumping_module
from console.sources.archive import dump_sha256
from console.sources.connection import ConnectionSource, Target
from console.sql import run
from console.witness.catalogue import read_manifest

EMPTY = Manifest(
    rows={}, constraints=(), indexes=(), triggers=(), views=(), functions=(), extensions=(), sequences={}
)


def source_of(production: Production, scratch: Path, **changes: Any) -> ConnectionSource:
    """Return the production as a source."""
    target: dict[str, Any] = {
        "host": str(production.cluster.socket_folder), "port": PORT, "database": "directus", "role": ROLE,
        "password": lambda: production.password, "sslmode": "disable",
    } | changes  # fmt: skip
    return ConnectionSource(Target(**target), find_programs(16), scratch=scratch, observer=None)


def test_libpqs_own_variables_and_files_lead_nowhere(
    production: Production, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A PG* variable, a service file or a passfile of the operator's decides what is connected to."""
    (tmp_path / "service.conf").write_text("[elsewhere]\nhostaddr=192.0.2.1\n")
    for name, value in {
        "PGHOSTADDR": "192.0.2.1", "PGSERVICE": "elsewhere", "PGSERVICEFILE": str(tmp_path / "service.conf"),
        "PGOPTIONS": "-c default_transaction_read_only=off", "PGPASSWORD": "wrong", "PGDATABASE": "postgres",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    source = source_of(production, tmp_path)
    assert source.look().system_identifier == production.system_identifier
    assert [name for name in os.environ if name.startswith("PG")] == []


def test_every_session_is_read_only(production: Production, tmp_path: Path) -> None:
    """A session on the source can write when a statement of ours does."""
    source = source_of(production, tmp_path)
    with pytest.raises(StepFailed, match="read-only transaction") as wrong, source.connect() as connection:
        run(connection, "environment/create_database", parts=_names())
    assert wrong.value.cause == "source"
    assert source.look().read_only


def _names() -> dict[str, Any]:
    from psycopg import sql

    return {"database": sql.Identifier("evil"), "owner": sql.Identifier("directus")}


def _shown(pid: str) -> bytes:
    """Return what /proc shows of a process that waits for its receipt.

    Popen returns as soon as the child has left its parent's memory; the kernel fills in words and environment of the
    new program only after that, and shows nothing of them until then.
    """
    deadline = time.monotonic() + 10
    while not (words := Path(f"/proc/{pid}/cmdline").read_bytes()):
        assert time.monotonic() < deadline, f"process {pid} runs no program"
    environment = Path(f"/proc/{pid}/environ").read_bytes()
    assert environment, "a process without an environment was looked at"
    return words + environment


def test_the_password_reaches_pg_dump_through_a_file_only(production: Production, tmp_path: Path) -> None:
    """The password stands in pg_dump's arguments or environment, or its file stays."""
    seen: list[bytes] = []

    class Watching(NoReceipts):
        def identified(self, kind: str, name: str, identity: str) -> None:
            if kind == "process":
                seen.append(_shown(identity.split(":")[0]))

    source = source_of(production, tmp_path)
    with source.snapshot() as (_connection, snapshot):
        dumped = source.dump(
            snapshot,
            tmp_path / "copy.dump",
            receipts=Watching(),
            abort=NeverAborted(),
            progress=lambda _bytes, _begun: None,
        )
    assert dumped.returncode == 0, dumped.words
    assert seen
    assert b"pg_dump" in seen[0]
    assert production.password.encode() not in b"".join(seen)
    assert [path.name for path in tmp_path.iterdir()] == ["copy.dump"]


def test_a_large_database_is_read_by_two_sessions(
    production: Production, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large dump is one stream, tells nothing of its progress, or its hash is not of its files."""
    monkeypatch.setattr(connection_module, "PARALLEL_FROM_BYTES", 1)
    monkeypatch.setattr(dumping_module, "_TOLD_EVERY_S", 0.0)
    source, told = source_of(production, tmp_path), list[int]()
    with source.snapshot() as (connection, snapshot):
        assert source.dump_kind(snapshot) == "folder"
        assert source_of(production, tmp_path, jobs=1).dump_kind(snapshot) == "file"
        dumped = source.dump(
            snapshot, tmp_path / "copy.dump", receipts=NoReceipts(), abort=NeverAborted(),
            progress=lambda size_bytes, _begun: told.append(size_bytes),
        )  # fmt: skip
        rows = connection.execute("SELECT count(*) FROM directus_activity").fetchall()[0][0]
    assert dumped.returncode == 0, dumped.words
    assert told
    assert {"--jobs=2", "--compress=0"} <= set(dumped.arguments)
    listed = subprocess.run(
        "sha256sum * | sha256sum; cat * | wc -c", shell=True, cwd=tmp_path / "copy.dump", check=True,
        capture_output=True, text=True, env={"LC_ALL": "C", "PATH": os.environ["PATH"]},
    ).stdout.split()  # fmt: skip
    assert (dumped.sha256, str(dumped.size_bytes)) == (listed[0], listed[2])
    files = (tmp_path / "copy.dump").glob("*.dat")
    lines = sum(file.read_bytes().count(b"\n") for file in files)
    assert lines > rows > 0


@pytest.fixture
def much(production: Production, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tables that take a while to dump, and no database that is too small for two sessions."""
    monkeypatch.setattr(connection_module, "PARALLEL_FROM_BYTES", 1)
    for name in ("much_one", "much_two"):
        production.execute(
            f"CREATE TABLE {name} AS SELECT n, repeat(md5(n::text), 20) AS text FROM generate_series(1, 100000) AS n",
            f"GRANT SELECT ON {name} TO {ROLE}",
        )


class Leaders(NoReceipts):
    """Keeps the identities of pg_dump's leaders."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def identified(self, kind: str, name: str, identity: str) -> None:
        """Keep one."""
        self.seen.extend([identity] if kind == "process" else [])

    def members(self) -> list[str]:
        """Return who is in the last leader's session now."""
        return members_of_session(int(self.seen[-1].split(":")[0])) if self.seen else []


@pytest.mark.usefixtures("much")
def test_a_large_dump_ends_when_it_is_asked_to(production: Production, tmp_path: Path) -> None:
    """pg_dump or one of its two workers goes on after an abort."""
    leaders = Leaders()

    class Asked:
        def raise_if_requested(self) -> None:
            if len(leaders.members()) == 3:
                raise AbortRequested("enough")

    source = source_of(production, tmp_path)
    with source.snapshot() as (_connection, snapshot), pytest.raises(AbortRequested):
        source.dump(
            snapshot, tmp_path / "copy.dump", receipts=leaders, abort=Asked(),
            progress=lambda _bytes, _begun: None,
        )  # fmt: skip
    assert leaders.members() == []


@pytest.mark.usefixtures("much")
def test_a_large_dump_ends_with_who_asked_for_it(production: Production, tmp_path: Path) -> None:
    """After a SIGKILL of the engine, pg_dump reads production to its end."""
    code = (
        "import sys; from pathlib import Path; sys.path[:0] = sys.argv[2:]\n"
        "from test_connection import *; from console.sources import connection\n"
        "connection.PARALLEL_FROM_BYTES = 1\n"
        "class Told(NoReceipts):\n"
        "    def identified(self, kind, name, identity): kind == 'process' and print(identity, flush=True)\n"
        "place, host = Path(sys.argv[1]), sys.stdin.readline().strip()\n"
        "target = Target(host=host, port=PORT, database='directus', role=ROLE,\n"
        "    password=sys.stdin.readline().rstrip('\\n').__str__, sslmode='disable')\n"
        "source = ConnectionSource(target, find_programs(16), scratch=place, observer=None)\n"
        "with source.snapshot() as (_connection, snapshot):\n"
        "    source.dump(snapshot, place / 'copy.dump', receipts=Told(), abort=NeverAborted(), progress=print)\n"
    )
    folder = str(Path(__file__).parent)
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path), folder, str(Path(folder).parent), *sys.path],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as dumper:  # fmt: skip
        assert dumper.stdin is not None
        assert dumper.stdout is not None
        dumper.stdin.write(f"{production.cluster.socket_folder}\n{production.password}\n")
        dumper.stdin.flush()
        leader = int(dumper.stdout.readline().split(":")[0])
        try:
            within_patience(lambda: len(members_of_session(leader)) == 3, "no two workers")
            workers = [
                int(one.split(":")[0])
                for one in members_of_session(leader)
                if int(one.split(":")[0]) != leader
            ]
            for worker in workers:
                os.kill(worker, signal.SIGSTOP)
            dumper.kill()
            within_patience(lambda: process_identity(leader) is None, "pg_dump waits for its workers")
            for worker in workers:
                os.kill(worker, signal.SIGCONT)
            within_patience(lambda: not members_of_session(leader), "a worker goes on")
        finally:
            dumper.kill()
            for one in members_of_session(leader):
                end_process(one, ask=signal.SIGKILL, patience_s=10)


@pytest.mark.usefixtures("much")
def test_where_two_sessions_are_refused_one_reads_alone(production: Production, tmp_path: Path) -> None:
    """A role that may have three sessions, of which the snapshot has one, cannot be copied any more."""
    production.execute(
        "CREATE ROLE limited LOGIN CONNECTION LIMIT 3 IN ROLE pg_read_all_data PASSWORD 'limited-password-1'",
        "GRANT CONNECT ON DATABASE directus TO limited",
    )
    source = source_of(production, tmp_path, role="limited", password=lambda: "limited-password-1")
    leaders = Leaders()
    with source.snapshot() as (_connection, snapshot):
        (tmp_path / "copy.dump").mkdir()
        dumped = source.dump(
            snapshot, tmp_path / "copy.dump", receipts=leaders, abort=NeverAborted(),
            progress=lambda _bytes, _begun: None,
        )  # fmt: skip
    assert len(leaders.seen) == 2
    assert (dumped.returncode, "--jobs=1" in dumped.arguments) == (0, True), dumped.words
    assert dumped.sha256 == dump_sha256(tmp_path / "copy.dump", NeverAborted())
    assert len(list((tmp_path / "copy.dump").glob("*.dat"))) >= 2


TALL = "repeat('a long line that says the same again and again; ', {times})"


@pytest.mark.parametrize(("times", "begun"), [(48, 2), (20_000, 1)], ids=["within its row", "out of line"])
def test_a_dump_that_unpacks_to_many_times_its_size_is_compressed(
    production: Production, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int, begun: int
) -> None:
    """The text of what the server keeps compressed fills the disk; what was begun without is read as well."""
    monkeypatch.setattr(connection_module, "PARALLEL_FROM_BYTES", 1)
    rows = 400_000_000 // (times * 52)
    production.execute(
        f"CREATE TABLE tall AS SELECT n, {TALL.format(times=times)} AS text FROM generate_series(1, {rows}) AS n",
        f"GRANT SELECT ON tall TO {ROLE}",
    )
    leaders = Leaders()
    (tmp_path / "copy.dump").mkdir()
    source = source_of(production, tmp_path)
    with source.snapshot() as (_connection, snapshot):
        assert snapshot.database_bytes < 100_000_000
        dumped = source.dump(
            snapshot, tmp_path / "copy.dump", receipts=leaders, abort=NeverAborted(),
            progress=lambda _bytes, _begun: None,
        )  # fmt: skip
    assert (dumped.returncode, "--compress=1" in dumped.arguments) == (0, True), dumped.words
    assert len(leaders.seen) == begun
    assert dumped.size_bytes < snapshot.database_bytes
    assert dumped.sha256 == dump_sha256(tmp_path / "copy.dump", NeverAborted())
    assert not list((tmp_path / "copy.dump").glob("[0-9]*.dat")), "what was not compressed is still there"
    text = b"".join(gzip.decompress(one.read_bytes()) for one in (tmp_path / "copy.dump").glob("*.dat.gz"))
    assert text.count(b"a long line") >= rows * times


@pytest.mark.usefixtures("much")
def test_a_dump_that_goes_on_to_an_engine_is_compressed(production: Production, tmp_path: Path) -> None:
    """A remote engine gets two and a half times the bytes."""
    source = source_of(production, tmp_path)
    source.dump_travels = True
    (tmp_path / "copy.dump").mkdir()
    with source.snapshot() as (_connection, snapshot):
        dumped = source.dump(
            snapshot, tmp_path / "copy.dump", receipts=NoReceipts(), abort=NeverAborted(),
            progress=lambda _bytes, _begun: None,
        )  # fmt: skip
    assert (dumped.returncode, "--compress=1" in dumped.arguments) == (0, True), dumped.words


def test_the_snapshots_session_is_never_taken_for_forgotten(production: Production, tmp_path: Path) -> None:
    """The role's own limit of idle transactions ends the session that waits for pg_dump."""
    production.execute(f"ALTER ROLE {ROLE} SET idle_in_transaction_session_timeout = '1s'")
    with source_of(production, tmp_path).snapshot() as (connection, _snapshot):
        assert connection.execute("SHOW idle_in_transaction_session_timeout").fetchall() == [("0",)]


def test_a_table_that_is_dropped_meanwhile_is_the_sources_fault(
    production: Production, tmp_path: Path
) -> None:
    """A table that went after the snapshot ends as a failure of drydock's own."""
    production.execute("CREATE TABLE passing (n int)")

    def counted() -> None:
        with source_of(production, tmp_path).snapshot() as (connection, _snapshot):
            production.execute("DROP TABLE passing")
            read_manifest(connection)

    with pytest.raises(StepFailed, match="42P01") as wrong:
        counted()
    assert wrong.value.cause == "source"


def within_patience(holds: Callable[[], object], what: str) -> None:
    """Fail when it does not come to hold."""
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def test_a_password_with_signs_of_the_passfile_is_taken(production: Production, tmp_path: Path) -> None:
    """A colon or a backslash in the password ends it early in the passfile."""
    hard = r"a:b\c d'e\\:f%20"
    production.execute(f"ALTER ROLE {ROLE} PASSWORD '{hard.replace(chr(39), chr(39) * 2)}'")
    source = source_of(production, tmp_path, password=lambda: hard)
    with source.snapshot() as (_connection, snapshot):
        dumped = source.dump(
            snapshot,
            tmp_path / "copy.dump",
            receipts=NoReceipts(),
            abort=NeverAborted(),
            progress=lambda _bytes, _begun: None,
        )
    assert dumped.returncode == 0, dumped.words


def test_a_pg_dump_without_tls_is_told_before_anything_connects(
    production: Production, tmp_path: Path
) -> None:
    """The plan asks for TLS and the wheel's pg_dump, which has none, is found out in C-03."""
    source_of(production, tmp_path).prepare()
    with pytest.raises(
        StepFailed, match=r"was built without TLS, and .source. sslmode is verify-full"
    ) as wrong:
        source_of(production, tmp_path, sslmode="verify-full", host="192.0.2.1").prepare()
    assert wrong.value.cause == "environment"


def test_a_role_that_may_not_read_is_the_sources_fault(production: Production, tmp_path: Path) -> None:
    """A refused read ends as a failure of drydock's own."""
    production.execute(
        "CREATE ROLE weak LOGIN PASSWORD 'weak-password-1'", "GRANT CONNECT ON DATABASE directus TO weak"
    )
    source = source_of(production, tmp_path, role="weak", password=lambda: "weak-password-1")
    with (
        pytest.raises(StepFailed, match=r"refuses \(42501\): permission denied for table") as wrong,
        source.connect() as connection,
    ):
        connection.execute("SELECT count(*) FROM public.sweep_log")
    assert wrong.value.cause == "source"
    assert "\n" not in wrong.value.reason


def test_a_server_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    """A missing server is told in several lines, or with another cause."""
    target = Target(host=str(tmp_path), port=PORT, database="d", role="r", password=lambda: "p" * 9)
    source = ConnectionSource(target, find_programs(16), scratch=tmp_path, observer=None)
    with pytest.raises(StepFailed, match="cannot be reached: connection ") as wrong:
        source.look()
    assert "\n" not in wrong.value.reason


def test_an_extension_that_the_environment_lacks_points_at_docker() -> None:
    """A source with an extension that cannot be restored here is dumped first."""
    rehearsal: Any = SimpleNamespace(programs=find_programs(16), config=RunConfig())
    dump_copying.require_extensions(rehearsal, msgspec.structs.replace(EMPTY, extensions=("plpgsql 1.0",)))
    with pytest.raises(
        StepFailed, match=r"needs the extension citext, and .* has only plpgsql, vector"
    ) as wrong:
        dump_copying.require_extensions(rehearsal, msgspec.structs.replace(EMPTY, extensions=("citext 1.6",)))
    assert "--environment docker" in wrong.value.reason


SEQUENCES = [
    ("10,true", "15,true", "12,true", "12,true"),
    ("10,true", "15,true", "99,true", "10,true"),
    ("-3,true", "-9,true", "-5,true", "-5,true"),
    ("1,false", "4,true", "1,true", "1,true"),
]


@pytest.mark.parametrize(("before", "after", "dumped", "expected"), SEQUENCES)
def test_a_sequence_that_moved_must_lie_between_its_two_readings(
    monkeypatch: pytest.MonkeyPatch, before: str, after: str, dumped: str, expected: str
) -> None:
    """A dump's value that the source never had is what the copy is held against."""
    monkeypatch.setattr(
        dump_copying, "_dumped_sequences", lambda _run: {"public.s": dumped, "public.t": "7,true"}
    )
    manifest = msgspec.structs.replace(EMPTY, sequences={"public.s": before, "public.t": "1,true"})
    rehearsal: Any = SimpleNamespace(recorder=SimpleNamespace(note=lambda _name, _value: None))
    found = dump_copying.with_moved_sequences(rehearsal, manifest, {"public.s": after, "public.t": "1,true"})
    assert found.sequences == {"public.s": expected, "public.t": "1,true"}


@pytest.mark.parametrize("major", [18])
def test_the_other_major_version_is_read_too(
    make_production: Callable[[int], Production], tmp_path: Path, major: int
) -> None:
    """The identity of a server of another major version cannot be read."""
    assert source_of(make_production(major), tmp_path).server_major() == major
