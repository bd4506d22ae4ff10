"""The run's containers one by one: how each is made, started, attached to, looked at.

Owns what each container may do and mount. Everything is non-root but the relay, which runs our own program alone
and has the one capability to read both witnesses' files.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

from console.environments import docker_agent, docker_bootstrap
from console.environments.bulk import BULK_SETTINGS, DURABILITY, LOADING
from console.environments.cluster import (
    PORT,
    SUPERUSER,
    THROWAWAY_SETTINGS,
    WITNESS_SETTINGS,
)
from console.environments.docker_files import Placed, packed
from console.environments.docker_names import (
    CLIENT_UID,
    CLUSTER,
    HARNESS_UID,
    INIT,
    NETWORK_OPTIONS,
    POSTMASTER_FILE,
    SCRATCH,
    SOCKET_FOLDER,
    TOP,
    VOLUMES,
    DockerNames,
    covers,
    hardened,
    mounts,
)
from console.environments.docker_objects import DockerObjects, EngineUnreachable
from console.errors import StepFailed
from console.gates.checks_copy import NOBODY_KNOWS, docker_ways_in
from console.gates.sentences import said
from console.model.config import EnvironmentConfig
from console.model.isolation_facts import DockerIsolation, Isolation
from console.model.text import one_line
from console.secrets import scram_verifier

_HBA = "local all all scram-sha-256\nhost all all samenet scram-sha-256\n"
_SETTINGS = {
    **{name: value for name, value in THROWAWAY_SETTINGS.items() if name not in DURABILITY}, **WITNESS_SETTINGS,
    "listen_addresses": "*", "unix_socket_directories": SOCKET_FOLDER, "hba_file": f"{INIT}/pg_hba.conf",
    "timezone": "UTC", "log_timezone": "UTC", "datestyle": "iso, mdy", "lc_messages": "C", "lc_monetary": "C",
    "lc_numeric": "C", "lc_time": "C", "default_text_search_config": "pg_catalog.english",
}  # fmt: skip
_START = (
    'initdb -D "$PGDATA" -U "$1" --auth=scram-sha-256 --pwfile="$2/verifier" --encoding=UTF8 --locale=C --no-sync'
    ' --no-instructions >/dev/null; cat "$2/loading.conf" >>"$PGDATA/postgresql.auto.conf"; rm "$2/verifier"; '
    'bulk=$3; shift 3; if [ -n "$bulk" ]; then postgres -D "$PGDATA" "$@" $bulk & server=$!; '
    'trap \'kill -INT "$server"; wait "$server"; exit "$?"\' INT TERM; wait "$server" || exit; trap - INT TERM; fi; '
    'exec postgres -D "$PGDATA" "$@"'
)
"""PostgreSQL's own programs on the image's PATH; not its entry point, which would hold a password in its environment.
The file has a SCRAM verifier, never a password. A server for loading runs first, with more settings, and only its own
orderly end leads on to the one of the rehearsal: any other is the container's."""

_TMP = {"/tmp": "size=64m,mode=1777"}
_WORDS_CHARS = 500
_END_PATIENCE_S = 10
_STILL_RUNS = -1


