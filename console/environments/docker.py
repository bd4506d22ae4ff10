"""The docker environment: the copy in a container on a network of its own, the harness in a second one.

A third container, the relay, is the engine's own way in; a fourth is never started and carries files. Everything
has its receipt first, nothing is published, and nothing supposes a file system shared with the engine.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import psycopg

from console.environments.cluster import PORT, SUPERUSER, folder_identity
from console.environments.docker_client import DockerClient
from console.environments.docker_containers import DockerContainers, is_ready_as_first
from console.environments.docker_endpoint import Endpoint
from console.environments.docker_files import TOO_MUCH, Placed, packed, unpacked
from console.environments.docker_harness import HarnessContainer
from console.environments.docker_isolation import isolation, reached, targets
from console.environments.docker_mirror import Mirror, MirroredLog, MirroredTrace, fetch_quietly
from console.environments.docker_names import (
    HARNESS_UID,
    OWN,
    PLACE,
    POSTMASTER_FILE,
    SERVER_LOG,
    TRACE,
    DockerNames,
    names_of,
)
from console.environments.docker_objects import DockerObjects, opened
from console.environments.docker_place import contents, venv
from console.environments.docker_relay import Relay, session
from console.environments.docker_watch import NetworkWatch
from console.environments.environment import OWNER_SECRET, SUPERUSER_SECRET, HarnessPlace
from console.environments.owner import make_folder
from console.environments.process import Finished
from console.environments.programs import Programs
from console.environments.restoring import Meanwhile, Parts
from console.errors import StepFailed
from console.model.config import EnvironmentConfig
from console.model.isolation_facts import Isolation
from console.model.protocols import Abort, Receipts
from console.secrets import SecretRegistry
from console.settings import SOCKET_PATH_LIMIT_BYTES
from console.sql import EngineConnection
from console.witness.catalogue import read_identity

_READY_POLL_S = 0.05
_START_PATIENCE_S = 120.0
_CONTROL_FILE = "global/pg_control"


class DockerEnvironment:
    """The isolated PostgreSQL in an engine, here or elsewhere, and the harness beside it."""

    kind = "docker"
    superuser = SUPERUSER

    def __init__(
        self, *, folder: Path, config: EnvironmentConfig, endpoint: Endpoint, run: str, nonce: str,
        registry: SecretRegistry, receipts: Receipts,
    ) -> None:  # fmt: skip
        self._folder = folder
        self._config = config
        self._endpoint = endpoint
        self._run, self._nonce = run, nonce
        self._registry = registry
        self._receipts = receipts
        self._closing = ExitStack()
        self._objects: DockerObjects | None = None
        self._containers: DockerContainers | None = None
        self._relay: Relay | None = None
        self._python: dict[str, Any] = {}
        self._reached: dict[str, bool] = {}
        self._mirrors: list[Mirror] = []
        self._watch: NetworkWatch | None = None
        self._engine: dict[str, str] | None = None
        self._loads_much = False
        self.names: DockerNames = names_of(config, run=run, nonce=nonce)
        self.harness: HarnessContainer | None = None
        self.engine_pids: set[int] = set()
        self.system_identifier = ""

    @property
    def objects(self) -> DockerObjects:
        """Return the engine, opened at the first call."""
        if self._objects is None:
            self._objects = self._closing.enter_context(
                opened(
                    self._endpoint, folder=self._folder.with_name(f"{self._folder.name}-ssh"), run=self._run,
                    nonce=self._nonce, receipts=self._receipts, engine=self._engine,
                )
            )  # fmt: skip
            self._engine = self._engine or self._objects.engine()
        return self._objects

    def engine_identity(self) -> dict[str, str]:
        """Return which engine the copy is on."""
        return self._engine or self.objects.engine()

    @property
    def containers(self) -> DockerContainers:
        """Return the run's containers on that engine."""
        if self._containers is None:
            self._containers = DockerContainers(self.objects, self._config, self.names)
        return self._containers

    @property
    def relay(self) -> Relay:
        """Return the way into the engine. Raises StepFailed before the provisioning."""
        if self._relay is None:
            raise StepFailed("the copy has not been provisioned", cause="drydock")
        return self._relay

    def taken_names(self) -> dict[str, bool]:
        """Return each exact name to be used on the engine, and whether an object has it."""
        return {
            f"{kind} {name}": self.objects.look(kind, name) is not None for kind, name in self.names.all()
        }

    def made_up_users(self) -> dict[str, int | None]:
        """Return nobody: the containers' users are the engine's."""
        return {}

    def provision(self, *, much: bool = False, dump: Path | None = None) -> None:
        """Make network, volumes and containers, start the server, and try from inside what can be reached."""
        self._loads_much = much
        local = self._make_local_folders()
        containers = self.containers
        containers.make_network()
        answer = self._start_harness_container()
        containers.make_ground(self._registry.value(SUPERUSER_SECRET))
        self._relay = Relay(containers.start_relay(), listen_at=local / f".s.PGSQL.{PORT}")
        self._closing.callback(self._relay.close)
        self._python = self._relay.hello()
        containers.start_database(much=much)
        if dump is not None:
            self._client.place(dump)
        self._reached = answer()  # all that was made while the probe waited for whoever does not answer
        self._wait_until_ready(local)
        control = b"".join(containers.taken(f"{containers.cluster}/{_CONTROL_FILE}"))
        self.system_identifier = str(int.from_bytes(control[:8], "little"))

    def end_loading(self) -> None:
        """Start the server once more where it was started for loading, inside its container, which stays as it is.

        Nothing connects until it says that it is ready: who is refused by a server is in its log, and a stranger there.
        """
        if not self._loads_much:
            return
        self.containers.end_loading_server()
        deadline = time.monotonic() + _START_PATIENCE_S
        while not is_ready_as_first(self.relay.read(POSTMASTER_FILE, 0)[1]):
            self.containers.require_running(self.names.database)
            if time.monotonic() > deadline:
                reason = f"PostgreSQL of the copy is not there again {_START_PATIENCE_S:.0f} s after loading"
                raise StepFailed(reason, cause="environment")
            time.sleep(_READY_POLL_S)
        self._loads_much = False

    def _make_local_folders(self) -> Path:
        """Lay out what this machine keeps of the copy: the relay's socket and the mirrored logs."""
        copy, home = self._folder / "copy", self._folder / "harness"
        socket = copy / "socket"
        if len(os.fsencode(socket / f".s.PGSQL.{PORT}")) > SOCKET_PATH_LIMIT_BYTES:
            reason = f"{socket} is too long for a socket; name a shorter work folder with --work-dir"
            raise StepFailed(reason, cause="environment")
        for folder in (copy, home):
            self._receipts.opening("folder", str(folder))
            make_folder(folder)
            self._receipts.identified("folder", str(folder), folder_identity(folder))
        for folder in (socket, copy / "data", copy / "data" / "log", home / "trace"):
            make_folder(folder)
        (home / "harness.log").touch(mode=0o600)
        return socket

    def _start_harness_container(self) -> Callable[[], dict[str, bool]]:
        given, identity = self.containers.start_harness()
        harness = self.harness = HarnessContainer(
            given, objects=self.objects, identity=identity, log=self._folder / "harness" / "harness.log",
            lost=self._stands_still,
        )  # fmt: skip
        own, names = self.containers.ids.values(), [self.names.database]
        asked = targets(self.objects, own=own, probe=self._config.probe, names=names)
        harness.ask(asked)
        return lambda: reached(asked, harness.answer(), database=self.names.database)

    def _wait_until_ready(self, socket: Path) -> None:
        """Health is a real query's answer; a server that ended is said with its last words."""
        deadline = time.monotonic() + _START_PATIENCE_S
        password = self._registry.value(SUPERUSER_SECRET)
        while True:
            try:
                with session(socket, password=password, dbname="postgres") as connection:
                    read_identity(connection)
                return
            except psycopg.OperationalError as wrong:
                self.containers.require_running(self.names.database)
                if time.monotonic() > deadline:
                    words = self.containers.last_words(self.names.database)
                    reason = f"PostgreSQL of the copy is not ready after {_START_PATIENCE_S:.0f} s: {wrong}; {words}"
                    raise StepFailed(reason, cause="environment") from wrong
            time.sleep(_READY_POLL_S)

    def isolation(self) -> Isolation:
        """Return what the engine says of network and containers now, and what was reached from inside."""
        containers = self.containers
        if self._watch is None:
            self._watch = NetworkWatch(
                self.objects, carrier=containers.ids[self.names.carrier],
                touch=lambda: b"".join(containers.taken(f"{containers.cluster}/{_CONTROL_FILE}")),
                needed=(containers.ids[self.names.database], containers.ids[self.names.relay]),
                stands_still=self.relay.drop_all,
            )  # fmt: skip
            self._closing.callback(self._watch.close)
        found = isolation(
            self.objects, network=containers.network_id, containers=dict(containers.ids), reached=self._reached,
            moves=self._watch.moves(network=containers.network_id, made=containers.ever_made),
        )  # fmt: skip
        return Isolation(docker=found)

    def restoring_programs(self) -> Programs:
        """Return the version of the image's programs, by its server's word."""
        with self.connect() as connection:
            number = connection.info.server_version
        return Programs(root=Path("/"), major=number // 10_000, minor=number % 10_000)

    @contextmanager
    def connect(self, database: str = "postgres", **options: Any) -> Iterator[EngineConnection]:
        """Open one autocommit superuser session on the copy, whose identity is asked before anything else.

        Raises StepFailed: G-10 when another server answers, environment when none does.
        """
        password = self._registry.value(SUPERUSER_SECRET)
        with self._connected(password=password, dbname=database, **options) as connection:
            yield connection

    @contextmanager
    def connect_as_owner(self, database: str, owner: str, *, options: str = "") -> Iterator[EngineConnection]:
        """Open one autocommit session of the database's owner, after the same question."""
        password = self._registry.value(OWNER_SECRET)
        with self._connected(
            password=password,
            user=owner,
            dbname=database,
            application_name="drydock-restore",
            options=options,
        ) as connection:
            yield connection

    @contextmanager
    def _connected(self, **options: Any) -> Iterator[EngineConnection]:
        socket = self._folder / "copy" / "socket"
        try:
            with session(socket, **options) as connection:
                self.engine_pids.add(connection.info.backend_pid)
                found = read_identity(connection).system_identifier
                if found != self.system_identifier:
                    raise StepFailed(
                        f"another server answers in the copy's container: it has system_identifier {found}, "
                        f"the copy {self.system_identifier}; nothing may be written",
                        cause="environment", gate="G-10",
                    )  # fmt: skip
                yield connection
        except psycopg.OperationalError as wrong:
            lost = self.lost()
            if not lost:
                raise
            raise StepFailed(lost, cause="environment") from wrong

    def lost(self) -> str:
        """Return that the engine or the copy's container is gone; empty while both stand."""
        try:
            self.containers.require_running(self.names.database)
            self.containers.require_running(self.names.relay)
        except StepFailed as gone:
            return gone.reason
        return ""

    def _stands_still(self) -> str:
        """Return what `lost` does, or that the harness's own container is paused or was killed from outside."""
        lost, name = self.lost(), self.names.harness
        if lost:
            return lost
        if self.objects.is_paused(self.containers.ids[name]):
            return f"container {name} is paused"
        if self._watch is not None and self._watch.was_killed(self.containers.ids[name]):
            return f"somebody had container {name} killed or stopped by the engine"
        return ""

    def server_log(self) -> MirroredLog:
        """Return the server witness, mirrored from the container's jsonlog."""
        local = self._folder / "copy" / "data" / "log" / "server.json"
        return MirroredLog(self._mirror(SERVER_LOG, local))

    def client_trace(self, place: HarnessPlace) -> MirroredTrace:
        """Return the client witness, mirrored from the harness's own volume."""
        return MirroredTrace(self._mirror(TRACE, place.trace, written_ahead=True))

    def _mirror(self, remote: str, local: Path, *, written_ahead: bool = False) -> Mirror:
        made = Mirror(self.relay, remote=remote, local=local, written_ahead=written_ahead)
        self._mirrors.append(made)
        return made

    @contextmanager
    def listed_archive(
        self, dump: Path, *, abort: Abort, timeout_s: float
    ) -> Iterator[tuple[Finished, Path]]:
        """Let a container of its own list a foreign archive and write it out as SQL; both are gone afterwards."""
        text = self._folder / "copy" / "archive.sql"
        self._receipts.opening("file", str(text))
        yield self._client.listed(dump, text, abort=abort, timeout_s=timeout_s), text

    def restore(
        self, dump: Path, *, kind: Literal["archive", "plain"], database: str, owner: str, abort: Abort,
        timeout_s: float, parts: Parts | None = None, meanwhile: Meanwhile = None,
    ) -> Finished:  # fmt: skip
        """Restore a dump as the database's owner, in a container without network; return how the client ended."""
        return self._client.restore(
            dump, kind=kind, database=database, owner=owner, abort=abort, timeout_s=timeout_s, parts=parts,
            meanwhile=meanwhile,
        )  # fmt: skip

    @cached_property
    def _client(self) -> DockerClient:
        return DockerClient(self.containers, self._registry, self._receipts)

    def make_harness_place(self, *, archive: Path, pack: Path, subject: Path) -> HarnessPlace:
        """Put interpreter, harness, pack and subject into the volume that the harness only reads, and look again."""
        put = partial(self.containers.put, PLACE)
        put(packed(venv(self._python, wheelhouse=self._folder.parent / "drydock-wheelhouse")))
        put(packed(contents(archive=archive, pack=pack, subject=subject)))
        own = [Placed(name=name, mode=0o700, uid=HARNESS_UID) for name in ("scratch", "trace")]
        self.containers.put(OWN, packed(own))
        home = self._folder / "harness"
        for name in ("harness.pyz", "pack", "subject"):
            left_out = unpacked(self.containers.archive(f"{PLACE}/{name}"), home, gate="G-13")
            if left_out:
                reason = f"{left_out[0]} in the harness's place is no file"
                raise StepFailed(reason, cause="environment", gate="G-13")
        return HarnessPlace(
            archive=home / "harness.pyz", pack=home / "pack", subject=home / "subject",
            trace=home / "trace" / "client.jsonl", log=home / "harness.log",
        )  # fmt: skip

    def start_harness(self, place: HarnessPlace, *, database: str) -> HarnessContainer:
        """Let the probed container become the harness, after one more look at the network and who is in it."""
        del place, database
        assert self.harness is not None
        self.containers.require_isolated(self.isolation())
        self.harness.become([f"{PLACE}/venv/bin/python", "-I", "-B", f"{PLACE}/harness.pyz"])
        return self.harness

    def context(self, place: HarnessPlace, *, database: str, passwords: dict[str, str]) -> dict[str, Any]:
        """Return what the harness is told: the copy by its container's name, the rehearsal's own passwords."""
        del place
        return {
            "pack": f"{PLACE}/pack", "subject": f"{PLACE}/subject", "trace": TRACE, "host": self.names.database,
            "port": PORT, "database": database, "sslmode": "disable", "passwords": passwords,
        }  # fmt: skip

    def close_harness_way(self, place: HarnessPlace) -> None:
        """Bring here what the subject wrote but the trace, which is mirrored; the ended container has no way out."""
        for mirror in self._mirrors:
            fetch_quietly(mirror)
        home = self._folder / "harness"
        trace = str(PurePosixPath(TRACE).relative_to(PurePosixPath(OWN).parent))
        mirrored = {trace: place.trace.stat().st_size} if place.trace.exists() else {}
        with (home / "names-and-links").open("wb") as names:
            left_out = unpacked(self.containers.archive(OWN), home, gate="G-22", names=names, spared=mirrored)
        too_much = [name for name in left_out if name.endswith(TOO_MUCH)]
        if too_much:
            reason = f"the subject's file {too_much[0]} was not searched for secrets"
            raise StepFailed(reason, cause="subject", gate="G-22")

    def keep_logs(self) -> None:
        """Fetch the rest of both logs, and the server's first words."""
        for mirror in self._mirrors:
            fetch_quietly(mirror)
        words = self._folder / "copy" / "startup.log"
        if self._containers is not None and not words.exists() and words.parent.is_dir():
            # An engine that is gone has said so where it mattered; its server's words go with it.
            with suppress(StepFailed):
                words.write_text(self.containers.last_words(self.names.database), "utf-8")
                words.chmod(0o600)

    def close(self) -> None:
        """Let go of streams, tunnel and client."""
        if self.harness is not None:
            self.harness.end()
        self._closing.close()
        self._objects = self._containers = self._watch = None
