"""Which Docker engine a plan means: a socket, tcp:// with TLS, ssh://, or one of the operator's docker contexts.

Turns words into an address; opens ssh's tunnel as a child of the run, under a receipt. Never reads
DOCKER_HOST or another variable, and never speaks plain tcp:// (anybody on the way could rehearse there).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from docker.tls import TLSConfig

from console.environments.cluster import folder_identity
from console.environments.owner import make_folder
from console.environments.process import Child, close_ended, end_process, spawn
from console.errors import PlanError, StepFailed
from console.model.config import EnvironmentConfig, SourceConfig
from console.model.protocols import NoReceipts, Receipts
from console.settings import SOCKET_PATH_LIMIT_BYTES

DEFAULT_ENDPOINT = "unix:///var/run/docker.sock"
_SSH_PATIENCE_S = 20.0
_POLL_S = 0.02


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """An engine's address; `tls` is the folder of ca.pem, cert.pem and key.pem ("" for none)."""

    address: str
    tls: str = ""

    @property
    def scheme(self) -> str:
        """Return unix, tcp or ssh."""
        return self.address.partition("://")[0]


def endpoint_of(section: EnvironmentConfig | SourceConfig) -> Endpoint:
    """Return the engine that a section names. Raises PlanError for one that cannot be used."""
    if section.context:
        return _of_context(section.context)
    return checked(Endpoint(address=section.endpoint or DEFAULT_ENDPOINT, tls=section.tls))


def checked(found: Endpoint) -> Endpoint:
    """Return the endpoint. Raises PlanError with what to write instead."""
    parts = urlsplit(found.address)
    if found.scheme == "unix" and re.fullmatch(r"unix:///[^\0*?\[]+", found.address):
        return found
    if found.scheme == "ssh" and parts.hostname and not parts.password and not parts.hostname.startswith("-"):
        return found
    if found.scheme == "tcp" and parts.hostname and parts.port:
        if found.tls:
            return found
        raise PlanError(
            f"the engine {found.address} would be spoken to without TLS",
            remedy='name the folder of ca.pem, cert.pem and key.pem: tls = "/FOLDER", or use ssh://',
        )
    raise PlanError(
        f"{found.address!r} is no address of a docker engine",
        remedy='write "unix:///var/run/docker.sock", "ssh://user@host" or "tcp://host:2376" with tls',
    )


def _of_context(name: str) -> Endpoint:
    """Return the endpoint of a docker context, as `docker context create` keeps it below the home folder."""
    key = hashlib.sha256(name.encode()).hexdigest()
    top = Path.home() / ".docker" / "contexts"
    try:
        meta = json.loads((top / "meta" / key / "meta.json").read_bytes())
        host = str(meta["Endpoints"]["docker"]["Host"])
    except (OSError, ValueError, KeyError, TypeError) as wrong:
        raise PlanError(
            f"there is no docker context {name!r} in {top}", remedy="docker context ls lists them"
        ) from wrong
    folder = top / "tls" / key / "docker"
    return checked(Endpoint(address=host, tls=str(folder) if folder.is_dir() else ""))


@contextlib.contextmanager
def reached(
    endpoint: Endpoint, *, folder: Path, receipts: Receipts | None = None
) -> Iterator[tuple[str, TLSConfig | None]]:
    """Give the address that the SDK is told, and its TLS; an ssh tunnel lives as long as the block.

    `folder` is made for the tunnel's socket and removed. Raises StepFailed (environment) with ssh's words.
    """
    if endpoint.scheme == "ssh":
        with _tunnel(endpoint, folder, receipts or NoReceipts()) as path:
            yield f"unix://{path}", None
    elif endpoint.scheme == "tcp":
        yield f"https://{endpoint.address.partition('://')[2]}", _tls(endpoint)
    else:
        yield endpoint.address, None


def _tls(endpoint: Endpoint) -> TLSConfig:
    folder = Path(endpoint.tls)
    missing = [name for name in ("ca.pem", "cert.pem", "key.pem") if not (folder / name).is_file()]
    if missing:
        raise StepFailed(f"{folder} has no {', '.join(missing)} for {endpoint.address}", cause="environment")
    return TLSConfig(
        client_cert=(str(folder / "cert.pem"), str(folder / "key.pem")), ca_cert=str(folder / "ca.pem"),
        verify=True,
    )  # fmt: skip


@contextlib.contextmanager
def _tunnel(endpoint: Endpoint, folder: Path, receipts: Receipts) -> Iterator[Path]:
    """Forward a socket in a 0700 folder of ours to the engine's socket over ssh, without asking anything."""
    parts = urlsplit(endpoint.address)
    remote = parts.path if parts.path not in ("", "/") else "/var/run/docker.sock"
    local = folder / "engine.sock"
    if len(os.fsencode(local)) > SOCKET_PATH_LIMIT_BYTES:
        raise StepFailed(f"{local} is too long for a socket; name a shorter --work-dir", cause="environment")
    receipts.opening("folder", str(folder))
    make_folder(folder)
    identity = folder_identity(folder)
    receipts.identified("folder", str(folder), identity)
    words = folder / "ssh.words"
    try:
        with words.open("wb") as said:
            child = spawn(_ssh(endpoint, f"{local}:{remote}"), name=f"ssh to {parts.hostname} {folder.name}",
                          receipts=receipts, environment=_ssh_environment(), stderr=said)  # fmt: skip
            try:
                _wait_for_socket(child, local, words)
                yield local
            finally:
                end_process(child.identity, ask=signal.SIGTERM, patience_s=5.0)
                child.process.wait()
                close_ended(child)
    finally:
        for path in (local, words):
            path.unlink(missing_ok=True)
        folder.rmdir()
        receipts.closed("folder", str(folder), identity=identity, how="removed")


def _ssh(endpoint: Endpoint, forward: str) -> list[str]:
    parts = urlsplit(endpoint.address)
    port = ["-p", str(parts.port)] if parts.port else []
    user = ["-l", parts.username] if parts.username else []
    return [
        "ssh", "-N", "-T", "-o", "BatchMode=yes", "-o", "ExitOnForwardFailure=yes", "-o", "ServerAliveInterval=15",
        "-o", "StreamLocalBindMask=0177", "-o", "ClearAllForwardings=no", *port, *user, "-L", forward,
        "--", str(parts.hostname),
    ]  # fmt: skip


def _ssh_environment() -> dict[str, str]:
    """The operator's home has the keys and known hosts; nothing else of his environment goes along."""
    kept = ("HOME", "SSH_AUTH_SOCK")
    return {name: os.environ[name] for name in kept if name in os.environ}


def _wait_for_socket(child: Child, local: Path, words: Path) -> None:
    deadline = time.monotonic() + _SSH_PATIENCE_S
    while True:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as tried:
            tried.connect(str(local))
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = child.process.wait(_POLL_S)
            said = words.read_text("utf-8", "replace").strip()[-500:]
            raise StepFailed(f"{child.name} ended with {code}: {said}", cause="environment")
        if time.monotonic() > deadline:
            raise StepFailed(f"{child.name} made no tunnel in {_SSH_PATIENCE_S:.0f} s", cause="environment")
