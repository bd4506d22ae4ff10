"""One rehearsal under way: its order, its parts and the folders that it uses.

Holds what the steps share within one engine process; everything that must survive the process is in
the journal. Its names are known before anything exists, because receipts and gate G-02 need them.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from console.engine.digest import digest_parts, whole_digest
from console.engine.migration_files import with_migrations
from console.engine.proof_state import Proving
from console.engine.recorder import Recorder
from console.engine.runner import describe
from console.engine.sampled import Sampling
from console.engine.witnessing import Witnessing
from console.environments.embedded import EmbeddedEnvironment
from console.environments.environment import Environment, HarnessPlace
from console.environments.kept_reading import KeptReading
from console.environments.owner import Lease
from console.environments.programs import Programs, find_programs
from console.errors import SecretUnavailable, StepFailed
from console.kept import KeptList
from console.model.beside_facts import Beside
from console.model.config import SOCKET_FOLDER_INSIDE, RunConfig, RunOrder
from console.model.plan import Plan
from console.model.trace import EngineStatement
from console.packs import LoadedPack, find_pack, load_pack
from console.plans.order import plan_of, subject_folder
from console.runs import JOURNAL_FILE, ORDER_FILE
from console.secret_store import known_or_resolved
from console.secrets import SecretRegistry
from console.settings import default_state_folder, default_work_folder
from console.sources.archive import NAME
from console.sources.connection import ConnectionSource, Target
from console.sources.demo import DemoSource
from console.sources.dump_file import CopiedDump, DumpFileSource
from console.sources.source import Dumped
from console.sql import Ran
from console.trace_log import TraceWriter
from console.witness.beyond import Before
from console.witness.client import ClientTrace
from console.witness.migration import Snapshot
from console.witness.server_log import ServerLog

SOURCE_SECRET = "source-password"
"""What the registry calls production's password, whatever its entry is called."""

UIDS_NOTE = "uids"
"""The note that says which users were made up for the run, so that nothing of theirs outlives it."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """The folders of one run: `run` is kept as evidence, `work` is thrown away."""

    run: Path
    work: Path

    @property
    def secrets(self) -> Path:
        """Return the folder of the rehearsal's own secrets (0700)."""
        return self.run / "secrets"

    @property
    def secrets_file(self) -> Path:
        """Return the file that holds them (0600)."""
        return self.secrets / "rehearsal.json"

    @property
    def scratch(self) -> Path:
        """Return the engine's own scratch folder, below the work folder's sibling in the run."""
        return self.run / "scratch"

    @property
    def artefacts(self) -> Path:
        """Return the folder of what is kept beside journal and trace."""
        return self.run / "artefacts"

    @property
    def demo(self) -> Path:
        """Return the folder of the demo's own production and neighbour."""
        return self.work.with_name(f"{self.work.name}-demo")

    @property
    def dump(self) -> Path:
        """Return the copy's file, or folder."""
        return self.work / NAME


def work_folder_of(order: RunOrder) -> Path:
    """Return the exact folder in which everything to be thrown away is made."""
    named = order.config.environment.work_folder
    return (Path(named) if named else default_work_folder()) / f"drydock-{order.run}-{order.nonce}"


def state_folder_of(order: RunOrder) -> Path:
    """Return the folder of the sealing key and of the ledger: the one that the run was started with."""
    return Path(order.state_folder) if order.state_folder else default_state_folder()


