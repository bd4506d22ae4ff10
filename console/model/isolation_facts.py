"""What is recorded of the ways in and out of the copy (G-07): what was asked for, and what is found."""

from __future__ import annotations

from typing import Literal

from console.model.fact import Fact, Text


class EmbeddedIsolation(Fact, frozen=True, kw_only=True):
    """What we made, and what the running server says (`..._asked`) or postmaster.pid has (`..._found`)."""

    listen_addresses_asked: str
    socket_folder: Text
    socket_folder_asked: str
    socket_folder_mode: int
    socket_folder_owner_uid: int
    server_uid: int
    data_folder: Text
    data_folder_asked: str
    postmaster_started: Text
    postmaster_found: str


class DockerContainer(Fact, frozen=True, kw_only=True):
    """One container from inspect: HostConfig.PortBindings, NetworkSettings.Ports and network ids."""

    port_bindings: dict[str, tuple[str, ...] | None]
    ports: dict[str, tuple[str, ...] | None]
    networks: tuple[str, ...]


class NetworkMove(Fact, frozen=True, kw_only=True):
    """One event of the engine's: a container came to a network or went, both by full id."""

    network: Text
    container: Text
    how: Literal["connect", "disconnect"]


class DockerIsolation(Fact, frozen=True, kw_only=True):
    """What the engine says at one look; `reached` are the probes from inside the harness's place.

    `made` are the run's own containers, name by id as their receipts have it; `members` all that are in the
    network or share one of ours, name by id; `moves` what came to or left the network, or what of ours came
    to another one, since the first look; `unwatched` says why nobody can know that, "" where it is known.
    """

    network: Text
    network_internal: bool
    made: dict[str, str]
    containers: dict[str, DockerContainer]
    members: dict[str, str]
    moves: tuple[NetworkMove, ...]
    unwatched: str
    reached: dict[str, bool]


class Isolation(Fact, frozen=True, kw_only=True):
    """C-04, before the first scenario and after the last, G-07: exactly one of the two, by the environment's kind."""

    embedded: EmbeddedIsolation | None = None
    docker: DockerIsolation | None = None