class DockerContainers:
    """The containers of one run; `ids` by name, once made, and `ever_made` by id, also those that are gone again."""

    cluster = CLUSTER

    def __init__(self, objects: DockerObjects, config: EnvironmentConfig, names: DockerNames) -> None:
        self._objects = objects
        self._config = config
        self._names = names
        self.ids: dict[str, str] = {}
        self.ever_made: dict[str, str] = {}
        self.network_id = ""
        self._images: dict[str, dict[str, Any]] = {}

    def image(self, name: str) -> dict[str, Any]:
        """Return an image that the engine has. Raises StepFailed: nothing is ever pulled."""
        if name not in self._images:
            with self._objects.said(f"image {name}: docker pull it first, nothing is pulled during a run"):
                self._images[name] = self._objects.client.inspect_image(name)
        return self._images[name]

    def make_network(self) -> None:
        """Make volumes and network: all that a container needs to be started."""
        for name in self._names.volumes.values():
            self._objects.make_volume(name)
        self.network_id = self._objects.make_network(self._names.network, NETWORK_OPTIONS)

    def make_ground(self, superuser_password: str) -> None:
        """Make the carrier, and lay out what PostgreSQL starts from."""
        self._make(
            self._names.carrier, self._config.image, network="none", writable=VOLUMES, command=["true"]
        )
        uid = self._postgres_uid
        self.put(f"{TOP}/data", packed([
            Placed(name="cluster", mode=0o700, uid=uid), Placed(name="init", mode=0o700, uid=uid),
            Placed(name="init/verifier", mode=0o600, uid=uid, content=scram_verifier(superuser_password).encode()),
            Placed(name="init/pg_hba.conf", mode=0o600, uid=uid, content=_HBA.encode()),
            Placed(name="init/loading.conf", mode=0o600, uid=uid, content=LOADING.encode()),
        ]))  # fmt: skip
        self.put(f"{TOP}/socket", packed([Placed(name="run", mode=0o711, uid=uid)]))

    @cached_property
    def _postgres_uid(self) -> int:
        """The user that the image has for its server."""
        accounts = b"".join(self.taken("/etc/passwd")).decode("utf-8", "replace")
        for line in accounts.splitlines():
            fields = line.split(":")
            if fields[0] == "postgres" and len(fields) > 2 and fields[2].isdigit() and fields[2] != "0":
                return int(fields[2])
        raise StepFailed(f"the image {self._config.image} has no user postgres", cause="environment")

    def _make(
        self, name: str, image: str, *, network: str, writable: tuple[str, ...] = (), readable: tuple[str, ...] = (),
        limits: dict[str, Any] | None = None, **words: Any,
    ) -> str:  # fmt: skip
        found = self.image(image)
        mounted = [
            *mounts(self._names, writable, readable),
            *covers(found["Config"].get("Volumes")),
        ]
        host = self._objects.client.create_host_config(
            **hardened(self._config, network=network, mounts=mounted, **(limits or {}))
        )
        words = {"entrypoint": [], "healthcheck": {"test": ["NONE"]}, **words}
        self.ids[name] = self._objects.make_container(name, str(found["Id"]), host_config=host, **words)
        self.ever_made[self.ids[name]] = name
        return self.ids[name]

    def start_relay(self) -> Any:
        """Start the engine's own container, without any network; return its attached stream."""
        program = Path(docker_agent.__file__).read_text("utf-8")
        identity = self._make(
            self._names.relay, self._config.harness_image, network="none", readable=("data", "socket", "own"),
            limits={"cap_add": ["DAC_READ_SEARCH"]}, user="0:0", stdin_open=True,
            entrypoint=["python3", "-I", "-B", "-c", program, f"{SOCKET_FOLDER}/.s.PGSQL.{PORT}"],
        )  # fmt: skip
        return self._started(identity)

    def start_database(self, *, much: bool = False) -> None:
        """Start the copy's server on the run's network; where `much` is loaded, one for that first."""
        bulk = " ".join(f"-c {name}={value}" for name, value in BULK_SETTINGS.items()) if much else ""
        settings = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
        uid = self._postgres_uid
        identity = self._make(
            self._names.database, self._config.image, network=self._names.network, writable=("data", "socket"),
            limits={"tmpfs": _TMP, "log": True}, user=f"{uid}:{uid}", environment={"PGDATA": CLUSTER},
            entrypoint=["sh", "-ec", _START, "drydock", SUPERUSER, INIT, bulk, *settings],
        )  # fmt: skip
        with self._objects.said(f"to start container {self._names.database}"):
            self._objects.client.start(identity)

    def end_loading_server(self) -> None:
        """Ask the server for loading to end; the container then goes on to the other one. Raises StepFailed."""
        identity, uid = self.ids[self._names.database], self._postgres_uid
        words = b"".join(self.taken(POSTMASTER_FILE)).split(b"\n")[0].decode("ascii", "replace")
        with self._objects.said(f"an exec in container {self._names.database}"):
            made = self._objects.client.exec_create(
                identity, ["pg_ctl", "kill", "INT", words], user=f"{uid}:{uid}", privileged=False
            )
            heard = self._objects.client.exec_start(made["Id"])
            code = self._objects.client.exec_inspect(made["Id"])["ExitCode"]
        if code != 0:
            told = one_line(heard.decode("utf-8", "replace"), limit_chars=_WORDS_CHARS)
            reason = f"PostgreSQL of container {self._names.database} cannot be asked to end ({code}): {told}"
            raise StepFailed(reason, cause="environment")

    def start_harness(self) -> tuple[Any, str]:
        """Start the harness's container, which waits to be asked what it can reach; return its stream and id."""
        program = Path(docker_bootstrap.__file__).read_text("utf-8")
        identity = self._make(
            self._names.harness, self._config.harness_image, network=self._names.network, writable=("own",),
            readable=("place",), limits={"tmpfs": _TMP}, user=f"{HARNESS_UID}:{HARNESS_UID}", stdin_open=True,
            environment={"HOME": SCRATCH, "TMPDIR": SCRATCH, "PYTHONHASHSEED": "0"}, working_dir="/",
            entrypoint=["python3", "-I", "-B", "-c", program],
        )  # fmt: skip
        return self._started(identity), identity

    def start_client(self, program: str, words: list[str]) -> tuple[Any, str]:
        """Start one of PostgreSQL's clients without any network, beside the server's socket and the dump."""
        identity = self._make(
            self._names.client, self._config.image, network="none", readable=("dump", "socket"),
            limits={"tmpfs": _TMP}, user=f"{CLIENT_UID}:{CLIENT_UID}", stdin_open=True, entrypoint=[program, *words],
            environment={"HOME": "/tmp"}, working_dir="/tmp",
        )  # fmt: skip
        return self._started(identity), identity

    def end_client(self) -> int:
        """Remove the restoring client and return its exit code."""
        identity = self.ids.pop(self._names.client)
        try:
            with self._objects.said("to wait for the restoring client"):
                return int(self._objects.client.wait(identity, timeout=_END_PATIENCE_S)["StatusCode"])
        except EngineUnreachable:
            return _STILL_RUNS
        finally:
            self._objects.remove_now("container", self._names.client, identity)

    def _started(self, identity: str) -> Any:
        """Attach, then start: what a container says first is not lost."""
        params = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        with self._objects.said("to attach to a container and start it"):
            given = self._objects.client.attach_socket(identity, params=params)
            self._objects.client.start(identity)
        return given

    def put(self, folder: str, pieces: Iterator[bytes]) -> None:
        """Put a tar stream into a folder of a volume."""
        with self._objects.said(f"to take files into {folder}"):
            self._objects.client.put_archive(self.ids[self._names.carrier], folder, pieces)

    def archive(self, path: str) -> Iterator[bytes]:
        """Yield a tar stream of what lies at a path of the carrier."""
        with self._objects.said(f"to give {path} out"):
            pieces, _stat = self._objects.client.get_archive(self.ids[self._names.carrier], path)
        with self._objects.said(f"to give {path} out to its end"):
            yield from pieces

    def taken(self, path: str) -> Iterator[bytes]:
        """Yield the content of one small file of the carrier, links followed by nobody."""
        with tarfile.open(fileobj=BytesIO(b"".join(self.archive(path)))) as found:
            for member in found:
                given = found.extractfile(member) if member.isreg() else None
                if given is not None:
                    yield given.read()

    def require_running(self, name: str) -> None:
        """Raise StepFailed (environment) when a container of ours is gone, has ended or is paused."""
        found = self._objects.look("container", self.ids[name])
        if found is None:
            raise StepFailed(f"container {name} is gone", cause="environment")
        if not found["State"]["Running"]:
            words = self.last_words(name)
            raise StepFailed(
                f"container {name} ended with {found['State']['ExitCode']}{': ' if words else ''}{words}",
                cause="environment",
            )
        if found["State"].get("Paused"):
            raise StepFailed(
                f"container {name} is paused, so nothing in it answers: find out who paused it, then start a new run",
                cause="environment",
            )

    def last_words(self, name: str) -> str:
        """Return the end of a container's log as one line, "" where it keeps none."""
        if name != self._names.database or name not in self.ids:
            return ""
        with self._objects.said(f"the log of container {name}"):
            found = self._objects.client.logs(self.ids[name], tail=20)
        return one_line(found.decode("utf-8", "replace"), limit_chars=_WORDS_CHARS)

    def require_isolated(self, found: Isolation) -> None:
        """Raise StepFailed (G-07) when there is a way in or out now."""
        assert isinstance(found.docker, DockerIsolation)
        unwatched = found.docker.unwatched
        ways = said(docker_ways_in(found.docker)) or (unwatched and f"{NOBODY_KNOWS}: {unwatched}")
        if ways:
            raise StepFailed(ways, cause="environment", gate="G-07")


def is_ready_as_first(told: bytes) -> bool:
    """Tell whether postmaster.pid is of a ready server that is its container's first process (miscadmin.h: line 8)."""
    lines = told.decode("ascii", "replace").split("\n")
    return len(lines) > 7 and lines[0] == "1" and lines[7].rstrip() == "ready"
