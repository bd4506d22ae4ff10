"""A large database: two sessions of pg_dump into a folder, how that ends, and when it is compressed."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from productions import ROLE, Production, source_of

from console.environments.process import end_process, members_of_session, process_identity
from console.errors import AbortRequested
from console.model.protocols import NeverAborted, NoReceipts
from console.sources import connection as connection_module
from console.sources import dumping as dumping_module
from console.sources.archive import dump_sha256
from console.sources.source import Dumped


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
        "from productions import *; from console.sources import connection\n"
        "from console.model.protocols import NeverAborted, NoReceipts\n"
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


def within_patience(holds: Callable[[], object], what: str) -> None:
    """Fail when it does not come to hold."""
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def test_one_session_waits_until_those_before_it_have_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server still counts the two sessions that it refused, and the one alone is refused with them for good."""
    refused = 'pg_dump: error: connection to server on socket "/x" failed: FATAL:  too many connections for role "r"'
    answers = [refused, refused, ""]
    asked: list[str] = []

    def run(_self: Any, _target: Any, arguments: tuple[str, ...], into: Path, _follow: Any) -> Dumped:
        asked.append(next(word for word in arguments if word.startswith("--jobs=")))
        words = answers.pop(0)
        (into / f"{len(asked)}.dat").write_text("rows")
        return Dumped(sha256="", size_bytes=0, returncode=1 if words else 0, words=words, arguments=arguments)

    monkeypatch.setattr(dumping_module.Dumping, "_run", run)
    monkeypatch.setattr(dumping_module, "_POLL_S", 0.001)
    dumping = dumping_module.Dumping(
        program="pg_dump", dbname="", name="x", more=(), scratch=tmp_path, receipts=NoReceipts(), abort=NeverAborted(),
        progress=lambda _bytes, _begun: None,
    )  # fmt: skip
    (tmp_path / "dump").mkdir()
    assert dumping.into_folder(tmp_path / "dump", jobs=2).returncode == 0
    assert asked == ["--jobs=2", "--jobs=1", "--jobs=1"]
    assert [path.name for path in (tmp_path / "dump").iterdir()] == ["3.dat"]
    monkeypatch.setattr(dumping_module, "_LEAVING_PATIENCE_S", 0.0)
    answers += [refused, refused]
    assert dumping.into_folder(tmp_path / "dump", jobs=2).words == refused
    answers += [refused, "pg_dump: error: query failed"]
    assert dumping.into_folder(tmp_path / "dump", jobs=2).words.endswith("query failed")
    assert answers == []
