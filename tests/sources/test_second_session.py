"""Two sessions count in one snapshot: the same numbers, read-only, and every statement of both is told."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest
from productions import ROLE, Production

from console.environments.cluster import PORT
from console.environments.programs import find_programs
from console.errors import StepFailed
from console.sources.connection import ConnectionSource, Target
from console.sql import Ran, load, run, shipped_sha256
from console.witness import counting
from console.witness.catalogue import read_manifest, read_rows
from console.witness.counting import SecondSession
from console.witness.reads import is_pure_read


def source_of(production: Production, scratch: Path, told: list[Ran]) -> ConnectionSource:
    """Return the production as a source that tells what was sent to it, from the thread that owns the trace."""
    owner = threading.get_ident()

    def hear(ran: Ran) -> None:
        assert threading.get_ident() == owner, "the trace is written by two threads"
        told.append(ran)

    target = Target(
        host=str(production.cluster.socket_folder), port=PORT, database="directus", role=ROLE,
        password=lambda: production.password, sslmode="disable",
    )  # fmt: skip
    return ConnectionSource(target, find_programs(16), scratch=scratch, observer=hear)


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second session pays from the first table on, and each statement counts one table."""
    monkeypatch.setattr(counting, "MANY_TABLES", 1)
    monkeypatch.setattr(counting, "_TOGETHER_TABLES", 1)


@pytest.mark.usefixtures("always")
def test_two_sessions_count_in_one_read_only_snapshot(production: Production, tmp_path: Path) -> None:
    """The second session counts rows of after the snapshot, sends what is no pure read, or is not in the trace."""
    told: list[Ran] = []
    source = source_of(production, tmp_path, told)
    with source.snapshot() as (connection, snapshot):
        expected = read_rows(connection)
        assert expected["public.directus_revisions"] > 0
        production.execute("DELETE FROM directus_revisions", "CREATE TABLE late (x int)")
        told.clear()
        found = read_manifest(connection, source.second_session(snapshot)).rows
    assert found == expected
    assert len({ran.pid for ran in told}) == 2
    assert {"source/session_mode", "catalogue/join_snapshot", "catalogue/count_many"} <= {
        ran.name for ran in told if ran.pid != told[0].pid
    }
    assert sum(ran.name == "catalogue/count_many" for ran in told) == len(expected)
    assert [ran.name for ran in told if not is_pure_read(load(ran.name).text)] == []
    assert [ran.name for ran in told if ran.sha256 != shipped_sha256(ran.name)] == []


@pytest.mark.usefixtures("always")
def test_the_first_session_exports_what_nobody_exported_yet(production: Production, tmp_path: Path) -> None:
    """The copy, whose manifest is read in a transaction of its own, is counted by one session, or in two snapshots."""
    told: list[Ran] = []
    source = source_of(production, tmp_path, told)
    with source.connect() as connection:
        expected = read_manifest(connection)
        told.clear()
        assert read_manifest(connection, SecondSession(open=source.connect)) == expected
    assert [ran.name for ran in told].count("source/export_snapshot") == 1
    assert len({ran.pid for ran in told}) == 2


@pytest.mark.usefixtures("always")
def test_a_second_session_that_could_write_counts_nothing(
    production: Production, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session whose transaction may write is used on the source."""
    told: list[Ran] = []
    source = source_of(production, tmp_path, told)

    def writing(conn: psycopg.Connection[Any], name: str, **words: Any) -> object:
        if name != "source/begin_snapshot":
            return run(conn, name, **words)
        return conn.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE").statusmessage

    monkeypatch.setattr(counting, "run", writing)
    with (
        pytest.raises(StepFailed, match="the second session that counts rows could write"),
        source.snapshot() as (connection, snapshot),
    ):
        read_manifest(connection, source.second_session(snapshot))
    assert "catalogue/count_many" not in {ran.name for ran in told}


@pytest.mark.usefixtures("always")
def test_a_count_that_the_second_session_cannot_make_is_no_count(
    production: Production, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table that only the second session was refused is left out, or the manifest is made without it."""
    source = source_of(production, tmp_path, [])
    second_began = threading.Event()
    count = counting._count

    def waiting(conn: psycopg.Connection[tuple[object, ...]], *words: object) -> None:
        if threading.current_thread() is threading.main_thread():
            assert second_began.wait(10)
            return count(conn, *words)  # type: ignore[arg-type]
        second_began.set()
        conn.execute("SELECT 1 / 0")
        return None

    monkeypatch.setattr(counting, "_count", waiting)
    with (
        pytest.raises(StepFailed, match=r"refuses \(22012\)"),
        source.snapshot() as (connection, snapshot),
    ):
        read_manifest(connection, source.second_session(snapshot))


def test_few_tables_are_counted_by_one_session(production: Production, tmp_path: Path) -> None:
    """The demo's tables cost a second session, which takes longer than they do."""
    told: list[Ran] = []
    source = source_of(production, tmp_path, told)
    with source.snapshot() as (connection, snapshot):
        read_manifest(connection, source.second_session(snapshot))
    assert len({ran.pid for ran in told}) == 1


@pytest.mark.parametrize("sizes", [[], [5], [1] * 40, [9 << 20, 0, 3 << 20, 2 << 20, 1], [0] * 1000])
def test_every_table_is_in_one_share(sizes: list[int]) -> None:
    """A table is counted twice or not at all, or a large one waits behind small ones."""
    tables = [("public", f"t{number}", size) for number, size in enumerate(sizes)]
    shares = list(counting._shares(tables))
    assert sorted(place for share in shares for place in share) == list(range(len(sizes)))
    assert [sizes[place] for share in shares for place in share] == sorted(sizes, reverse=True)
    assert all(
        len(share) == 1 or (len(share) <= 16 and sum(sizes[place] for place in share) <= 4 << 20)
        for share in shares
    )


@pytest.mark.parametrize(
    ("sizes", "pays"),
    [
        ([0] * 299, False),
        ([0] * 300, True),
        ([7 << 20] * 9, False),
        ([7 << 20] * 10, True),
        ([9 << 20] * 200, False),
    ],
)
def test_a_second_session_is_for_what_is_many_or_large(sizes: list[int], pays: bool) -> None:
    """It is opened below 300 tables and 64 MB, or for tables that PostgreSQL itself counts with several workers."""
    assert counting._two_pay([("public", f"t{number}", size) for number, size in enumerate(sizes)]) is pays


@pytest.mark.parametrize(
    ("text", "pure"),
    [
        ("SET TRANSACTION SNAPSHOT {name_text}", True),
        ("SET TRANSACTION SNAPSHOT 'x'; DELETE FROM t", False),
        ("SET TRANSACTION READ WRITE", False),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE", False),
        ('SET "TRANSACTION SNAPSHOT" = 1', False),
        ("SET default_transaction_read_only = off", False),
    ],
)
def test_only_joining_a_snapshot_is_a_setting_that_reads(text: str, pure: bool) -> None:
    """A setting that lets a session write passes for a pure read."""
    assert is_pure_read(text) is pure
