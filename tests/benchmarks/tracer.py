"""What the client witness costs the subject, beside bare psycopg and beside OpenTelemetry's instrumentation of it.

``python -m tests.benchmarks.tracer [--blocks N] [--json FILE]``: five processes for each way, each with one connection
to the same cluster over a Unix socket; blocks of 200 statements, in an order of its own for every round. Wall and CPU
time of the client, medians of the blocks of all five. All clients run on the first processor, the server on the last:
else two equal processes differ by 5 % for as long as they run. OpenTelemetry takes part where its packages are
(`PACKAGES`, by pip), with its SDK, a batch processor and an exporter that throws away.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from figures import options, tell
from fix_places import cache_for_tests, place_for_clusters
from fix_uids import own_uid

from console.environments.cluster import Cluster
from console.environments.programs import find_programs
from console.secrets import make_password
from console.witness.client import ClientTrace

PACKAGES = "opentelemetry-sdk==1.45.1 opentelemetry-instrumentation-psycopg==0.66b1"
BLOCK = 200
PROCESSES = 5
PROCESSORS = os.sched_getaffinity(0)
LOOPS = ("SELECT 1", "INSERT INTO seen (n) VALUES (%s)")
WAYS = ("bare", "drydock", "OpenTelemetry")


def _bare(_folder: Path) -> None:
    """Nothing stands between."""


def _traced(folder: Path) -> None:
    from console.harness.appender import Appender
    from console.harness.frames import OwnFrames
    from console.harness.numbers import Numbers
    from console.harness.redaction import Redactor
    from console.harness.tracer import Tracer
    from console.harness.witness import install

    passwords = {f"role{number}": make_password() for number in range(3)}
    subject = OwnFrames(str(Path(__file__).parent))
    tracer = Tracer(
        file=Appender(str(folder / "client.jsonl")),
        redactor=Redactor(passwords),
        subject=subject,
        numbers=Numbers(str(folder / "client.numbers")),
    )
    tracer.label(s="S5", a="write", p="run")
    install(tracer)


class _Nowhere:
    """Throws spans away."""

    def export(self, _spans: Any) -> Any:
        """Take them."""
        return importlib.import_module("opentelemetry.sdk.trace.export").SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """There is nothing to end."""


def _instrumented(_folder: Path) -> None:
    trace = importlib.import_module("opentelemetry.sdk.trace")
    export = importlib.import_module("opentelemetry.sdk.trace.export")
    provider = trace.TracerProvider()
    provider.add_span_processor(export.BatchSpanProcessor(_Nowhere()))
    instrumentor = importlib.import_module("opentelemetry.instrumentation.psycopg").PsycopgInstrumentor()
    instrumentor.instrument(tracer_provider=provider)


def client(way: str, folder: Path, conninfo: str) -> None:
    """Run a block for each line of stdin, which is a loop's number; answer with wall and CPU seconds."""
    os.sched_setaffinity(0, {int(os.environ["DRYDOCK_BENCHMARK_PROCESSOR"])})
    {"bare": _bare, "drydock": _traced, "OpenTelemetry": _instrumented}[way](folder)
    connection = psycopg.connect(conninfo)
    cursor = connection.cursor()
    for line in sys.stdin:
        run = _loop(cursor, int(line))
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        run()
        took = time.perf_counter() - wall_s, time.process_time() - cpu_s
        connection.rollback()
        print(json.dumps(took), flush=True)


def _loop(cursor: psycopg.Cursor[Any], number: int) -> Callable[[], None]:
    def run() -> None:
        for value in range(BLOCK):
            cursor.execute(LOOPS[number], (value,) if number else None)

    return run


class Client:
    """One way in a process of its own."""

    def __init__(self, way: str, folder: Path, conninfo: str) -> None:
        words = [sys.executable, "-m", "tests.benchmarks.tracer", "client", way, str(folder)]
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
            cwd=Path(__file__).parents[2],
            env={
                **os.environ, "DRYDOCK_BENCHMARK_CONNECTION": conninfo,
                "DRYDOCK_BENCHMARK_PROCESSOR": str(min(PROCESSORS)),
            },
        )  # fmt: skip

    def block(self, loop: int) -> tuple[float, float]:
        """Run one block and return its wall and CPU seconds."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{loop}\n")
        wall_s, cpu_s = json.loads(self._process.stdout.readline())
        return wall_s, cpu_s

    def end(self) -> None:
        """Let it go."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(30)


