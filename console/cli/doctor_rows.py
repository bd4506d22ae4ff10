"""What `drydock doctor` says: one pure function a thing, from facts that were gathered elsewhere.

Looks at values only. A row is OK, LIMITED (it works, with less), MISSING (it does not) or UNKNOWN (it could not be
found out); only a row that the demo needs decides the exit code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

State = Literal["OK", "LIMITED", "MISSING", "UNKNOWN"]
SMALLEST_COLUMNS, SMALLEST_ROWS = 80, 24
LOWEST_PYTHON, FIRST_PYTHON_WITHOUT_WHEEL = (3, 11), (3, 15)
ISOLATED_SINCE = 28
"""The first docker engine whose bridges know gateway_mode isolated (release notes of 28.0)."""

_IN_MEMORY = ("tmpfs", "ramfs")
_REMOTE = ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs")
_FEW_COLOURS = ("linux", "xterm", "screen", "vt100", "vt220", "dumb")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One thing: its state, what was found, what to do ("" for nothing), and whether the demo needs it."""

    thing: str
    state: State
    found: str
    remedy: str = ""
    needed: bool = False


@dataclass(frozen=True, kw_only=True)
class TerminalFacts:
    """The terminal; `fence` tells whether it answered a status report, None where nobody asked it."""

    is_tty: bool
    term: str
    colorterm: str
    no_color: bool
    columns: int
    rows: int
    encoding: str
    multiplexer: str
    over_ssh: bool
    fence: bool | None


@dataclass(frozen=True, kw_only=True)
class FolderFacts:
    """A folder, or the nearest one above it that is there; `trouble` where it could not be looked at."""

    role: str
    path: str
    exists: bool
    mode: int
    owner_uid: int
    runner_uid: int
    writable: bool
    free_bytes: int
    file_system: str
    trouble: str = ""


@dataclass(frozen=True, kw_only=True)
class DockerFacts:
    """The engine that a plan means, or this machine's; `trouble` says why it does not answer."""

    endpoint: str
    version: str
    trouble: str
    host_variable: bool
    context: str


@dataclass(frozen=True, kw_only=True)
class SourceFacts:
    """The plan's source: server version as a number, 0 where it is not known; `skipped` says why nobody asked."""

    version_num: int
    trouble: str
    skipped: str
    needs_tls: bool


@dataclass(frozen=True, kw_only=True)
class SystemFacts:
    """The rest of the machine."""

    python: tuple[int, int, int]
    has_venv: bool
    zone: str
    synchronised: bool | None
    has_systemd: bool
    lingers: bool
    kills_user_processes: bool
    core_limit: int
    core_pattern: str
    is_root: bool


def terminal_rows(facts: TerminalFacts) -> list[Row]:
    """Return the rows of the terminal."""
    if not facts.is_tty:
        found = "stdin, stdout and stderr are not all a terminal"
        return [
            Row(
                thing="terminal",
                state="LIMITED",
                found=found,
                remedy="drydock run --headless works without one",
            )
        ]
    size = f"{facts.columns}x{facts.rows}"
    small = facts.columns < SMALLEST_COLUMNS or facts.rows < SMALLEST_ROWS
    least = f"{SMALLEST_COLUMNS}x{SMALLEST_ROWS}"
    utf8 = facts.encoding.lower().replace("-", "") == "utf8"
    return [
        _row("terminal", not small, f"{facts.term or 'no TERM'}, {size}", f"make it {least} or larger, or use --plain"),
        _row("characters", utf8, facts.encoding, "set LC_ALL=C.UTF-8 (and the terminal to UTF-8)"),
        _colours(facts),
        _fence(facts),
        _clipboard(facts),
    ]  # fmt: skip


def _colours(facts: TerminalFacts) -> Row:
    if facts.no_color:
        return Row(
            thing="colours", state="OK", found="none, because NO_COLOR is set; words and signs carry it"
        )
    if facts.colorterm in ("truecolor", "24bit"):
        return Row(thing="colours", state="OK", found="16 million")
    few = facts.term in _FEW_COLOURS and not facts.colorterm
    more = "TERM=xterm-256color" if few else "COLORTERM=truecolor"
    remedy = f"words and signs carry it; {more} if the terminal can"
    return Row(
        thing="colours", state="LIMITED", found="16" if few else "256, COLORTERM is not set", remedy=remedy
    )


def _fence(facts: TerminalFacts) -> Row:
    if facts.fence is None:
        return Row(thing="boundary fence", state="UNKNOWN", found="the terminal was not asked")
    if not facts.fence:
        found = "no answer to a device status report"
        return Row(
            thing="boundary fence",
            state="LIMITED",
            found=found,
            remedy="boundaries ask for typed codes instead",
        )
    if facts.multiplexer:
        found = f"{facts.multiplexer} answers the device status report itself"
        remedy = "nothing: boundaries wait for a longer quiet"
        return Row(thing="boundary fence", state="LIMITED", found=found, remedy=remedy)
    return Row(thing="boundary fence", state="OK", found="the terminal answers a device status report")


