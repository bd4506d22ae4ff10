"""What the docker environment calls its objects, where its volumes are mounted, and as whom its containers run.

Values only; the names are exact, known before anything exists, and the same for engine, watchdog and recovery.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from docker.types import LogConfig, Mount, Ulimit

from console.environments.docker_objects import Kind
from console.model.config import EnvironmentConfig

VOLUMES = ("data", "socket", "dump", "place", "own")
TOP = "/drydock"
CLUSTER, INIT = f"{TOP}/data/cluster", f"{TOP}/data/init"
SERVER_LOG, POSTMASTER_FILE = f"{CLUSTER}/log/server.json", f"{CLUSTER}/postmaster.pid"
SOCKET_FOLDER = f"{TOP}/socket/run"
PLACE, OWN = f"{TOP}/place", f"{TOP}/own"
SCRATCH, TRACE = f"{OWN}/scratch", f"{OWN}/trace/client.jsonl"

HARNESS_UID, CLIENT_UID = 65532, 65531
"""Nobody's in the official images; apart from each other and from PostgreSQL's own user."""

NETWORK_OPTIONS = {
    "com.docker.network.bridge.inhibit_ipv4": "true",
    "com.docker.network.bridge.gateway_mode_ipv4": "isolated",
    "com.docker.network.bridge.gateway_mode_ipv6": "isolated",
}
"""Both ways to leave the bridge without an address on the host: the first for engines before 27.1, which take the
second and do nothing (tests/docker/README.md). The probe tells whether either did."""

_MOST_PROCESSES = 512
_LOG_LIMITS = {"max-size": "8m", "max-file": "1"}


@dataclass(frozen=True, kw_only=True)
class DockerNames:
    """The exact names of one run. `client` is the restoring client's, made and removed within C-05."""

    database: str
    harness: str
    relay: str
    carrier: str
    client: str
    network: str
    volumes: dict[str, str]

    def all(self) -> list[tuple[Kind, str]]:
        """Return every object to be made, as (kind, name)."""
        containers = (self.database, self.harness, self.relay, self.carrier, self.client)
        return [
            *(("container", name) for name in containers),
            *(("volume", name) for name in self.volumes.values()),
            ("network", self.network),
        ]


def names_of(config: EnvironmentConfig, *, run: str, nonce: str) -> DockerNames:
    """Return the names of one run: those that the plan says, else ones with the run's id and nonce."""
    own = f"drydock-{run}-{nonce}"
    return DockerNames(
        database=config.container or f"{own}-copy", harness=config.harness or f"{own}-harness",
        relay=f"{own}-relay", carrier=f"{own}-carrier", client=f"{own}-client",
        network=config.network or f"{own}-net", volumes={name: f"{own}-{name}" for name in VOLUMES},
    )  # fmt: skip


def mounts(names: DockerNames, writable: tuple[str, ...], readable: tuple[str, ...] = ()) -> list[Mount]:
    """Return the named volumes of a container, each below /drydock; nothing of an image is copied into them."""
    return [
        Mount(
            f"{TOP}/{name}", names.volumes[name], type="volume", read_only=name not in writable, no_copy=True
        )
        for name in (*writable, *readable)
    ]


def covers(declared: dict[str, Any] | None) -> list[Mount]:
    """Return memory over each volume that an image declares: the engine would make one that nobody named."""
    return [Mount(path, None, type="tmpfs", tmpfs_size=1 << 20) for path in sorted(declared or {})]


def hardened(config: EnvironmentConfig, *, network: str, log: bool = False, **words: Any) -> dict[str, Any]:
    """Return the words of a host configuration: no privilege, no port, no restart, limits, read-only root."""
    return {
        "network_mode": network, "read_only": True, "cap_drop": ["ALL"], "privileged": False,
        "security_opt": ["no-new-privileges:true"], "publish_all_ports": False, "port_bindings": {},
        "restart_policy": {"Name": "no"}, "mem_limit": config.memory_bytes, "memswap_limit": config.memory_bytes,
        "pids_limit": _MOST_PROCESSES, "nano_cpus": int(config.cpus * 1e9) or None,
        "ulimits": [Ulimit(name="core", soft=0, hard=0)], "dns": ["127.0.0.1"], "dns_opt": ["timeout:1", "attempts:1"],
        "log_config": LogConfig(type="json-file", config=_LOG_LIMITS) if log else LogConfig(type="none"),
        **words,
    }  # fmt: skip
