"""What the docker environment tries from inside, and what the engine says of its containers and network.

Returns facts; judges nothing. The targets come from the engine's own lists and from the plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from console.environments.docker_objects import DockerObjects, name_of
from console.errors import StepFailed
from console.model.isolation_facts import DockerContainer, DockerIsolation, NetworkMove

PORTS = (5432, 22, 80, 443, 2375)
PROBE_PATIENCE_S = 1.5
OUTSIDE_NAMES = ("host.docker.internal", "gateway.docker.internal")


def targets(
    objects: DockerObjects, *, own: Iterable[str], probe: Iterable[str], names: Iterable[str]
) -> dict[str, Any]:
    """Return what the harness's container must not reach: every gateway, every other container, the plan's word."""
    mine = set(own)
    addresses: set[str] = set()
    exact: set[tuple[str, int]] = set()
    known = {*names, *OUTSIDE_NAMES}
    with objects.said("to list networks and containers"):
        for network in objects.client.networks():
            for pool in (network.get("IPAM") or {}).get("Config") or ():
                addresses |= {pool[key].partition("/")[0] for key in ("Gateway",) if pool.get(key)}
        for container in objects.client.containers():
            if container["Id"] in mine:
                continue
            known |= {name.removeprefix("/") for name in container["Names"]}
            for network in container["NetworkSettings"]["Networks"].values():
                address = network.get("IPAddress")
                if address:
                    addresses.add(address)
                    exact |= {(address, port["PrivatePort"]) for port in container["Ports"]}
    for word in probe:
        host, _, port = word.rpartition(":")
        addresses.add(host.strip("[]"))
        exact.add((host.strip("[]"), int(port)))
    return {
        "addresses": sorted(addresses), "ports": list(PORTS), "targets": sorted(exact), "names": sorted(known),
        "patience_s": PROBE_PATIENCE_S,
    }  # fmt: skip


def reached(asked: Mapping[str, Any], told: Mapping[str, Any], *, database: str) -> dict[str, bool]:
    """Return each address and name that was tried, and whether it answered or resolved."""
    try:
        answered = {str(address) for address, _port in told["answered"]}
        hops = [str(hop) for hop in told["hops"]]
        resolved = {str(name): str(address) for name, address in told["resolved"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as wrong:
        raise StepFailed(
            "the probe from inside the harness's container said nonsense", cause="environment", gate="G-07"
        ) from wrong
    tried = (
        {str(address) for address in asked["addresses"]} | {str(it[0]) for it in asked["targets"]} | set(hops)
    )
    found = {f"address {address}": address in answered for address in sorted(tried | answered)}
    found |= {f"name {name}": name in resolved for name in sorted(asked["names"]) if name != database}
    return found


def isolation(
    objects: DockerObjects, *, network: str, containers: Mapping[str, str], reached: dict[str, bool],
    moves: tuple[tuple[NetworkMove, ...], str],
) -> DockerIsolation:  # fmt: skip
    """Return what the engine says now of the network, of who is in it, and of each container (name to id)."""
    found = objects.look("network", network)
    if found is None:
        raise StepFailed(f"network {network} is gone", cause="environment", gate="G-07")
    told: dict[str, DockerContainer] = {}
    for name, identity in containers.items():
        inspected = objects.look("container", identity)
        if inspected is None or name_of("container", inspected) != name:
            raise StepFailed(
                f"container {name} is not the one that was made", cause="environment", gate="G-07"
            )
        told[name] = _container(inspected)
    made = {identity: name for name, identity in containers.items()}
    members = {str(key): str(one.get("Name") or key) for key, one in (found["Containers"] or {}).items()}
    return DockerIsolation(
        network=str(found["Id"]), network_internal=bool(found["Internal"]), made=made, containers=told,
        members=members | _sharers(objects, made), moves=moves[0], unwatched=moves[1], reached=reached,
    )  # fmt: skip


def _sharers(objects: DockerObjects, made: Mapping[str, str]) -> dict[str, str]:
    """Return containers, running or not, that share the network of one of ours: they are in it without being listed."""
    with objects.said("to list containers"):
        listed = objects.client.containers(all=True)
    return {
        str(one["Id"]): str((one["Names"] or [one["Id"]])[0]).removeprefix("/")
        for one in listed
        if str(one["HostConfig"].get("NetworkMode", "")).removeprefix("container:") in made
    }


def _container(inspected: Mapping[str, Any]) -> DockerContainer:
    settings = inspected["NetworkSettings"]
    joined = settings["Networks"] or {}
    mode = str(inspected["HostConfig"]["NetworkMode"])
    networks = [str(one.get("NetworkID") or name) for name, one in joined.items() if name != "none"]
    if mode in ("host", "bridge", "default") or mode.startswith("container:"):
        networks.append(mode)
    return DockerContainer(
        port_bindings={
            port: _ports(to) for port, to in (inspected["HostConfig"]["PortBindings"] or {}).items()
        },
        ports={port: _ports(to) for port, to in (settings["Ports"] or {}).items()},
        networks=tuple(sorted(networks)),
    )


def _ports(bound: list[dict[str, str]] | None) -> tuple[str, ...] | None:
    if bound is None:
        return None
    return tuple(f"{one.get('HostIp', '')}:{one.get('HostPort', '')}" for one in bound)