def _clipboard(facts: TerminalFacts) -> Row:
    where = " over ssh" if facts.over_ssh else ""
    found = f"OSC 52 is sent; whether the terminal takes it cannot be proven{where}"
    remedy = "what is copied is written to a file too"
    if facts.multiplexer == "tmux":
        remedy = f"tmux set -s set-clipboard on; {remedy}"
    return Row(thing="clipboard", state="UNKNOWN", found=found, remedy=remedy)


def folder_rows(facts: FolderFacts, *, least_bytes: int) -> list[Row]:
    """Return the rows of one folder: whether it can be used and who may look, and its disk."""
    thing, needed = f"{facts.role} folder", facts.role != "cache"
    if facts.trouble or not facts.writable:
        found = f"{facts.path} {facts.trouble or 'cannot be written'}"
        remedy = f"name another: {_named_by(facts.role)}"
        return [Row(thing=thing, state="MISSING", found=found, remedy=remedy, needed=needed)]
    return [_permissions(thing, facts), _disk(thing, facts, least_bytes, needed=needed)]


def _named_by(role: str) -> str:
    return {
        "runs": "DRYDOCK_RUNS_DIR or --runs-dir", "work": "DRYDOCK_WORK_DIR or --work-dir",
        "cache": "DRYDOCK_CACHE_DIR", "state": "XDG_STATE_HOME",
    }[role]  # fmt: skip


def _permissions(thing: str, facts: FolderFacts) -> Row:
    if not facts.exists:
        return Row(thing=thing, state="OK", found=f"{facts.path} will be made")
    if facts.role == "work":
        return Row(thing=thing, state="OK", found=f"{facts.path}; what is made in it is 0700")
    if facts.owner_uid != facts.runner_uid:
        found = f"{facts.path} belongs to uid {facts.owner_uid}, you are uid {facts.runner_uid}"
        return Row(thing=thing, state="LIMITED", found=found, remedy=f"name another: {_named_by(facts.role)}")
    if facts.mode & 0o077:
        found = f"{facts.path} has mode {facts.mode:04o}, others can look into it"
        return Row(thing=thing, state="LIMITED", found=found, remedy=f"chmod 700 {facts.path}")
    return Row(thing=thing, state="OK", found=f"{facts.path}, {facts.mode:04o}, yours")


def _disk(thing: str, facts: FolderFacts, least_bytes: int, *, needed: bool) -> Row:
    name = thing.replace("folder", "disk")
    free = f"{facts.free_bytes / 1e9:.1f} GB free on {facts.file_system}"
    if needed and facts.role != "state" and facts.free_bytes < least_bytes:
        remedy = f"make room for {least_bytes / 1e9:.1f} GB, name another ({_named_by(facts.role)}), or lower"
        remedy += " [limits] free_bytes"
        return Row(thing=name, state="MISSING", found=free, remedy=remedy, needed=needed)
    if facts.file_system in _IN_MEMORY:
        remedy = f"a disk is better: {_named_by(facts.role)}"
        return Row(thing=name, state="LIMITED", found=f"{free}, which is memory", remedy=remedy)
    if facts.file_system in _REMOTE:
        remedy = f"a local disk is better: {_named_by(facts.role)}"
        return Row(thing=name, state="LIMITED", found=f"{free}, which is another machine's", remedy=remedy)
    return Row(thing=name, state="OK", found=free)


def postgresql_rows(embedded: Mapping[int, str], system: Mapping[str, str], *, major: int) -> list[Row]:
    """Return the rows of PostgreSQL's programs: `embedded` by major version, `system` by folder, both with versions."""
    wheel = ", ".join(embedded[one] for one in sorted(embedded))
    state: State = "OK" if major in embedded else "MISSING"
    first = Row(
        thing="embedded PostgreSQL", state=state, found=wheel or "none", needed=True,
        remedy="" if state == "OK" else "install drydock-console again, or name programs with --pg-programs",
    )  # fmt: skip
    found = ", ".join(f"{version} in {folder}" for folder, version in sorted(system.items()))
    remedy = "only a source of another major version, or with TLS, needs one"
    second = Row(thing="system PostgreSQL", state="OK" if found else "LIMITED", found=found or "none found",
                 remedy="" if found else remedy)  # fmt: skip
    return [first, second]


def source_rows(facts: SourceFacts | None, *, major: int, from_wheel: bool) -> list[Row]:
    """Return the rows of a plan's source against the programs that would dump it."""
    if facts is None:
        return []
    if facts.skipped:
        return [Row(thing="source", state="UNKNOWN", found=facts.skipped)]
    if facts.trouble:
        return [
            Row(
                thing="source", state="MISSING", found=facts.trouble, remedy="mend [source], or the way there"
            )
        ]
    theirs = facts.version_num // 10_000
    version = f"PostgreSQL {theirs}.{facts.version_num % 10_000}"
    if facts.needs_tls and from_wheel:
        remedy = f"name a system PostgreSQL {theirs} in [environment] programs"
        return [Row(thing="source", state="MISSING", found=f"{version}; sslmode asks for TLS, which the wheel's pg_dump"
                    " has not", remedy=remedy)]  # fmt: skip
    if theirs > major:
        found = f"{version}, and pg_dump {major} refuses a newer server"
        return [
            Row(
                thing="source",
                state="MISSING",
                found=found,
                remedy=f"write major = {theirs} in [environment]",
            )
        ]
    if theirs < major:
        found = f"{version}, and the copy would be {major}"
        return [
            Row(
                thing="source",
                state="LIMITED",
                found=found,
                remedy=f"major = {theirs} rehearses what production is",
            )
        ]
    return [Row(thing="source", state="OK", found=version)]


