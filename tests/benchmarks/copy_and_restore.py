"""What a checked copy of a large database costs, beside what the source documents do: pg_dump to text, sha256, psql.

``python -m tests.benchmarks.copy_and_restore [--megabytes 1000] [--repeat 2] [--json FILE]`` fills a source with 40
tables, indexes and foreign keys, drafts a plan from it with ``drydock init``, and takes turns: a run's dump with its
hash, its new server, and its restore with every foreign key checked, until the server is durable; and pg_dump -Fp to a
file, sha256sum, initdb, pg_ctl start and psql -f with the server's defaults. Beside them stand the whole steps C-03 to
C-05, which also count every row on both sides and search the copy. The rows of both are counted and found equal. Wall
time, medians, on disk.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from figures import options, shuffled, tell
from fix_uids import own_uid

from console.environments.cluster import Cluster
from console.environments.owner import initdb_uid
from console.environments.programs import Programs, find_programs, reachable_programs
from console.journal import read_journal
from console.model.event import Entry, FactRecorded, NoteRecorded, ReceiptOpened, StepStarted
from console.model.run_state import fold
from console.secrets import make_password

TABLES = 40
ROWS_FOR_A_MEGABYTE = 5_300
"""Over all tables, with their indexes."""
MAJOR = 16
_FILL = """
CREATE TABLE {name} (
    id bigint PRIMARY KEY, parent bigint{references}, label text NOT NULL, amount numeric(12, 2), at timestamptz,
    note text
);
INSERT INTO {name}
SELECT n, {parent}, 'label ' || n % 1000, n % 9973 / 7.0, now() - n * interval '1 second', md5(n::text)
FROM generate_series(1, {rows}) AS n;
CREATE INDEX ON {name} (parent);
CREATE INDEX ON {name} (label, at);
"""


@dataclass(frozen=True, kw_only=True)
class Source:
    """The server that is copied: how to reach it, and how many rows it has."""

    cluster: Cluster
    password: str
    rows: int
    megabytes: int


@contextmanager
def source(place: Path, megabytes: int, *, major: int = MAJOR) -> Iterator[Source]:
    """Yield a filled source; it is gone afterwards."""
    folder = place / "s"
    cluster = Cluster(folder=folder, programs=find_programs(major), uid=own_uid(), label="the source")
    password = make_password()
    each = megabytes * ROWS_FOR_A_MEGABYTE // TABLES
    cluster.create(password)
    cluster.start()
    try:
        with cluster.connect(password=password) as connection:
            connection.execute("CREATE DATABASE shop")
        with cluster.connect(password=password, database="shop") as connection:
            for number in range(TABLES):
                above = f"t{number // 3:02}" if number else ""
                connection.execute(
                    _FILL.format(
                        name=f"t{number:02}",
                        rows=each,
                        parent=f"1 + n % {each}" if above else "NULL",
                        references=f" REFERENCES {above}" if above else "",
                    )
                )
            connection.execute("CREATE ROLE app LOGIN")
            connection.execute("GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO app")
            connection.execute("VACUUM ANALYZE")
            [[size]] = connection.execute("SELECT pg_database_size('shop')").fetchall()
        yield Source(cluster=cluster, password=password, rows=each * TABLES, megabytes=round(size / 1e6))
    finally:
        cluster.stop()


def drafted(place: Path, source: Source) -> Path:
    """Draft a plan from the source, as its operator would, and return it."""
    secret = place / "source.secret"
    secret.write_text(source.password + "\n", "utf-8")
    secret.chmod(0o600)
    drydock(
        place, "init", str(place / "plan"), "--yes", "--host", str(source.cluster.socket_folder), "--database", "shop",
        "--role", "postgres", "--secret", f"file:{secret}", "--writer", "app", "--sslmode", "disable",
    )  # fmt: skip
    return place / "plan" / "plan.toml"


def drydock(place: Path, *words: str) -> str:
    """Run one command in the benchmark's own place and return what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "console", *words], capture_output=True, text=True, check=False, cwd=place,
        stdin=subprocess.DEVNULL, env={**os.environ, "XDG_STATE_HOME": str(place / "state"),
                                       "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"drydock {words[0]} ended with {done.returncode}:\n{done.stderr[-4000:]}")
    return done.stdout


def drydock_s(place: Path, plan: Path, rows: int, steps: dict[str, list[int]]) -> float:
    """Rehearse, and return the seconds of dump, new server and restore."""
    said = drydock(
        place, "run", str(plan), "--headless", "--approve", "all", "--json", "--runs-dir", str(place / "runs")
    )
    told = json.loads(said)
    assert (told["verdict"], told["closure"]) == ("PASS", "CLEAN"), told
    entries = list(read_journal(Path(told["evidence"]) / "journal.jsonl"))
    state = fold(entries)
    assert sum(state.facts["manifest.copy"]["rows"].values()) == rows
    took = {step: state.steps_finished[step].duration_ms for step in ("C-03", "C-04", "C-05")}
    for step, ms in took.items():
        steps.setdefault(step, []).append(ms)
    return copied_s(entries) + took["C-04"] / 1000


def copied_s(entries: Sequence[Entry]) -> float:
    """Return the seconds from the dump's receipt to its hash, and from the begin of C-05 to the durable copy.

    The restore's fact follows the end of whatever the restoring client was given: the overwritten dump counts too.
    """
    at: dict[str, datetime] = {}
    for entry in entries:
        event, when = entry.event, datetime.fromisoformat(entry.at)
        if isinstance(event, ReceiptOpened) and event.name.endswith("/source.dump"):
            at.setdefault("dump begins", when)
        elif isinstance(event, StepStarted) and event.step == "C-05":
            at["restore begins"] = when
        elif isinstance(event, NoteRecorded | FactRecorded) and event.name in (
            "dump", "copy.durability", "restore",
        ):  # fmt: skip
            at[event.name] = when
    ended = max(at["copy.durability"], at["restore"])
    took = (at["dump"] - at["dump begins"]) + (ended - at["restore begins"])
    return took.total_seconds()


def documents_s(place: Path, source: Source, programs: Programs) -> float:
    """Do what the source documents do, as an ordinary user, and return its seconds."""
    uid = initdb_uid() if own_uid() is not None else None
    with tempfile.TemporaryDirectory(prefix="i-", dir=place) as made:
        folder = Path(made)
        if uid is not None:
            os.chown(folder, uid, uid)
        reach = f"host={source.cluster.socket_folder} user=postgres dbname=shop"

        def run(*words: str, user: int | None = uid, **variables: str) -> None:
            subprocess.run(
                words, user=user, cwd=folder, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                env={**os.environ, **variables},
            )  # fmt: skip

        began = time.monotonic()
        dump, data = str(folder / "dump.sql"), str(folder / "data")
        run(programs.path("pg_dump"), "-Fp", f"--file={dump}", reach, user=None, PGPASSWORD=source.password)
        run("sha256sum", dump, user=None)
        if uid is not None:
            os.chown(dump, uid, uid)
        run(programs.path("initdb"), "-D", data, "-U", "postgres", "--auth=trust")
        words = f"-c listen_addresses= -c unix_socket_directories={folder}"
        run(programs.path("pg_ctl"), "-D", data, "-l", str(folder / "log"), "-o", words, "start")
        try:
            here = f"host={folder} user=postgres"
            run(
                programs.path("psql"),
                "-qXc",
                "CREATE ROLE app LOGIN",
                "-c",
                "CREATE DATABASE shop",
                f"{here} dbname=postgres",
            )
            run(programs.path("psql"), "-qX", "--set=ON_ERROR_STOP=1", "-f", dump, f"{here} dbname=shop")
            took = time.monotonic() - began
            with psycopg.connect(f"{here} dbname=shop") as connection:
                counts = [
                    connection.execute(f"SELECT count(*) FROM t{number:02}").fetchall()[0][0]
                    for number in range(TABLES)
                ]
            assert sum(counts) == source.rows
        finally:
            run(programs.path("pg_ctl"), "-D", data, "-m", "immediate", "stop")
    return took


def measure(megabytes: int, repeat: int) -> dict[str, Any]:
    """Return seconds of each way, Drydock's steps, and its share."""
    place = Path(tempfile.mkdtemp(prefix="ddb-", dir="/var/tmp"))
    try:
        place.chmod(0o711)
        uid = initdb_uid() if own_uid() is not None else None
        programs = reachable_programs(find_programs(MAJOR), uid=uid, folder=place)
        steps: dict[str, list[int]] = {}
        with source(place, megabytes) as made:
            plan = drafted(place, made)
            found = shuffled(
                {
                    "drydock": lambda: drydock_s(place, plan, made.rows, steps),
                    "the documents' way": lambda: documents_s(place, made, programs),
                },
                repeat,
            )
    finally:
        shutil.rmtree(place)
    return {
        "megabytes": made.megabytes, "tables": TABLES, "repetitions": repeat,
        "seconds": {name: round(took, 1) for name, took in found.items()}, "steps_ms": steps,
        "share": round(found["drydock"] / found["the documents' way"], 3),
    }  # fmt: skip


if __name__ == "__main__":
    given = options(megabytes=1000, repeat=2)
    tell(measure(given.megabytes, given.repeat), given.json)
