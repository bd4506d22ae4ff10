"""A connection by itself: what reaches libpq, what cannot, and what is said when the server refuses."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from productions import ROLE, Production, source_of

from console.engine import dump_copying
from console.environments.cluster import PORT
from console.environments.programs import find_programs
from console.errors import StepFailed
from console.model.catalogue import Manifest
from console.model.config import RunConfig
from console.model.protocols import NeverAborted, NoReceipts
from console.sources.connection import ConnectionSource, Target
from console.sql import run
from console.witness.catalogue import read_manifest

EMPTY = Manifest(
    rows={}, constraints=(), indexes=(), triggers=(), views=(), functions=(), extensions=(), sequences={}
)


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
