"""Child processes with an identity that survives the engine: receipt first, gated start, exact end.

A child waits at a gate until its receipt (pid, start time, boot) is on disk; when the engine dies
before that, the gate's pipe closes and the child ends without having run anything. Nothing here ever
signals a process whose identity it has not just checked.
"""

from __future__ import annotations

import contextlib
import functools
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from console.errors import Cause, StepFailed
from console.model.protocols import Abort, NeverAborted, NoReceipts, Receipts

CLEAN_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
"""What every child inherits: nothing of the operator's, no libpq variable, no secret."""

MARK_VARIABLE = "DRYDOCK_RUN"
"""Says whose child a process is, also when its parent is dead; it holds the run's mark, no secret."""

_GATE = 'read -r _ <"/proc/self/fd/$1" || exit 125; shift; exec "$@"'
"""Opened by its path: sh accepts only one digit in a redirection from a descriptor."""

_PART_BYTES = 8192
_ABORT_POLL_S = 0.2
_KILL_WAIT_S = 10.0
_LEFT_IGNORED = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTTIN, signal.SIGTTOU, signal.SIGTSTP)
"""Python ignores the first two itself, and subprocess gives them back to each child. The others are about a terminal,
which no child has; caught instead of ignored they would make a write to the terminal fail for ever."""


def stay(number: signal.Signals) -> None:
    """Live on when this signal comes, and hand its default down to every child.

    An ignored signal stays ignored through execve, a caught one does not (signal(7)): so it is caught.
    """
    signal.signal(number, lambda _number, _frame: None)


def take_no_signals_over() -> None:
    """Undo what nohup, a shell's `trap ''` or a blocked mask left in this process, for its children too.

    A harness that inherited an ignored SIGHUP or SIGINT could not be ended by it, and with an ignored SIGCHLD
    nobody could wait for a child. What this process ignores it goes on living through.
    """
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in signal.valid_signals():
        if number in _LEFT_IGNORED or signal.getsignal(number) is not signal.SIG_IGN:
            continue
        if number == signal.SIGCHLD:
            signal.signal(number, signal.SIG_DFL)
        else:
            stay(signal.Signals(number))


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A living process: its identity ("pid:start ticks:boot id"), its parent and the leader of its session."""

    pid: int
    identity: str
    parent: int
    session: int


def look_at_process(pid: int) -> Seen | None:
    """Return what one look at a process tells, None when there is none.

    A zombie counts as gone. Source: proc(5), /proc/PID/stat fields 3, 4, 6 and 22.
    """
    stat = _of_process(pid, "stat")
    if stat is None:
        return None
    fields = stat.rpartition(b")")[2].split()
    if fields[0] in (b"Z", b"X"):
        return None
    identity = f"{pid}:{int(fields[19])}:{_boot_id()}"
    return Seen(pid=pid, identity=identity, parent=int(fields[1]), session=int(fields[3]))


def look_at_processes() -> Iterator[Seen]:
    """Yield every living process of this machine that this process can see."""
    for pid in _pids():
        if (seen := look_at_process(pid)) is not None:
            yield seen


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def process_identity(pid: int) -> str | None:
    """Return "pid:start ticks:boot id" of a living process, None when there is none or only a zombie."""
    seen = look_at_process(pid)
    return None if seen is None else seen.identity


def process_uid(pid: int) -> int | None:
    """Return the real uid of a process, None when there is none.

    Not the owner of /proc/PID: a process that refuses to be dumped looks like root's there (proc(5)).
    """
    status = _of_process(pid, "status") or b""
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith(b"Uid:")), None)


def _of_process(pid: int, name: str) -> bytes | None:
    """Return a whole file of a process in /proc, None where the process is gone.

    All processes are looked at again and again: four calls of the kernel, where a file object makes eight.
    """
    try:
        descriptor = os.open(f"/proc/{pid}/{name}", os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError):
        return None
    try:
        whole = part = os.read(descriptor, _PART_BYTES)
        while part:
            part = os.read(descriptor, _PART_BYTES)
            whole += part
    except ProcessLookupError:
        return None
    finally:
        os.close(descriptor)
    return whole


@functools.cache
def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def is_of_this_boot(identity: str) -> bool:
    """Tell whether the process was started since the machine was; its numbers mean nothing otherwise."""
    return identity.rpartition(":")[2] == _boot_id()


def is_alive(identity: str) -> bool:
    """Tell whether exactly that process still runs."""
    pid = int(identity.split(":", 1)[0])
    return process_identity(pid) == identity


def end_process(identity: str, *, ask: signal.Signals, patience_s: float) -> bool:
    """Signal exactly that process with `ask`, then SIGKILL after `patience_s`; True when it is gone."""
    pid = int(identity.split(":", 1)[0])
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        if not is_alive(identity):
            return True
        for number, wait_s in ((ask, patience_s), (signal.SIGKILL, _KILL_WAIT_S)):
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(descriptor, number)
            if _ended_within(descriptor, wait_s):
                return True
        return not is_alive(identity)
    finally:
        os.close(descriptor)


def _ended_within(pidfd: int, wait_s: float) -> bool:
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    return bool(poller.poll(int(wait_s * 1000)))


@dataclass(frozen=True, kw_only=True)
class Child:
    """A started child: its process, the receipt's name and the identity, and where its receipt is."""

    process: subprocess.Popen[bytes]
    name: str
    identity: str
    receipts: Receipts = field(default_factory=NoReceipts)


def members_of_session(leader: int) -> list[str]:
    """Return the identities of living processes whose session is `leader` (proc(5), field 6).

    The kernel is asked for the session first (getsid(2)): the line of /proc costs twenty times as much.
    """
    within = (look_at_process(pid) for pid in _pids() if _may_be_in_session(pid, leader))
    return [seen.identity for seen in within if seen is not None and seen.session == leader]


