"""A small production that the tests own, and the engine's own C-03 and C-05 upon it, without the rest of a run."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
from fix_places import cache_for_tests, place_for_clusters
from fix_uids import own_uid

from console.engine import copying
from console.engine.rehearsal import Places
from console.environments.cluster import PORT, SUPERUSER, WITNESS_SETTINGS, Cluster
from console.environments.embedded import EmbeddedEnvironment
from console.environments.environment import OWNER_SECRET, SUPERUSER_SECRET
from console.environments.owner import make_folder
from console.environments.programs import find_programs
from console.gates.sample_table import SAMPLE_GATES
from console.gates.table import by_id
from console.model.catalogue import Privileges
from console.model.config import RunConfig
from console.model.gate import Facts, Judgement, judge
from console.model.protocols import NoReceipts
from console.secrets import SecretRegistry, make_password
from console.sources.connection import ConnectionSource, Target

HERE = Path(__file__).parent
DATABASE = "shop"
OWNER = "keeper"
MARK = "planted-original"
"""Stands in every value that must never leave production."""

LOGS_EVERYTHING = {
    **WITNESS_SETTINGS, "log_parameter_max_length": "-1", "log_parameter_max_length_on_error": "-1",
    "log_min_duration_statement": "0", "log_min_messages": "debug1",
}  # fmt: skip
"""Production logs all that it can: statements, bound values, durations."""


class Records(NoReceipts):
    """Remembers facts and notes as a journal would have them, and every file that was announced."""

    def __init__(self) -> None:
        self.facts: dict[str, Any] = {}
        self.notes: dict[str, Any] = {}
        self.files: list[Path] = []
        self.state = SimpleNamespace(facts=self.facts, notes=self.notes)

    def fact(self, name: str, value: Any, *, source: str) -> None:
        """Keep one fact as JSON."""
        self.facts[name] = msgspec.json.decode(msgspec.json.encode(value))

    def note(self, name: str, value: Any, origin: str = "engine") -> None:
        """Keep one note."""
        self.notes[name] = msgspec.json.decode(msgspec.json.encode(value))

    def opening(self, kind: str, name: str) -> None:
        """Keep what is made."""
        self.files.append(Path(name))

    def progress(self, *_given: Any, **_named: Any) -> None:
        """Nobody looks."""

    def raise_if_requested(self) -> None:
        """Nobody asks for the end."""


@dataclass(kw_only=True)
class Shop:
    """A running production of one major version, and its copy's environment."""

    major: int
    folder: Path
    cluster: Cluster
    password: str
    environment: EmbeddedEnvironment
    registry: SecretRegistry
    places: list[Path] = field(default_factory=list)

    def connect(self, database: str = DATABASE) -> Any:
        """Open an autocommit session of production's superuser (a context manager)."""
        return self.cluster.connect(password=self.password, database=database)

    def execute(self, *statements: str) -> None:
        """Change production."""
        with self.connect() as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def copy(self) -> Any:
        """Open a superuser's session on the copy (a context manager)."""
        return self.environment.connect(DATABASE)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return rows of the copy."""
        with self.copy() as connection:
            return list(connection.execute(query.encode()).fetchall())

    def source(self, run: Any) -> ConnectionSource:
        """Return production as a source."""
        target = Target(
            host=str(self.cluster.socket_folder), port=PORT, database=DATABASE, role=SUPERUSER,
            password=lambda: self.password, sslmode="disable",
        )  # fmt: skip

        def observe(ran: Any) -> None:
            run.source_queries[ran.name] = ran.sha256

        return ConnectionSource(
            target, find_programs(self.major), scratch=run.places.scratch, observer=observe
        )

    @contextmanager
    def rehearsed(self, config: RunConfig, *, until: str = "C-05") -> Iterator[Any]:
        """Take a copy and restore it, by the engine's own steps; the copy is gone afterwards."""
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=self.folder))
        places = Places(run=folder / "run", work=folder / "work")
        for path in (places.run, places.work, places.scratch):
            path.mkdir(mode=0o700)
        pack = SimpleNamespace(schema="public", tables=(), owner=OWNER, roles_absent_in_copy=())
        log = self.environment.server_log()
        run: Any = SimpleNamespace(
            config=config, registry=self.registry, places=places, recorder=Records(), database=DATABASE,
            plan=SimpleNamespace(kind="dry-run", rewound=(), copy="new"),
            programs=find_programs(self.major), dumped=None, sampling=None, source_bytes=0, source_queries={},
            the_environment=lambda: self.environment, server=log,
            the_trace=lambda: SimpleNamespace(append=lambda lines, origin: None),
            loaded=SimpleNamespace(pack=pack, privileges=Privileges(roles={}, grants=())),
        )  # fmt: skip
        run.source = self.source(run)
        run.the_source = run.living_source = lambda: run.source
        try:
            copying.copy_source(run)
            run.fetched = evidence(run) + archive_text(self.major, places.dump)
            if until == "C-05":
                copying.restore(run)
            yield run
        finally:
            log.close()
            with self.environment.connect() as connection:
                connection.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
                connection.execute(f"DROP ROLE IF EXISTS {OWNER}")
            for leftover in (self.environment.cluster.folder / "restore",):
                shutil.rmtree(leftover, ignore_errors=True)
            shutil.rmtree(folder)


def judged(run: Any, gate: str) -> Judgement:
    """Ask one gate over what was recorded."""
    found = next((one for one in SAMPLE_GATES if one.id == gate), None) or by_id(gate)
    return judge(found, Facts(run.recorder.facts))


def evidence(run: Any) -> bytes:
    """Return every byte that the run recorded or wrote: facts, notes, dump, what was taken, scratch."""
    kept = msgspec.json.encode([run.recorder.facts, run.recorder.notes])
    return kept + b"".join(
        path.read_bytes() for path in sorted(run.places.run.parent.rglob("*")) if path.is_file()
    )


def archive_text(major: int, archive: Path) -> bytes:
    """Return an archive as SQL: its rows are compressed in the file."""
    program = find_programs(major).path("pg_restore")
    return subprocess.run([program, "--file=-", archive], capture_output=True, check=True).stdout


def made_shop(major: int) -> Shop:
    """Start a production with the shop in it, and an empty copy."""
    folder = Path(tempfile.mkdtemp(prefix="dds-", dir=place_for_clusters()))
    folder.chmod(0o711)
    make_folder(folder / "w", mode=0o711)
    registry = SecretRegistry()
    for name in (SUPERUSER_SECRET, OWNER_SECRET):
        registry.learn(name, make_password())
    made = Shop(
        major=major, folder=folder, password=make_password(), registry=registry,
        cluster=Cluster(
            folder=folder / "c", programs=find_programs(major), uid=own_uid(), templates=cache_for_tests(),
            label="production", settings=LOGS_EVERYTHING,
        ),
        environment=EmbeddedEnvironment(
            folder=folder / "w", programs=find_programs(major), registry=registry, receipts=NoReceipts()
        ),
    )  # fmt: skip
    try:
        made.cluster.create(made.password)
        made.cluster.start()
        with made.connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {DATABASE} TEMPLATE template0".encode())
        with made.connect() as connection:
            connection.execute((HERE / "shop.sql").read_bytes())
        made.environment.provision()
    except BaseException:
        remove_shop(made)
        raise
    return made


def remove_shop(shop: Shop) -> None:
    """End both servers and remove their folders."""
    shop.environment.cluster.stop()
    shop.cluster.stop()
    shutil.rmtree(shop.folder)
