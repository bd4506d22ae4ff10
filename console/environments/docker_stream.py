"""One attached stream of a container or an exec: bytes in, stdout and stderr out, apart.

Owns the socket and the one thread that reads and writes it (TLS allows no two). Never interprets what it
carries, and tells its listener once when it has ended.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any

_CHUNK_BYTES = 1 << 16
_HEADER_BYTES = 8
_MOST_WAITING_BYTES = 8 << 20
_STDOUT, _STDERR = 1, 2


class StreamEnded(ConnectionError):
    """The other side, or the engine between, is gone."""


class AttachedStream:
    """A hijacked connection of the docker API, demultiplexed (Docker Engine API, "Attach to a container")."""

    def __init__(
        self,
        given: Any,
        *,
        stdout: Callable[[bytes], None],
        stderr: Callable[[bytes], None],
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        self._given = given
        self._socket: socket.socket = getattr(given, "_sock", given)
        self._to = {_STDOUT: stdout, _STDERR: stderr}
        self._tell_end = ended
        self._out = bytearray()
        self._in = bytearray()
        self._changed = threading.Condition()
        self._ended = False
        self._waking, self._woken = socket.socketpair()
        self._socket.setblocking(False)
        self._woken.setblocking(False)
        self._thread = threading.Thread(target=self._carry, name="docker-stream", daemon=True)
        self._thread.start()

    @property
    def is_over(self) -> bool:
        """Tell whether nothing more will come."""
        return self._ended

    def write(self, data: bytes) -> None:
        """Hand bytes over; waits while too much is under way. Raises StreamEnded."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or len(self._out) < _MOST_WAITING_BYTES)
            if self._ended:
                raise StreamEnded("the stream has ended")
            self._out += data
        with contextlib.suppress(OSError):
            self._waking.send(b"w")

    def wait_for_end(self, timeout_s: float) -> bool:
        """Return whether the stream ended within the time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._ended, timeout_s)

    def close(self) -> None:
        """End the stream (idempotent)."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            self._waking.send(b"w")
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _carry(self) -> None:
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self._socket, selectors.EVENT_READ)
                selector.register(self._woken, selectors.EVENT_READ)
                while self._turn(selector):
                    pass
        except (OSError, ssl.SSLError):
            pass
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()
            for one in (self._socket, self._waking, self._woken):
                one.close()
            with contextlib.suppress(OSError, AttributeError):
                self._given.close()
            self._tell_end()

    def _turn(self, selector: selectors.BaseSelector) -> bool:
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._out else 0)
        selector.modify(self._socket, wanted)
        pending = isinstance(self._socket, ssl.SSLSocket) and self._socket.pending()
        selector.select(0 if pending else None)
        with contextlib.suppress(BlockingIOError):
            self._woken.recv(_CHUNK_BYTES)
        self._send()
        return self._receive()

    def _send(self) -> None:
        with self._changed:
            if not self._out:
                return
            try:
                sent = self._socket.send(self._out[:_CHUNK_BYTES])
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            del self._out[:sent]
            self._changed.notify_all()

    def _receive(self) -> bool:
        try:
            part = self._socket.recv(_CHUNK_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return True
        self._in += part
        while len(self._in) >= _HEADER_BYTES:
            size = int.from_bytes(self._in[4:8], "big")
            if len(self._in) < _HEADER_BYTES + size:
                break
            kind, data = self._in[0], bytes(self._in[_HEADER_BYTES : _HEADER_BYTES + size])
            del self._in[: _HEADER_BYTES + size]
            if kind in self._to:
                self._to[kind](data)
        return bool(part)
