"""The engine's control socket: how decisions reach a run, and how its process says that it lives.

A Unix socket, 0600, in the run's 0700 folder; the kernel tells who asks. One JSON object in, one out,
a connection each. The server thread never touches the run: it hands requests to the engine.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import selectors
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from console.errors import ControlRefused
from console.settings import SOCKET_PATH_LIMIT_BYTES

SOCKET_NAME = "control.sock"
_REQUEST_LIMIT_BYTES = 64 << 10
_PATIENCE_S = 15.0


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A verb from an operator's shell. `digest` is what `status` showed, 8 characters or more."""

    verb: Literal["approve", "abort", "hold", "ping"]
    boundary: str = ""
    digest: str = ""
    minutes: float = 0.0
    typed: str = ""
    tty: str = ""
    ssh: str = ""
    shown_at: str = ""
    early_keys: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine answered: accepted or the sentence why not."""

    accepted: bool
    says: str


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """Who asked, as the kernel says (SO_PEERCRED)."""

    uid: int
    name: str


Handler = Callable[[Request, Peer], Reply]


@contextlib.contextmanager
def _short_path(path: Path) -> Iterator[str]:
    """Yield a path to the socket that fits sun_path, through /proc/self/fd where it must be."""
    if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT_BYTES:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def account_name(uid: int) -> str:
    """Return the account's name, or the number where there is no account."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


class ControlServer:
    """Answers requests on the socket from a thread of its own, until it is closed."""

    def __init__(self, folder: Path, handler: Handler) -> None:
        self._path = folder / SOCKET_NAME
        self._handler = handler
        self._path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            with _short_path(self._path) as name:
                self._socket.bind(name)
        finally:
            os.umask(before)
        self._socket.listen(16)
        self._wake_out, self._wake_in = os.pipe()
        self._thread = threading.Thread(target=self._serve, name="control", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering and remove the socket."""
        os.write(self._wake_in, b"x")
        self._thread.join(_PATIENCE_S)
        self._socket.close()
        os.close(self._wake_in)
        os.close(self._wake_out)
        self._path.unlink(missing_ok=True)

    def _serve(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            selector.register(self._wake_out, selectors.EVENT_READ)
            while True:
                ready = {key.fd for key, _mask in selector.select()}
                if self._wake_out in ready:
                    return
                connection, _address = self._socket.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        """Read first, whoever asks: closing over unread bytes would reset the connection before the answer."""
        with connection, contextlib.suppress(OSError):
            connection.settimeout(_PATIENCE_S)
            peer = _peer_of(connection)
            said = _read_line(connection)
            if peer.uid in (os.geteuid(), 0):
                reply = self._reply(said, peer)
            else:
                reply = Reply(accepted=False, says=f"the run belongs to {account_name(os.geteuid())}")
            connection.sendall(msgspec.json.encode(reply) + b"\n")

    def _reply(self, said: bytes, peer: Peer) -> Reply:
        try:
            request = msgspec.json.decode(said, type=Request)
        except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
            return Reply(accepted=False, says=f"the request cannot be read: {wrong}")
        return self._handler(request, peer)


def _peer_of(connection: socket.socket) -> Peer:
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _pid, uid, _gid = struct.unpack("3i", raw)
    return Peer(uid=uid, name=account_name(uid))


def _read_line(connection: socket.socket) -> bytes:
    received = b""
    while not received.endswith(b"\n") and len(received) < _REQUEST_LIMIT_BYTES:
        part = connection.recv(4096)
        if not part:
            break
        received += part
    return received


def ask(folder: Path, request: Request) -> Reply:
    """Send one request to the engine of the run in `folder` and return its answer.

    Raises ControlRefused when no engine listens there or it may not be asked by this user.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_PATIENCE_S * 2)
        try:
            with _short_path(folder / SOCKET_NAME) as name:
                connection.connect(name)
            connection.sendall(msgspec.json.encode(request) + b"\n")
            return msgspec.json.decode(_read_line(connection), type=Reply)
        except PermissionError as wrong:
            raise ControlRefused("the run belongs to another user of this machine") from wrong
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as wrong:
            raise ControlRefused("no engine answers for this run") from wrong
