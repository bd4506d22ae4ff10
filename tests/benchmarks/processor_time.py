"""Owns: the processor time of every process of a command, told by the kernel as each of them ends.

Nothing is sampled. The kernel names every fork (its process connector) and, as a task ends, its run time in
nanoseconds (taskstats); a task counts where the command is among its ancestors, whoever adopts it later. Both
need root. A message that the kernel had to drop is an error, never a smaller figure.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

#: The names under which PostgreSQL's own programs end.
POSTGRESQL = frozenset({"postgres", "initdb", "pg_dump", "pg_restore", "pg_ctl", "psql", "pg_controldata"})
_NETLINK_GENERIC, _NETLINK_CONNECTOR = 16, 11
_CONNECTOR_OF_PROCESSES, _FORK = 1, 1
_GENERIC_CONTROL, _GET_FAMILY, _FAMILY_ID, _FAMILY_NAME = 0x10, 3, 1, 2
_GET_STATS, _REGISTER_PROCESSORS = 1, 3
_STATS, _STATS_OF_TASK = 3, 4
_RUN_TIME_AT, _NAME_AT, _NAME_BYTES = 72, 80, 32
_BUFFER_BYTES = 1 << 24
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")


def _attribute(kind: int, value: bytes) -> bytes:
    size = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(size, kind) + value + b"\0" * (-size % 4)


def _attributes(payload: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _ATTRIBUTE.size <= len(payload):
        size, kind = _ATTRIBUTE.unpack_from(payload, at)
        yield kind & 0x3FFF, payload[at + _ATTRIBUTE.size : at + size]
        at += (size + 3) & ~3


def _messages(received: bytes) -> Iterator[bytes]:
    at = 0
    while at + _HEADER.size <= len(received):
        size = _HEADER.unpack_from(received, at)[0]
        yield received[at + _HEADER.size : at + size]
        at += (size + 3) & ~3


def _opened(protocol: int, groups: int) -> socket.socket:
    found = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
    found.setsockopt(socket.SOL_SOCKET, 33, _BUFFER_BYTES)  # SO_RCVBUFFORCE
    found.bind((0, groups))
    return found


def _ask(generic: socket.socket, family: int, command: int, attribute: bytes, flags: int = 1) -> None:
    body = struct.pack("=BBH", command, 1, 0) + attribute
    generic.send(_HEADER.pack(_HEADER.size + len(body), family, flags, 1, 0) + body)


def _family_of_taskstats(generic: socket.socket) -> int:
    _ask(generic, _GENERIC_CONTROL, _GET_FAMILY, _attribute(_FAMILY_NAME, b"TASKSTATS\0"))
    for message in _messages(generic.recv(65536)):
        for kind, value in _attributes(message[4:]):
            if kind == _FAMILY_ID:
                return int(struct.unpack_from("=H", value)[0])
    raise OSError("the kernel has no taskstats")


@dataclass(frozen=True, kw_only=True)
class Task:
    """A thread that has ended: its number, the name of its program, and how long it ran on a processor."""

    number: int
    name: str
    seconds: float


class _Listening:
    """From entering to leaving, every fork and every end of a task on this machine is written down."""

    def __init__(self) -> None:
        self._generic = _opened(_NETLINK_GENERIC, 0)
        self._connector = _opened(_NETLINK_CONNECTOR, _CONNECTOR_OF_PROCESSES)
        self._ended, self._end = os.pipe()
        self._reader = threading.Thread(target=self._read)
        self._parents: dict[int, int] = {}
        self._tasks: list[Task] = []
        self._news = threading.Condition()
        self._dropped: OSError | None = None

    def __enter__(self) -> _Listening:
        """Return it, listening."""
        processors = Path("/sys/devices/system/cpu/possible").read_bytes().strip() + b"\0"
        family = _family_of_taskstats(self._generic)
        _ask(self._generic, family, _GET_STATS, _attribute(_REGISTER_PROCESSORS, processors))
        body = struct.pack("=IIIIHHI", 1, 1, 0, 0, 4, 0, 1)
        self._connector.send(_HEADER.pack(_HEADER.size + len(body), 3, 0, 0, os.getpid()) + body)
        self._reader.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        os.close(self._end)
        self._reader.join()
        for one in (self._generic, self._connector):
            one.close()
        os.close(self._ended)

    def _read(self) -> None:
        generic, connector = self._generic.fileno(), self._connector.fileno()
        while True:
            ready = select.select([generic, connector, self._ended], [], [])[0]
            try:
                self._hear(self._connector, self._fork)
                if generic in ready:
                    # Whatever this task forked was said before, and has been heard.
                    self._hear(self._generic, self._end_of_task)
            except OSError as dropped:
                self._dropped = dropped
            with self._news:
                self._news.notify_all()
            if self._dropped is not None or ready == [self._ended]:
                return

    def _hear(self, said: socket.socket, note: Callable[[bytes], None]) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                note(said.recv(65536, socket.MSG_DONTWAIT))

    def _fork(self, received: bytes) -> None:
        for message in _messages(received):
            event = message[20:]
            if int.from_bytes(event[:4], "little") == _FORK:
                _parent, parent_process, task, process = struct.unpack_from("=4I", event, 16)
                # The kernel calls the parent of its process a thread's parent, too.
                self._parents[task] = parent_process if task == process else process

    def _end_of_task(self, received: bytes) -> None:
        for message in _messages(received):
            for kind, value in _attributes(message[4:]):
                if kind != _STATS_OF_TASK:
                    continue
                task = int.from_bytes(value[4:8], "little")
                stats = dict(_attributes(value))[_STATS]
                name = stats[_NAME_AT : _NAME_AT + _NAME_BYTES].split(b"\0")[0].decode(errors="replace")
                run_ns = struct.unpack_from("=Q", stats, _RUN_TIME_AT)[0]
                self._tasks.append(Task(number=task, name=name, seconds=run_ns / 1e9))

    def _is_of(self, task: int, command: int) -> bool:
        while task in self._parents and task != command:
            task = self._parents[task]
        return task == command

    def _have_all_ended(self, command: int) -> bool:
        running = set(self._parents) - {task.number for task in self._tasks}
        return not any(self._is_of(task, command) for task in running)

    def tasks_of(self, command: int) -> list[Task]:
        """Return every task of a command and of what it started, once all of them have ended (in a minute)."""
        with self._news:
            ended = self._news.wait_for(
                lambda: self._dropped is not None or self._have_all_ended(command), timeout=60
            )
        if self._dropped is not None:
            raise self._dropped
        if not ended:
            raise TimeoutError(f"something that process {command} started has not ended a minute after it")
        return [task for task in self._tasks if self._is_of(task.number, command)]


def seconds_by_owner(tasks: Iterable[Task]) -> dict[str, float]:
    """Return the seconds of PostgreSQL's programs, of Python and of the rest (git, sh), in this order."""
    sums = {"postgresql": 0.0, "python": 0.0, "other": 0.0}
    for task in tasks:
        is_python = task.name.startswith(("python", "drydock"))
        sums["postgresql" if task.name in POSTGRESQL else "python" if is_python else "other"] += task.seconds
    return sums


def measured(words: Sequence[str], folder: Path) -> tuple[str, list[Task]]:
    """Return what a command printed in a folder, and every task of it and of what it started; raises if it fails."""
    with _Listening() as heard:
        running = subprocess.Popen(
            list(words), cwd=folder, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        printed, said = running.communicate()
        if running.returncode:
            raise subprocess.CalledProcessError(running.returncode, list(words), printed, said)
        return printed, heard.tasks_of(running.pid)