@dataclass(kw_only=True)
class Rehearsal:
    """Everything the steps of one engine process share."""

    order: RunOrder
    places: Places
    loaded: LoadedPack
    plan: Plan
    programs: Programs
    recorder: Recorder
    registry: SecretRegistry
    subject: Path
    trace: TraceWriter | None = None
    source: ConnectionSource | DumpFileSource | None = None
    environment: Environment | None = None
    dumped: Dumped | CopiedDump | None = None
    kept: KeptList | None = None
    kept_reading: KeptReading | None = None
    source_bytes: int = 0
    sampling: Sampling | None = None
    source_queries: dict[str, str] = field(default_factory=dict)
    harness_place: HarnessPlace | None = None
    client: ClientTrace | None = None
    server: ServerLog | None = None
    witnessing: Witnessing | None = None
    before_migrations: Before | None = None
    relations_before: dict[str, Snapshot] = field(default_factory=dict)
    beside: Beside | None = None
    proving: Proving | None = None
    taken_over: bool = False
    leases: dict[int, Lease] = field(default_factory=dict)

    @property
    def config(self) -> RunConfig:
        """Return the run's configuration."""
        return self.order.config

    @property
    def state_folder(self) -> Path:
        """Return the folder of the sealing key and of the ledger."""
        return state_folder_of(self.order)

    @property
    def database(self) -> str:
        """Return the name of the rehearsed database."""
        return self.config.source.database or self.loaded.pack.database

    def the_source(self) -> ConnectionSource | DumpFileSource:
        """Return the source, made at the first call (a demo makes nothing before `prepare`)."""
        if self.source is None:
            self.source = _source_of(self)
            if isinstance(self.source, ConnectionSource):
                self.source.dump_travels = self.config.environment.kind != "embedded"
        return self.source

    def living_source(self) -> ConnectionSource | None:
        """Return the source where it is a server that this run reads, None for a dump file and on a kept copy."""
        if self.plan.copy == "reused":
            return None
        source = self.the_source()
        return source if isinstance(source, ConnectionSource) else None

    def source_password(self) -> str:
        """Return production's password, known to the registry before anything else is recorded.

        Raises StepFailed (environment) when the named secret cannot be had.
        """
        if SOURCE_SECRET not in self.registry.values():
            try:
                self.registry.learn(
                    SOURCE_SECRET, known_or_resolved(self.config.source.secret, self.registry)
                )
            except SecretUnavailable as wrong:
                raise StepFailed(str(wrong), cause="environment") from wrong
        return self.registry.value(SOURCE_SECRET)

    def the_environment(self) -> Environment:
        """Return the environment, made at the first call; nothing exists before `provision`."""
        if self.environment is None:
            self.environment = _environment_of(self)
        return self.environment

    def the_witnessing(self) -> Witnessing:
        """Return what both witnesses have said; a scenario that runs before C-10 began is our own fault."""
        if self.witnessing is None:
            raise StepFailed("the scenarios have not been prepared", cause="drydock")
        return self.witnessing

    def the_trace(self) -> TraceWriter:
        """Return the trace, created at the first call."""
        if self.trace is None:
            self.trace = TraceWriter(self.places.run, self.registry)
        return self.trace

    def observe(self, target: str, ran: Ran) -> None:
        """Keep one statement of the engine's own in the trace (a dead engine's trace stays as it was)."""
        if self.taken_over:
            return
        statement = EngineStatement(
            at=time.time(), target=target, name=ran.name, sha256=ran.sha256, pid=ran.pid, rows=ran.rows,
            duration_us=ran.duration_us,
        )  # fmt: skip
        self.the_trace().append([statement], origin="engine")
        if target == "source":
            self.source_queries[ran.name] = ran.sha256

    def subject_in_place(self) -> Path:
        """Return the subject as it runs, changes of a patch applied; before it is in place, as it lies on disk."""
        return self.harness_place.subject if self.harness_place is not None else self.subject

    def parts(self) -> dict[str, str]:
        """Return the parts of the digest as they are now."""
        self.places.scratch.mkdir(mode=0o700, exist_ok=True)
        return parts_of(
            self.plan, self.config, self.loaded, subject=self.subject, programs=self.programs,
            scratch=self.places.scratch,
        )  # fmt: skip

    def digest(self) -> str:
        """Return the digest that boundaries ask about, as it is now."""
        return whole_digest(self.parts())