def docker_rows(facts: DockerFacts) -> list[Row]:
    """Return the rows of the docker engine; the embedded environment needs none."""
    rows = []
    if facts.trouble:
        remedy = "only [environment] kind docker needs it: start it, or name endpoint or context"
        rows.append(
            Row(
                thing="docker engine",
                state="MISSING",
                found=f"{facts.endpoint}: {facts.trouble}",
                remedy=remedy,
            )
        )
    else:
        number = re.match(r"\d+", facts.version)
        newest = int(number[0]) if number else 0
        way = (
            "gateway_mode isolated"
            if newest >= ISOLATED_SINCE
            else "inhibit_ipv4; gateway_mode isolated needs 28"
        )
        found = f"{facts.version} at {facts.endpoint}, gateway closed by {way}"
        rows.append(Row(thing="docker engine", state="OK", found=found))
    if facts.host_variable or facts.context:
        what = "DOCKER_HOST is set" if facts.host_variable else f"docker's current context is {facts.context}"
        remedy = (
            f'write context = "{facts.context}" to mean it'
            if facts.context
            else "write endpoint = to mean it"
        )
        found = f"{what}, and Drydock goes by the plan only"
        rows.append(Row(thing="docker's own words", state="LIMITED", found=found, remedy=remedy))
    return rows


def keyring_row(backend: str, trouble: str, *, over_ssh: bool) -> Row:
    """Return the row of the keyring: `backend` by its name, or `trouble` with none that can be used."""
    files = 'secret = "file:/PATH" (0600), a systemd credential, or "prompt:NAME"'
    if trouble:
        return Row(thing="keyring", state="LIMITED", found=trouble, remedy=files)
    if over_ssh:
        found = f"{backend}; over ssh it is locked unless a session of yours unlocked it"
        return Row(
            thing="keyring", state="LIMITED", found=found, remedy=f"drydock secret list tries it; or {files}"
        )
    return Row(thing="keyring", state="OK", found=backend)


def system_rows(facts: SystemFacts) -> list[Row]:
    """Return the rows of Python, lingering, core dumps and the clock."""
    return [_python(facts), _lingering(facts), _core_dumps(facts), _clock(facts)]


def _python(facts: SystemFacts) -> Row:
    version = ".".join(map(str, facts.python))
    supported = LOWEST_PYTHON <= facts.python[:2] < FIRST_PYTHON_WITHOUT_WHEEL
    if not supported or not facts.has_venv:
        found = version if not supported else f"{version} without its venv module"
        remedy = "use Python 3.11 to 3.14" if not supported else "install it (Debian: python3-venv)"
        return Row(thing="Python", state="MISSING", found=found, remedy=remedy, needed=True)
    return Row(thing="Python", state="OK", found=version, needed=True)


def _lingering(facts: SystemFacts) -> Row:
    thing = "after logout"
    if not facts.has_systemd or facts.is_root or facts.lingers:
        why = (
            "no systemd here"
            if not facts.has_systemd
            else "root's go on"
            if facts.is_root
            else "lingering is on"
        )
        return Row(thing=thing, state="OK", found=f"your processes go on: {why}")
    if not facts.kills_user_processes:
        return Row(thing=thing, state="OK", found="your processes go on: KillUserProcesses is no")
    return Row(
        thing=thing, state="LIMITED", found="systemd ends your processes at logout: KillUserProcesses is yes",
        remedy="loginctl enable-linger",
    )  # fmt: skip


def _core_dumps(facts: SystemFacts) -> Row:
    kept = facts.core_limit != 0 or facts.core_pattern.startswith("|")
    found = "the engine switches its own off"
    if kept:
        found += "; those of other programs are kept"
    return Row(thing="core dumps", state="OK", found=found)


def _clock(facts: SystemFacts) -> Row:
    found = f"{facts.zone}; evidence is written in UTC"
    if facts.synchronised is None:
        return Row(thing="clock", state="UNKNOWN", found=f"{found}; whether it is synchronised is not known")
    if not facts.synchronised:
        remedy = "timedatectl set-ntp true; a wrong clock makes evidence hard to compare"
        return Row(thing="clock", state="LIMITED", found=f"{found}; not synchronised", remedy=remedy)
    return Row(thing="clock", state="OK", found=f"{found}; synchronised")


def _row(thing: str, right: bool, found: str, remedy: str) -> Row:
    return Row(thing=thing, state="OK" if right else "LIMITED", found=found, remedy="" if right else remedy)


def exit_code(rows: list[Row]) -> int:
    """Return 0 when a demo rehearsal can be run, 1 when something that it needs is missing."""
    return int(any(row.needed and row.state == "MISSING" for row in rows))
