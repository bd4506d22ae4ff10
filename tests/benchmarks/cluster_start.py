"""How long a throwaway cluster takes from nothing to stopped, beside initdb and pg_ctl at their defaults.

``python -m tests.benchmarks.cluster_start [--repeat N] [--major 16] [--json FILE]``. Each way makes a data folder that
was not there, starts a server, asks it for its system_identifier, and stops it; no identifier comes twice. Drydock's
template is there, as for every run but a machine's first. Wall time, medians of shuffled turns.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from figures import options, shuffled, tell
from fix_uids import own_uid

from console.environments.cluster import Cluster
from console.environments.owner import initdb_uid
from console.environments.programs import find_programs, reachable_programs
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


def measure(repeat: int, major: int) -> dict[str, Any]:
    """Return seconds of each way, on disk, and Drydock's share of the defaults'."""
    seen = Seen()
    with tempfile.TemporaryDirectory(prefix="drydock-bench-", dir="/var/tmp") as made:
        place = Path(made)
        place.chmod(0o711)
        drydock_s(place, major, seen)
        found = shuffled(
            {
                "drydock": lambda: drydock_s(place, major, seen),
                "initdb and pg_ctl": lambda: defaults_s(place, major, seen),
            },
            repeat,
        )  # fmt: skip
    return {
        "repetitions": repeat, "major": major, "seconds": {name: round(took, 3) for name, took in found.items()},
        "share_of_defaults": round(found["drydock"] / found["initdb and pg_ctl"], 3),
    }  # fmt: skip


if __name__ == "__main__":
    given = options(repeat=7, major=16)
    tell(measure(given.repeat, given.major), given.json)