@contextmanager
def server() -> Iterator[str]:
    """Yield how to reach a real PostgreSQL with the benchmark's table; it is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="ddb-", dir=place_for_clusters()))
    folder.chmod(0o711)
    cluster = Cluster(
        folder=folder / "c", programs=find_programs(16), uid=own_uid(), templates=cache_for_tests(),
        label="the benchmark",
    )  # fmt: skip
    password = make_password()
    try:
        cluster.create(password)
        cluster.start()
        with cluster.connect(password=password) as connection:
            connection.execute("CREATE TABLE seen (n integer)")
        yield psycopg.conninfo.make_conninfo(
            host=str(cluster.socket_folder), user="postgres", dbname="postgres", password=password
        )
    finally:
        cluster.stop()
        shutil.rmtree(folder)


def measure(blocks: int) -> dict[str, Any]:
    """Return for each loop the medians of each way in microseconds a statement, and the ratios."""
    os.sched_setaffinity(0, {max(PROCESSORS)})
    here = importlib.util.find_spec("opentelemetry") is not None
    ways = WAYS if here else WAYS[:2]
    found: dict[tuple[str, int], list[tuple[float, float]]] = {}
    with server() as conninfo, tempfile.TemporaryDirectory(prefix="ddb-") as made:
        folders = [Path(made) / str(number) for number in range(PROCESSES)]
        clients: list[tuple[str, Client]] = []
        try:
            for folder in folders:
                folder.mkdir()
                clients.extend((way, Client(way, folder, conninfo)) for way in ways)
            turns = [(way, one, loop) for way, one in clients for loop in range(len(LOOPS))]
            chance = random.Random(5)
            for number in range(blocks + 1):
                chance.shuffle(turns)
                for way, one, loop in turns:
                    took = one.block(loop)
                    if number:
                        found.setdefault((way, loop), []).append(took)
        finally:
            for _, one in clients:
                one.end()
        for folder in folders:
            trace = ClientTrace(folder / "client.jsonl")
            statements = trace.finish()
            assert not trace.irregularities, trace.irregularities[0]
            assert len(statements) >= (blocks + 1) * len(LOOPS) * BLOCK, "the witness missed statements"
    rows = {LOOPS[loop]: _row(found, ways, loop) for loop in range(len(LOOPS))}
    return {"blocks": blocks, "processes": PROCESSES, **rows}


def _row(
    found: dict[tuple[str, int], list[tuple[float, float]]], ways: tuple[str, ...], loop: int
) -> dict[str, Any]:
    wall = {way: statistics.median(one[0] for one in found[way, loop]) / BLOCK * 1e6 for way in ways}
    cpu = {way: statistics.median(one[1] for one in found[way, loop]) / BLOCK * 1e6 for way in ways}
    row: dict[str, Any] = {
        "wall_us": {way: round(us, 1) for way, us in wall.items()},
        "cpu_us": {way: round(us, 1) for way, us in cpu.items()},
        "wall_of_bare": round(wall["drydock"] / wall["bare"], 3),
    }
    if "OpenTelemetry" in ways:
        added = (cpu["drydock"] - cpu["bare"]) / (cpu["OpenTelemetry"] - cpu["bare"])
        row["wall_of_bare_with_opentelemetry"] = round(wall["OpenTelemetry"] / wall["bare"], 3)
        row["added_cpu_of_opentelemetry"] = round(added, 3)
    return row


if __name__ == "__main__":
    if sys.argv[1:2] == ["client"]:
        client(sys.argv[2], Path(sys.argv[3]), os.environ["DRYDOCK_BENCHMARK_CONNECTION"])
    else:
        given = options(blocks=40)
        tell(measure(given.blocks), given.json)
