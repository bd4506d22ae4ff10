"""What `drydock doctor` looks at: every probe ends by itself, makes nothing, and shows no secret.

Asks the terminal one question, programs their versions, the docker engine for its version, and the server of a plan
that was named for its version, read-only.
"""

from __future__ import annotations

import json
import locale
import os
import resource
import select
import shutil
import subprocess
import sys
import tempfile
import termios
import time
import tty
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from secrets import token_hex

from console.cli.doctor_rows import DockerFacts, FolderFacts, SourceFacts, SystemFacts, TerminalFacts
from console.environments.programs import Programs, find_programs, wheel_majors
from console.errors import PlanError, SecretUnavailable, StepFailed
from console.model.config import RunConfig
from console.tui.terminal import is_multiplexed

FENCE_PATIENCE_S, PROGRAM_PATIENCE_S, ENGINE_PATIENCE_S = 1.0, 10.0, 5
_STATUS_REPORT = b"\x1b[6n"
_BACKEND = "from console.secret_store import chosen_backend as c; b = type(c()); print(b.__module__ + '.' + b.__name__)"
_TLS_MODES = ("require", "verify-ca", "verify-full")


def terminal_facts(environ: Mapping[str, str] = os.environ) -> TerminalFacts:
    """Look at the terminal, and ask it for a device status report where there is one."""
    is_tty = all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))
    size = shutil.get_terminal_size()
    multiplexer = "tmux" if environ.get("TMUX") else "screen" if is_multiplexed(environ) else ""
    return TerminalFacts(
        is_tty=is_tty, term=environ.get("TERM", ""), colorterm=environ.get("COLORTERM", ""),
        no_color=bool(environ.get("NO_COLOR")), columns=size.columns, rows=size.lines,
        encoding=locale.getpreferredencoding(do_setlocale=False), multiplexer=multiplexer,
        over_ssh="SSH_CONNECTION" in environ, fence=_asked_fence(sys.stdin.fileno()) if is_tty else None,
    )  # fmt: skip


def _asked_fence(descriptor: int) -> bool | None:
    """Ask only from the foreground: the terminal stops a background job that changes its settings."""
    return fence_answers(descriptor) if os.tcgetpgrp(descriptor) == os.getpgrp() else None


def fence_answers(descriptor: int, *, patience_s: float = FENCE_PATIENCE_S) -> bool:
    """Tell whether the terminal answers a device status report in time; its settings are put back."""
    before = termios.tcgetattr(descriptor)
    said = b""
    deadline = time.monotonic() + patience_s
    try:
        tty.setcbreak(descriptor, termios.TCSANOW)
        os.write(descriptor, _STATUS_REPORT)
        while not said.endswith(b"R") and (left_s := deadline - time.monotonic()) > 0:
            if select.select([descriptor], [], [], left_s)[0]:
                piece = os.read(descriptor, 64)
                if not piece:
                    break
                said += piece
    finally:
        termios.tcsetattr(descriptor, termios.TCSANOW, before)
    return b"\x1b[" in said and said.endswith(b"R")


def folder_facts(role: str, path: Path) -> FolderFacts:
    """Look at a folder, or at the nearest one above it that is there."""
    there = path.absolute()
    exists = os.path.lexists(there)
    trouble = "is no folder" if exists and not there.is_dir() else ""
    while not there.is_dir() and there != there.parent:
        there = there.parent
    try:
        found, free_bytes = there.stat(), shutil.disk_usage(there).free
    except OSError as wrong:
        found, free_bytes, trouble = os.stat("/"), 0, f"cannot be looked at: {wrong.strerror}"
    return FolderFacts(
        role=role, path=str(path), exists=exists, mode=found.st_mode & 0o7777, owner_uid=found.st_uid,
        runner_uid=os.geteuid(), writable=os.access(there, os.W_OK | os.X_OK), free_bytes=free_bytes,
        file_system=file_system_of(there, _read("/proc/self/mounts")), trouble=trouble,
    )  # fmt: skip


def file_system_of(path: Path, mounts: str) -> str:
    """Return the kind of the file system that a path lies on, from the text of /proc/self/mounts."""
    best, kind = -1, "an unknown file system"
    for line in mounts.splitlines():
        parts = line.split()
        if len(parts) < 3:
            continue
        place = parts[1].replace("\\040", " ")
        if path.is_relative_to(place) and len(place) >= best:
            best, kind = len(place), parts[2]
    return kind


def embedded_programs() -> dict[int, str]:
    """Return the versions of the wheel's programs by major version."""
    try:
        return {major: find_programs(major).version for major in wheel_majors()}
    except PlanError:
        return {}


def system_programs() -> dict[str, str]:
    """Return the versions of the system's programs by the folder that a plan would name."""
    found = {}
    for postgres in sorted(Path("/usr").glob("lib/postgresql/*/bin/postgres")) + sorted(
        Path("/usr").glob("pgsql-*/bin/postgres")
    ):
        said = _said(str(postgres), "--version").rpartition(") ")[2].split()
        if said:
            found[str(postgres.parent.parent)] = said[0]
    return found


def docker_facts(config: RunConfig, environ: Mapping[str, str] = os.environ) -> DockerFacts:
    """Ask the plan's engine, or this machine's, for its version."""
    from console.environments.docker_endpoint import endpoint_of

    section = config.source if config.source.kind == "container" else config.environment
    version, trouble, address = "", "", "docker"
    try:
        endpoint = endpoint_of(section)
        address = endpoint.address
        version = _engine_version(address, endpoint.tls)
    except (PlanError, StepFailed) as wrong:
        trouble = wrong.what if isinstance(wrong, PlanError) else wrong.reason
    return DockerFacts(
        endpoint=address, version=version, trouble=trouble, host_variable="DOCKER_HOST" in environ,
        context="" if section.context else _current_context(Path.home() / ".docker" / "config.json"),
    )  # fmt: skip


