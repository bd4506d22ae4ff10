"""A database that is large enough for a server for loading: rehearsed whole, and left in the middle of its dump."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest
from container_production import ContainerProduction
from docker_engine import Engine
from docker_plans import Setting
from fix_runs import Drydock
from test_docker_recovery import in_step_with
from test_run import unnamed

from console.engine.copying import LARGE_DUMP_BYTES

PATIENCE_S = 20.0
MOMENTS_BYTES = (0, 1 << 20, 12 << 20)


@pytest.fixture(scope="module")
def large(production: ContainerProduction) -> Iterator[ContainerProduction]:
    """Production with a table of 60 MB that compression leaves more than the limit of; gone afterwards."""
    production.psql(
        "CREATE TABLE public.ledger AS SELECT n AS id, "
        "(SELECT string_agg(md5(n::text || k), '') FROM generate_series(1, 16) AS k) AS line "
        "FROM generate_series(1, 100000) AS n; ALTER TABLE public.ledger ADD PRIMARY KEY (id);"
        "CREATE INDEX ON public.ledger (left(line, 40)); ALTER TABLE public.ledger OWNER TO workflow_admin"
    )
    yield production
    production.psql("DROP TABLE public.ledger")


def programs(engine: Engine, production: ContainerProduction) -> list[str]:
    """Return what runs inside production besides its server's own processes."""
    lines = engine.docker("top", production.name, "-eo", "pid,args").splitlines()[1:]
    told = [line.split(None, 1)[1] for line in lines]
    return [one for one in told if not one.startswith("postgres")]


@pytest.mark.matrix
def test_much_is_loaded_and_rehearsed(large: ContainerProduction, drydock: Drydock, setting: Setting) -> None:
    """Rows that needed no WAL are all there, and the server that the subject meets is as durable as any."""
    ended = drydock.run(str(unnamed(setting.plan("large"))), "--approve", "all")
    assert ended.outcome == (0, "PASS", "CLEAN", None), ended.said.stderr
    assert ended.state.notes["dump"]["size_bytes"] >= LARGE_DUMP_BYTES
    durability = ended.state.notes["copy.durability"]
    assert (durability["wal_level"], durability["fsync"], durability["full_page_writes"]) == (
        "logical",
        "on",
        "on",
    )
    rows = [ended.state.facts[name]["rows"]["public.ledger"] for name in ("manifest.source", "manifest.copy")]
    assert rows == [100_000, 100_000]


@pytest.mark.matrix
@pytest.mark.parametrize("moment_bytes", MOMENTS_BYTES)
def test_nothing_stays_in_production_when_the_engine_dies(
    large: ContainerProduction, drydock: Drydock, setting: Setting, engine: Engine, moment_bytes: int
) -> None:
    """pg_dump, what gathers its bytes or a shell of theirs goes on inside production, or its server took notice."""
    was = programs(engine, large)
    living = drydock.start(str(unnamed(setting.plan("large-death"))), "--approve", "all")
    living.wait_until(in_step_with("C-03", "source.dump"), "the dump's receipt")
    pid, deadline = living.engine_pid(), time.monotonic() + PATIENCE_S
    [dump] = [it.name for it in living.state.open_receipts if it.name.endswith("source.dump")]
    while not os.path.exists(dump) or os.stat(dump).st_size < moment_bytes:
        assert time.monotonic() < deadline
    os.kill(pid, signal.SIGKILL)
    ended = living.finish()
    assert (ended.outcome[1], ended.outcome[2]) == ("FAIL", "CLEAN"), ended.said.stderr
    deadline = time.monotonic() + PATIENCE_S
    while (found := programs(engine, large)) != was:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    assert not os.path.exists(dump)
    assert "was terminated by signal" not in engine.docker("logs", large.name)