def _may_be_in_session(pid: int, leader: int) -> bool:
    """Tell whether a process is in a session, or does not say."""
    try:
        return os.getsid(pid) == leader
    except ProcessLookupError:
        return False
    except PermissionError:
        return True


def carries_mark(identity: str, mark: str) -> bool:
    """Tell whether a process was started with the mark of a run in its environment."""
    try:
        variables = _of_process(int(identity.split(":", 1)[0]), "environ") or b""
    except OSError:
        return False
    return bool(mark) and f"{MARK_VARIABLE}={mark}".encode() in variables.split(b"\0")


def close_ended(child: Child) -> None:
    """Close the receipt of a child that has just been waited for, and end what it left in its session.

    Now the session is surely the child's: its number is not given out again while somebody is in it.
    """
    for identity in members_of_session(child.process.pid):
        end_process(identity, ask=signal.SIGKILL, patience_s=_KILL_WAIT_S)
    how = f"ended with {child.process.returncode}"
    child.receipts.closed("process", child.name, identity=child.identity, how=how)


def spawn(
    argv: Sequence[str],
    *,
    name: str,
    uid: int | None = None,
    cwd: str = "/",
    environment: Mapping[str, str] | None = None,
    receipts: Receipts | None = None,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.DEVNULL,
    stderr: int | IO[bytes] = subprocess.DEVNULL,
) -> Child:
    """Start `argv` in a session of its own, as `uid` when given, after its receipt is on disk.

    Raises StepFailed (environment) when the program cannot be started.
    """
    ledger = receipts or NoReceipts()
    marked = {MARK_VARIABLE: ledger.mark} if ledger.mark else {}
    ledger.opening("process", name)
    gate_out, gate_in = os.pipe()
    waiting: subprocess.Popen[bytes] | None = None
    try:
        if uid is not None:
            os.fchown(gate_out, uid, uid)
        waiting = process = subprocess.Popen(
            ["/bin/sh", "-c", _GATE, "drydock-gate", str(gate_out), *argv],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=cwd,
            env={**CLEAN_ENVIRONMENT, **(environment or {}), **marked},
            pass_fds=(gate_out,),
            start_new_session=True,
            umask=0o077,
            user=uid,
            group=uid,
            extra_groups=[] if uid is not None else None,
        )
        identity = process_identity(process.pid)
        if identity is None:
            raise StepFailed(f"{name} ended before it began", cause="environment")
        ledger.identified("process", name, identity)
        os.write(gate_in, b"\n")
        waiting = None
    except OSError as wrong:
        reason = f"{name} cannot be started: {wrong.strerror or wrong}"
        raise StepFailed(reason, cause="environment") from wrong
    finally:
        os.close(gate_out)
        os.close(gate_in)
        if waiting is not None:
            waiting.wait()
    return Child(process=process, name=name, identity=identity, receipts=ledger)


def ended_code(process: subprocess.Popen[bytes], *, within_s: float) -> int | None:
    """Return the exit code of a child as soon as it has ended, None when it has not within that time.

    Popen.wait() with a timeout looks every 50 ms.
    """
    if process.poll() is None:
        descriptor = os.pidfd_open(process.pid)
        try:
            _ended_within(descriptor, within_s)
        finally:
            os.close(descriptor)
    return process.poll()


@dataclass(frozen=True, kw_only=True)
class Finished:
    """What a program that was run to its end left: its exit code and the tail of its stderr."""

    returncode: int
    stdout: bytes
    stderr: str


def run_program(
    argv: Sequence[str],
    *,
    name: str,
    scratch: Path,
    cause: Cause = "environment",
    uid: int | None = None,
    environment: Mapping[str, str] | None = None,
    receipts: Receipts | None = None,
    abort: Abort | None = None,
    timeout_s: float = 3600.0,
    stdin: bytes | None = None,
) -> Finished:
    """Run a program to its end; its output goes through files in `scratch`, which are removed.

    Raises AbortRequested when the operator asks for the end meanwhile and StepFailed when
    `timeout_s` passes; in both cases the program has ended.
    """
    watch = abort or NeverAborted()
    stamp = f"{os.getpid()}-{time.monotonic_ns()}"
    out_path, err_path = scratch / f"out-{stamp}", scratch / f"err-{stamp}"
    in_path = scratch / f"in-{stamp}"
    in_path.write_bytes(stdin or b"")
    try:
        with in_path.open("rb") as given, out_path.open("wb") as out, err_path.open("wb") as err:
            child = spawn(
                argv, name=f"{name} {stamp}", uid=uid, environment=environment, receipts=receipts,
                stdin=given, stdout=out, stderr=err,
            )  # fmt: skip
            wait_for(child, abort=watch, timeout_s=timeout_s, cause=cause)
        tail = err_path.read_bytes()[-8192:].decode("utf-8", "replace")
        return Finished(returncode=child.process.returncode, stdout=out_path.read_bytes(), stderr=tail)
    finally:
        for path in (in_path, out_path, err_path):
            path.unlink(missing_ok=True)


def wait_for(child: Child, *, abort: Abort, timeout_s: float, cause: Cause = "environment") -> int:
    """Wait until the child ends and return its exit code; ends it on an abort or the time limit.

    Either way its receipt is closed then.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        code = ended_code(child.process, within_s=_ABORT_POLL_S)
        if code is not None:
            close_ended(child)
            return code
        try:
            abort.raise_if_requested()
            if time.monotonic() > deadline:
                raise StepFailed(f"{child.name} took longer than {timeout_s:.0f} s", cause=cause)
        except BaseException:
            end_process(child.identity, ask=signal.SIGTERM, patience_s=5.0)
            child.process.wait()
            close_ended(child)
            raise
