"""What a run could leave behind on this machine, looked at before and after.

Tells what is a test's own from what a neighbour's Drydock does on the same machine meanwhile: by the test's
root folder, by the users that its own journals name, and, when nobody else tests or rehearses here, by the whole
range.
"""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from console.environments.owner import FIRST_UID, LAST_UID
from console.journal import read_journal
from console.model.run_state import fold

PATIENCE_S = 5.0
_SHARED_FOLDERS = (Path("/tmp"), Path("/var/tmp"))


@dataclass(frozen=True, kw_only=True)
class Process:
    """One process as /proc shows it."""

    pid: int
    uid: int
    command: str


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What must be the same afterwards."""

    accounts: tuple[bytes, bytes]
    modes: dict[str, int]
    shared: frozenset[str]
    below_work: frozenset[str]
    processes: frozenset[Process]
    sockets: frozenset[str]


def processes() -> list[Process]:
    """Return every living process but zombies."""
    found = []
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            uid = entry.stat().st_uid
            command = Path(entry.path, "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            state = Path(entry.path, "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state not in "ZX":
            found.append(Process(pid=int(entry.name), uid=uid, command=command))
    return found


def uids_of_runs(root: Path) -> set[int]:
    """Return the users that the runs below `root` made up."""
    found: set[int] = set()
    for journal in root.rglob("2*/journal.jsonl"):
        if os.access(journal, os.R_OK):
            noted = fold(read_journal(journal)).notes.get("uids", {})
            found |= {uid for uid in noted.values() if uid is not None}
    return found


def look(root: Path) -> Machine:
    """Return the machine as it is, as far as it concerns the runs below `root`."""
    return Machine(
        accounts=(Path("/etc/passwd").read_bytes(), Path("/etc/group").read_bytes()),
        modes={str(path): stat.S_IMODE(path.stat().st_mode) for path in (*_SHARED_FOLDERS, root, root / "w")},
        shared=frozenset(_ours_in_shared_folders(root)),
        below_work=frozenset(entry.name for entry in (root / "w").iterdir()),
        processes=frozenset(_our_processes(root)),
        sockets=frozenset(
            line for line in Path("/proc/net/unix").read_text().splitlines() if str(root) in line
        ),
    )


def _ours_in_shared_folders(root: Path) -> list[str]:
    """Return names in /tmp and /var/tmp that are a run's: by its id or by its users."""
    runs = {path.name for path in root.rglob("runs-*/2*")}
    users = uids_of_runs(root)
    found = []
    for folder in _SHARED_FOLDERS:
        for entry in os.scandir(folder):
            try:
                owner = entry.stat(follow_symlinks=False).st_uid
            except FileNotFoundError:
                continue
            if owner in users or any(run in entry.name for run in runs):
                found.append(entry.path)
    return found


def _our_processes(root: Path) -> list[Process]:
    every = processes()
    users = uids_of_runs(root)
    others = "PYTEST_XDIST_WORKER" in os.environ
    strangers = others or any(
        "console.engine.worker" in it.command and str(root) not in it.command for it in every
    )
    return [
        it for it in every
        if f"{root}/" in it.command or it.uid in users
        or (not strangers and (FIRST_UID <= it.uid <= LAST_UID or "drydock-gate" in it.command))
    ]  # fmt: skip


def differences(before: Machine, after: Machine) -> list[str]:
    """Return what is not as it was."""
    found = []
    if before.accounts != after.accounts:
        found.append("the accounts have changed")
    if before.modes != after.modes:
        found.append(f"modes have changed: {before.modes} to {after.modes}")
    for name in ("shared", "below_work", "processes", "sockets"):
        more = getattr(after, name) - getattr(before, name)
        found += [f"{name}: {it}" for it in sorted(map(str, more))]
    return found


def differences_after_patience(before: Machine, root: Path) -> tuple[list[str], Machine]:
    """Return what stays different for some seconds: a process that was killed takes a moment to be gone."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        after = look(root)
        found = differences(before, after)
        if not found or time.monotonic() > deadline:
            return found, after
        time.sleep(0.1)