def _source_of(run: Rehearsal) -> ConnectionSource | DumpFileSource:
    config = run.config.source
    scratch = run.places.scratch
    scratch.mkdir(mode=0o700, exist_ok=True)
    if config.kind == "demo":
        return DemoSource(
            folder=run.places.demo, programs=run.programs, database=run.database,
            scripts=sorted((run.loaded.folder / "demo").glob("*.sql")), rows=config.rows, registry=run.registry,
            receipts=run.recorder.demo_receipts(), scratch=scratch,
            observer=lambda ran: run.observe("source", ran),
        )  # fmt: skip
    if config.kind == "dump_file":
        return DumpFileSource(config, run.programs)
    if config.kind == "container":
        return _container_source(run)
    target = Target(
        host=config.host, port=config.port, database=run.database, role=config.role,
        password=run.source_password, sslmode=config.sslmode, jobs=config.jobs,
    )  # fmt: skip
    return ConnectionSource(
        target, run.programs, scratch=scratch, observer=lambda ran: run.observe("source", ran)
    )


def _container_source(run: Rehearsal) -> ConnectionSource:
    from console.environments.docker_endpoint import endpoint_of
    from console.sources.container import ContainerSource

    config = run.config.source
    target = Target(
        host=config.host or SOCKET_FOLDER_INSIDE, port=config.port, database=run.database, role=config.role,
        password=run.source_password if config.secret else lambda: "", sslmode="disable",
    )  # fmt: skip
    return ContainerSource(
        target, run.programs, container=config.container, run_as=config.run_as, endpoint=endpoint_of(config),
        folder=run.places.work.with_name(f"{run.places.work.name}-source"), receipts=run.recorder,
        registry=run.registry, observer=lambda ran: run.observe("source", ran),
    )  # fmt: skip


def _environment_of(run: Rehearsal) -> Environment:
    """Docker's SDK takes a fifth of a second to import: only who uses it waits for it."""
    if run.config.environment.kind == "embedded":
        return EmbeddedEnvironment(
            folder=run.places.work, programs=run.programs, registry=run.registry, receipts=run.recorder
        )
    from console.environments.docker import DockerEnvironment
    from console.environments.docker_endpoint import endpoint_of

    return DockerEnvironment(
        folder=run.places.work, config=run.config.environment, endpoint=endpoint_of(run.config.environment),
        run=run.order.run, nonce=run.order.nonce, registry=run.registry, receipts=run.recorder,
    )  # fmt: skip


def read_order(folder: Path) -> RunOrder:
    """Return what the run in `folder` was started with."""
    return msgspec.json.decode((folder / ORDER_FILE).read_bytes(), type=RunOrder)


def open_rehearsal(
    run_folder: Path,
    order: RunOrder,
    registry: SecretRegistry,
    *,
    open_journal: Callable[[Path, SecretRegistry], Recorder] = Recorder,
) -> Rehearsal:
    """Return the rehearsal of an order, with its journal open for writing.

    Raises UsageError when pack or programs are not there any more, BlockingIOError when another
    process holds the journal.
    """
    config = order.config
    loaded = rehearsed_pack(config)
    plan = plan_of(loaded, order)
    configured = Path(config.environment.programs) if config.environment.programs else None
    programs = find_programs(config.environment.major, configured)
    subject = subject_folder(loaded, config)
    return Rehearsal(
        order=order,
        places=Places(run=run_folder, work=work_folder_of(order)),
        loaded=loaded,
        plan=plan,
        programs=programs,
        recorder=open_journal(run_folder / JOURNAL_FILE, registry),
        registry=registry,
        subject=subject,
    )


def rehearsed_pack(config: RunConfig) -> LoadedPack:
    """Return the pack of a configuration; of migrations with a scenario for each of them."""
    loaded = load_pack(find_pack(config.pack.name))
    if config.plan != "migration":
        return loaded
    return with_migrations(loaded, subject_folder(loaded, config), config)


def parts_of(
    plan: Plan, config: RunConfig, loaded: LoadedPack, *, subject: Path, programs: Programs, scratch: Path
) -> dict[str, str]:
    """Return the parts of a configuration's digest as they are now; a docker engine is asked for its images."""
    parts = digest_parts(
        plan_words=describe(plan), config=config, pack=loaded.folder, subject=subject, programs=programs,
        scratch=scratch,
    )  # fmt: skip
    if config.environment.kind == "docker":
        from console.environments.docker_images import images_sha256

        parts["images"] = images_sha256(config.environment, folder=scratch / "images-ssh")
    return parts


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file, read in chunks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
