"""What a run could leave behind on this machine, looked at before and after.

Tells what is a test's own from what a neighbour's Drydock does on the same machine meanwhile: by the test's
root folder, by the users that its own journals name, each for as long as its run had it, and, when nobody else
tests or rehearses here, by the whole range.
"""

from __future__ import annotations

import math
import os
import stat
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from fix_places import DECOY

from console.environments.owner import FIRST_UID, LAST_UID
from console.errors import JournalBroken
from console.journal import read_journal, read_verified_beginning
from console.model.run_state import fold

PATIENCE_S = 5.0
_GRAIN_S = 1.5
"""The start of the machine is known to the second, a process's start to a clock tick."""

_SHARED_FOLDERS = (Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"))


@dataclass(frozen=True, kw_only=True)
class Process:
    """One process as /proc shows it."""

    pid: int
    uid: int
    begun: float
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
    """Return every living process but zombies, each with the time (UNIX, s) at which it began (proc(5))."""
    found = []
    booted = next(
        float(line.split()[1]) for line in Path("/proc/stat").read_text().splitlines() if "btime" in line
    )
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            uid = entry.stat().st_uid
            command = Path(entry.path, "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            fields = Path(entry.path, "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if fields[0] not in "ZX":
            begun = booted + int(fields[19]) / os.sysconf("SC_CLK_TCK")
            found.append(Process(pid=int(entry.name), uid=uid, begun=begun, command=command))
    return found


@dataclass(frozen=True, kw_only=True)
class Tenure:
    """The time (UNIX, s) in which a user was one run's: another run may have the same number before or after."""

    uid: int
    begin: float
    end: float

    def covers(self, uid: int, moment: float) -> bool:
        """Tell whether something of `uid` that began at `moment` is the run's."""
        return uid == self.uid and self.begin - _GRAIN_S <= moment <= self.end + _GRAIN_S


def tenures_of_runs(root: Path) -> list[Tenure]:
    """Return the users that the runs below `root` made up, each with its run's time; a living run's has no end."""
    found: list[Tenure] = []
    for journal in root.rglob("2*/journal.jsonl"):
        if not os.access(journal, os.R_OK):
            continue
        try:
            entries, whole = read_journal(journal), True
        except JournalBroken:  # a fault cell's: nobody writes it any more
            entries, whole = read_verified_beginning(journal), False
        if not entries:
            continue
        state = fold(entries)
        times = [datetime.fromisoformat(entry.at).timestamp() for entry in entries]
        end = math.inf if whole and state.ended is None else times[-1]
        noted = state.notes.get("uids", {})
        found += [Tenure(uid=uid, begin=times[0], end=end) for uid in noted.values() if uid is not None]
    return found


def uids_of_runs(root: Path) -> set[int]:
    """Return the users that the runs below `root` made up."""
    return {tenure.uid for tenure in tenures_of_runs(root)}


def look(root: Path) -> Machine:
    """Return the machine as it is, as far as it concerns the runs below `root`."""
    return Machine(
        accounts=(Path("/etc/passwd").read_bytes(), Path("/etc/group").read_bytes()),
        modes={str(path): stat.S_IMODE(path.stat().st_mode) for path in (*_SHARED_FOLDERS, root, root / "w")},
        shared=frozenset(_ours_in_shared_folders(root)),
        below_work=frozenset(entry.name for entry in (root / "w").iterdir() if entry.name != DECOY),
        processes=frozenset(_our_processes(root)),
        sockets=frozenset(
            line for line in Path("/proc/net/unix").read_text().splitlines() if str(root) in line
        ),
    )


def _ours_in_shared_folders(root: Path) -> list[str]:
    """Return names in the shared folders that are a run's: by its id or by its users."""
    runs = {path.name for path in root.rglob("runs-*/2*")}
    tenures = tenures_of_runs(root)
    found = []
    for folder in _SHARED_FOLDERS:
        for entry in os.scandir(folder):
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            ours = any(tenure.covers(status.st_uid, status.st_ctime) for tenure in tenures)
            if ours or any(run in entry.name for run in runs):
                found.append(entry.path)
    return found


def _our_processes(root: Path) -> list[Process]:
    every = processes()
    tenures = tenures_of_runs(root)
    others = "PYTEST_XDIST_WORKER" in os.environ
    strangers = others or any(
        "console.engine.worker" in it.command and str(root) not in it.command for it in every
    )
    return [
        it for it in every
        if f"{root}/" in it.command or any(tenure.covers(it.uid, it.begun) for tenure in tenures)
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
