"""The engine's own way to the copy: a local socket whose connections go through a container's stream.

Owns the socket in the run's folder and the threads behind it; nothing is published and no file system is
shared, so a remote engine works the same. Never interprets SQL.
"""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from console.environments.cluster import PORT, SUPERUSER
from console.environments.docker_agent import CLOSE, DATA, HEADER, HELLO, OPEN, READ, REPLY
from console.environments.docker_stream import AttachedStream, StreamEnded
from console.errors import StepFailed
from console.sql import EngineConnection

_CHUNK_BYTES = 1 << 16
_REPLY_PATIENCE_S = 60.0
_BACKLOG = 16


class Relay:
    """The host's end. `python` is what the agent said of its image's interpreter."""

    def __init__(self, given: Any, *, listen_at: Path) -> None:
        self._sockets: dict[int, socket.socket] = {}
        self._lock = threading.Lock()
        self._replies: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._hello: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._in = bytearray()
        self._words = bytearray()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._listener.bind(str(listen_at))
        self._listener.listen(_BACKLOG)
        self._stream = AttachedStream(
            given, stdout=self._feed, stderr=self._words.extend, ended=self._end_all
        )
        threading.Thread(target=self._accept, name="docker-relay", daemon=True).start()

    def hello(self) -> dict[str, Any]:
        """Return what the agent says of its Python, once. Raises StepFailed when it did not start."""
        told = self._taken(self._hello, "started no agent")
        return dict(json.loads(told))

    def read(self, path: str, offset: int) -> tuple[dict[str, Any], bytes]:
        """Return which file `path` is (identity "" for none), and its next bytes from `offset`."""
        try:
            self._stream.write(_frame(READ, 0, json.dumps({"path": path, "offset": offset}).encode()))
        except StreamEnded as gone:
            raise self._gone("has ended") from gone
        head, _, data = self._taken(self._replies, "does not answer").partition(b"\n")
        return dict(json.loads(head)), data

    def close(self) -> None:
        """End every connection (idempotent)."""
        self._stream.close()
        self._listener.close()

    def drop_all(self) -> None:
        """End every connection on this side, whoever waits for an answer, and take no further one."""
        self._end_all()

    def _taken(self, answers: queue.SimpleQueue[bytes | None], what: str) -> bytes:
        try:
            found = answers.get(timeout=_REPLY_PATIENCE_S)
        except queue.Empty:
            found = None
        if found is None:
            raise self._gone(what)
        return found

    def _gone(self, what: str) -> StepFailed:
        words = bytes(self._words[-300:]).decode("utf-8", "replace").strip()
        return StepFailed(
            f"the way into the docker engine {what}{': ' if words else ''}{words}", cause="environment"
        )

    def _accept(self) -> None:
        number = 0
        while True:
            try:
                made, _ = self._listener.accept()
            except OSError:
                return
            number += 1
            with self._lock:
                self._sockets[number] = made
            try:
                self._stream.write(_frame(OPEN, number))
            except StreamEnded:
                self._drop(number)
                return
            threading.Thread(
                target=self._pump, args=(number, made), name="docker-relay-in", daemon=True
            ).start()

    def _pump(self, number: int, made: socket.socket) -> None:
        with contextlib.suppress(OSError, StreamEnded):
            while data := made.recv(_CHUNK_BYTES):
                self._stream.write(_frame(DATA, number, data))
        with contextlib.suppress(StreamEnded):
            self._stream.write(_frame(CLOSE, number))
        self._drop(number)

    def _feed(self, data: bytes) -> None:
        self._in += data
        while len(self._in) >= HEADER.size:
            kind, number, size = HEADER.unpack_from(self._in)
            if len(self._in) < HEADER.size + size:
                return
            payload = bytes(self._in[HEADER.size : HEADER.size + size])
            del self._in[: HEADER.size + size]
            self._take(kind, number, payload)

    def _take(self, kind: int, number: int, payload: bytes) -> None:
        if kind == DATA:
            with self._lock:
                made = self._sockets.get(number)
            if made is not None:
                with contextlib.suppress(OSError):
                    made.sendall(payload)
        elif kind == CLOSE:
            self._drop(number)
        elif kind == REPLY:
            self._replies.put(payload)
        elif kind == HELLO:
            self._hello.put(payload)

    def _drop(self, number: int) -> None:
        with self._lock:
            made = self._sockets.pop(number, None)
        if made is not None:
            with contextlib.suppress(OSError):
                made.shutdown(socket.SHUT_RDWR)
            made.close()

    def _end_all(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        with self._lock:
            numbers = list(self._sockets)
        for number in numbers:
            self._drop(number)
        self._replies.put(None)
        self._hello.put(None)


def _frame(kind: int, number: int, payload: bytes = b"") -> bytes:
    return HEADER.pack(kind, number, len(payload)) + payload


@contextlib.contextmanager
def session(socket: Path, *, password: str, **options: Any) -> Iterator[EngineConnection]:
    """Open one autocommit connection to the copy through the relay's socket folder, and close it at the end."""
    connection = EngineConnection.connect(
        host=str(socket), port=PORT, user=options.pop("user", SUPERUSER), password=password, sslmode="disable",
        autocommit=True, connect_timeout=30,
        application_name=options.pop("application_name", "drydock-engine"), **options,
    )  # fmt: skip
    try:
        yield connection
    finally:
        connection.close()