def _engine_version(address: str, tls: str) -> str:
    import docker
    import docker.errors
    import requests.exceptions

    from console.environments.docker_endpoint import Endpoint, reached
    from console.environments.docker_objects import EngineUnreachable

    path = Path(address.removeprefix("unix://"))
    if address.startswith("unix://") and not path.exists():
        raise StepFailed("there is no such socket", cause="environment")
    folder = Path(tempfile.gettempdir()) / f"drydock-doctor-{token_hex(4)}"
    with reached(Endpoint(address=address, tls=tls), folder=folder) as (url, secured):
        try:
            client = docker.APIClient(
                base_url=url, tls=secured or False, version="auto", timeout=ENGINE_PATIENCE_S
            )
            with client:
                return str(client.version()["Version"])
        except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as wrong:
            raise StepFailed(EngineUnreachable(address, wrong).reason, cause="environment") from wrong


def _current_context(path: Path) -> str:
    try:
        found = json.loads(path.read_bytes()).get("currentContext", "")
    except (OSError, ValueError, AttributeError):
        return ""
    return found if isinstance(found, str) and found != "default" else ""


def keyring_backend() -> tuple[str, str]:
    """Return the keyring backend's name and nothing, or nothing and why there is none; a keyring may hang."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _BACKEND], capture_output=True, text=True, check=False, timeout=PROGRAM_PATIENCE_S,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "", f"the keyring does not answer in {PROGRAM_PATIENCE_S:.0f} s"
    if done.returncode == 0:
        return done.stdout.strip(), ""
    last = done.stderr.strip().splitlines()[-1:] or ["it ended without a word"]
    return "", last[0].rpartition("SecretUnavailable: ")[2].partition(";")[0]


def source_facts(config: RunConfig, programs: Programs | None) -> SourceFacts | None:
    """Ask the plan's server for its version with the plan's secret, read-only; None for a source without a server."""
    source = config.source
    needs_tls = source.sslmode in _TLS_MODES
    if source.kind in ("demo", "dump_file"):
        return None
    if source.kind == "container" or source.secret.startswith("prompt:") or programs is None:
        why = "a container's server is asked in a run only" if source.kind == "container" else (
            "its secret is typed when a run begins" if programs is not None else "there are no programs for it"
        )  # fmt: skip
        return SourceFacts(version_num=0, trouble="", skipped=f"not asked: {why}", needs_tls=needs_tls)
    try:
        version_num, trouble = _server_version(config, programs), ""
    except (StepFailed, SecretUnavailable) as wrong:
        version_num, trouble = 0, wrong.reason if isinstance(wrong, StepFailed) else wrong.what
    return SourceFacts(version_num=version_num, trouble=trouble, skipped="", needs_tls=needs_tls)


def _server_version(config: RunConfig, programs: Programs) -> int:
    from console.secret_store import resolve
    from console.sources.connection import ConnectionSource, Target

    source, password = config.source, resolve(config.source.secret)
    target = Target(
        host=source.host, port=source.port, database=source.database, role=source.role, password=lambda: password,
        sslmode=source.sslmode,
    )  # fmt: skip
    with ConnectionSource(
        target, programs, scratch=Path("/nonexistent"), observer=None
    ).connect() as connection:
        return connection.info.server_version


def system_facts() -> SystemFacts:
    """Look at Python, systemd's words about user processes, core dumps and the clock."""
    import pwd

    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        user = str(os.geteuid())
    return SystemFacts(
        python=(sys.version_info.major, sys.version_info.minor, sys.version_info.micro),
        has_venv=find_spec("venv") is not None and find_spec("ensurepip") is not None,
        zone=time.tzname[0], synchronised=_synchronised(), has_systemd=Path("/run/systemd/system").is_dir(),
        lingers=Path("/var/lib/systemd/linger", user).exists(),
        kills_user_processes=kills_user_processes([_read(path) for path in _logind_files()]),
        core_limit=resource.getrlimit(resource.RLIMIT_CORE)[0],
        core_pattern=_read("/proc/sys/kernel/core_pattern").strip(), is_root=os.geteuid() == 0,
    )  # fmt: skip


def _logind_files() -> list[Path]:
    """Return logind.conf and its drop-ins in the order in which systemd reads them (logind.conf(5))."""
    tops = ("/usr/lib/systemd", "/run/systemd", "/etc/systemd")
    dropped = {path.name: path for top in tops for path in Path(top).glob("logind.conf.d/*.conf")}
    main = [path for top in reversed(tops) if (path := Path(top, "logind.conf")).is_file()][:1]
    return [*main, *(dropped[name] for name in sorted(dropped))]


def kills_user_processes(texts: list[str]) -> bool:
    """Return what the last of logind's files says of KillUserProcesses; no where none does."""
    found = False
    for text in texts:
        for line in text.splitlines():
            key, _, value = line.partition("=")
            if key.strip() == "KillUserProcesses":
                found = value.strip().lower() in ("yes", "true", "on", "1")
    return found


def _synchronised() -> bool | None:
    if not shutil.which("timedatectl"):
        return None
    said = _said("timedatectl", "show", "--property=NTPSynchronized", "--value").strip()
    return {"yes": True, "no": False}.get(said)


def _said(*words: str) -> str:
    try:
        return subprocess.run(
            words, capture_output=True, text=True, check=False, timeout=PROGRAM_PATIENCE_S, stdin=subprocess.DEVNULL
        ).stdout  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _read(path: str | Path) -> str:
    try:
        return Path(path).read_text("utf-8", "replace")
    except OSError:
        return ""
