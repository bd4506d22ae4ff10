"""What is recorded of the ways in and out of the copy (G-07): what was asked for, and what is found."""

from __future__ import annotations

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


class DockerIsolation(Fact, frozen=True, kw_only=True):
    """`reached` are the probes from inside the harness's place, by what was tried."""

    network: Text
    network_internal: bool
    containers: dict[str, DockerContainer]
    reached: dict[str, bool]


class Isolation(Fact, frozen=True, kw_only=True):
    """C-04, G-07: exactly one of the two, by the environment's kind."""

    embedded: EmbeddedIsolation | None = None
    docker: DockerIsolation | None = None
