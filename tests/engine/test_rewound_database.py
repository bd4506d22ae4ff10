"""A database made anew by the engine's own statements, on real servers: all that a template does not bring along."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import psycopg
import pytest
from fix_places import place_for_clusters

from console.engine import rewinding
from console.engine.rehearsing import open_session
from console.engine.witnessing import Witnessing
from console.environments.embedded import EmbeddedEnvironment
from console.environments.environment import OWNER_SECRET, SUPERUSER_SECRET
from console.environments.owner import make_folder
from console.environments.programs import find_programs
from console.errors import StepFailed
from console.model.protocols import NoReceipts
from console.secrets import SecretRegistry, make_password

DATABASE = 'odd "name"'
SETUP = (
    'CREATE ROLE "the keeper"', "CREATE ROLE writer LOGIN", "CREATE ROLE reader",
    f'CREATE DATABASE "{DATABASE.replace(chr(34), chr(34) * 2)}" OWNER "the keeper" TEMPLATE template0 '
    "CONNECTION LIMIT 7",
)  # fmt: skip
QUOTED = '"odd ""name"""'
WORDS = (
    f"REVOKE ALL ON DATABASE {QUOTED} FROM PUBLIC", f"GRANT TEMPORARY ON DATABASE {QUOTED} TO PUBLIC",
    f"GRANT CONNECT, CREATE ON DATABASE {QUOTED} TO writer", f"GRANT CONNECT ON DATABASE {QUOTED} TO reader",
    f"ALTER DATABASE {QUOTED} SET search_path TO 'a, b', \"$user\", public",
    f"ALTER DATABASE {QUOTED} SET work_mem TO '5MB'", f"ALTER ROLE writer IN DATABASE {QUOTED} SET jit TO off",
    f"ALTER ROLE writer IN DATABASE {QUOTED} SET search_path TO \"Odd\", public",
)  # fmt: skip


class _Recorder(NoReceipts):
    def __init__(self) -> None:
        self.state = SimpleNamespace(facts={}, notes={})

    def fact(self, name: str, value: Any, *, source: str) -> None:
        """Keep a fact as the journal has it."""
        self.state.facts[name] = msgspec.to_builtins(value)

    def note(self, name: str, value: Any, origin: str = "engine") -> None:
        """Keep a note."""
        self.state.notes[name] = value

    def raise_if_requested(self) -> None:
        """Nobody asks for the end."""


@pytest.fixture(scope="module", params=[16, 18])
def run(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A prepared copy with everything that a database can have of its own, and as much of a run as a rewind needs."""
    folder = Path(tempfile.mkdtemp(prefix="ddr-", dir=place_for_clusters()))
    folder.chmod(0o711)
    make_folder(folder / "w", mode=0o711)
    registry = SecretRegistry()
    for name in (SUPERUSER_SECRET, OWNER_SECRET):
        registry.learn(name, make_password())
    environment = EmbeddedEnvironment(
        folder=folder / "w", programs=find_programs(request.param), registry=registry, receipts=NoReceipts()
    )
    closing = ExitStack()
    try:
        environment.provision()
        with environment.connect() as connection:
            for statement in (*SETUP, *WORDS):
                connection.execute(statement.encode())
        with environment.connect(DATABASE) as connection:
            connection.execute("CREATE TABLE public.entry AS SELECT g FROM generate_series(1, 1000) AS g")
            connection.execute("CREATE SEQUENCE public.counter START 5")
        pack = SimpleNamespace(schema="public", tables=("entry",))
        made: Any = SimpleNamespace(
            database=DATABASE, plan=SimpleNamespace(scenarios=("S1", "S2"), rewound=("S2",)), recorder=_Recorder(),
            loaded=SimpleNamespace(pack=pack, privileges=SimpleNamespace(roles={"writer": None, "reader": None})),
            config=SimpleNamespace(limits=SimpleNamespace(step_timeout_s=60.0)), witnessing=None,
            places=SimpleNamespace(work=folder / "w"), observe=lambda *_ran: None, the_environment=lambda: environment,
            closing=closing,
        )  # fmt: skip
        made.the_witnessing = lambda: made.witnessing
        rewinding._keep_template(made)
        yield made
    finally:
        closing.close()
        environment.cluster.stop()
        shutil.rmtree(folder)


def look(run: Any) -> dict[str, Any]:
    """Return what can be told of the copy now."""
    with run.the_environment().connect(run.database) as connection:
        return {
            "words": rewinding._database_words(run, connection), "oid": rewinding._oid(run, connection),
            "rows": connection.execute("SELECT count(*), sum(g) FROM public.entry").fetchall(),
            "sequence": connection.execute("SELECT last_value, is_called FROM public.counter").fetchall(),
            "extra": connection.execute("SELECT to_regclass('public.planted')").fetchall(),
        }  # fmt: skip


def opened(run: Any) -> None:
    """Open the engine's own session, as C-10 does."""
    session, closing = open_session(run)
    run.closing.push(closing)
    run.witnessing = Witnessing(connection=session, closing=closing)


def test_everything_of_the_database_is_as_it_was_and_nothing_of_the_scenario_is_left(run: Any) -> None:
    """Owner, limit, privileges, settings of everybody and of roles, rows, sequences; and the server is durable."""
    before = look(run)
    assert run.recorder.state.facts["prepared"]["database"] == before["words"]
    assert len([word for word in before["words"] if word.startswith("settings of ")]) == 2
    opened(run)
    with run.the_environment().connect(run.database) as connection:
        connection.execute("CREATE TABLE public.planted ()")
        connection.execute("DELETE FROM public.entry WHERE g > 3")
        connection.execute("SELECT nextval('public.counter')")
    way, dropped = rewinding._make_anew(run, "S2")
    after = look(run)
    assert {**before, "oid": after["oid"]} == after
    assert dropped == before["oid"] != after["oid"]
    assert ("cannot clone" in way) == (run.the_environment().cluster.programs.major < 18)
    with run.the_environment().connect() as connection:
        [(fsync,)] = connection.execute("SHOW fsync").fetchall()
        assert fsync == "on"
        template = rewinding._look(connection, rewinding.TEMPLATE_NAME)
    assert msgspec.to_builtins(template) == run.recorder.state.facts["prepared"]["template"]


def test_nobody_not_even_the_superuser_reaches_the_template(run: Any) -> None:
    """A session in the template is refused to the superuser, so to everybody, and is not counted as one."""
    with (
        pytest.raises(psycopg.OperationalError, match="not currently accepting connections"),
        run.the_environment().connect(rewinding.TEMPLATE_NAME),
    ):
        pass
    rewinding._await_quiet(run)
    with run.the_environment().connect() as connection:
        found = rewinding._look(connection, rewinding.TEMPLATE_NAME)
    assert (found.connectable, found.is_template, found.grantees, found.sessions) == (False, False, (), 0)


def test_a_session_in_the_copy_is_not_ended_by_force(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """While somebody is connected the copy stays as it is, and who it is stands in the reason."""
    monkeypatch.setattr(rewinding, "LEAVE_PATIENCE_S", 0.3)
    opened(run)
    with run.the_environment().connect(run.database) as mine:
        with pytest.raises(StepFailed) as failed:
            rewinding._require_nobody(run, "S2")
        assert mine.execute("SELECT 1").fetchall() == [(1,)]
        assert f"backend {mine.info.backend_pid} (postgres) idle" in failed.value.reason
    assert (failed.value.cause, failed.value.gate) == ("environment", "G-27")


def test_a_file_of_the_template_that_somebody_touched_is_seen(run: Any) -> None:
    """Setting back its modification time does not help: the change time tells."""
    rewinding._await_quiet(run)
    with run.the_environment().connect() as connection:
        before = rewinding._look(connection, rewinding.TEMPLATE_NAME)
        file = next(
            path
            for path in (run.the_environment().cluster.data_folder / "base" / before.oid).iterdir()
            if path.stat().st_size
        )
        known = file.stat()
        content = file.read_bytes()
        with file.open("r+b") as opened_file:
            opened_file.write(bytes([content[0] ^ 1]))
        os.utime(file, ns=(known.st_atime_ns, known.st_mtime_ns))
        after = rewinding._look(connection, rewinding.TEMPLATE_NAME)
        with file.open("r+b") as opened_file:
            opened_file.write(content[:1])
    assert (before.files, before.size_bytes) == (after.files, after.size_bytes)
    assert before.sha256 != after.sha256


def test_a_lock_that_somebody_holds_has_its_own_words(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who changes the database beside it, and does not end, is no session of the subject's: and nothing is counted."""
    monkeypatch.setattr(rewinding, "WITNESS_OPTIONS", "-c lock_timeout=200ms")
    run.closing.close()
    opened(run)
    with run.the_environment().connect() as mine:
        mine.execute("BEGIN")
        mine.execute(f"ALTER DATABASE {QUOTED} SET work_mem TO '6MB'".encode())
        with pytest.raises(StepFailed, match=r"cannot be rewound before S2: .*lock timeout") as failed:
            rewinding._make_anew(run, "S2")
    assert (failed.value.cause, failed.value.gate) == ("environment", "G-27")
