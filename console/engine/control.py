"""The engine's control socket: how decisions reach a run, and how its process says that it lives.

A Unix socket, 0600, in the run's 0700 folder; the kernel tells who asks. One JSON object in, one out,
a connection each. The server thread never touches the run: it hands requests to the engine. Where two people
must approve there is a second socket, without a file (unix(7), abstract): the run's folder stays closed, and
whoever is of the approvers' group by the kernel's word may look at the question there and approve, no more.
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
from console.model.event import ApprovalGiven, BoundaryArmed
from console.settings import SOCKET_PATH_LIMIT_BYTES

SOCKET_NAME = "control.sock"
_REQUEST_LIMIT_BYTES = 64 << 10
_PATIENCE_S = 15.0
_SO_PEERGROUPS = 59
"""asm-generic/socket.h, Linux 4.13: the supplementary groups that the asker had when it connected."""
_LONGEST_OPTION_BYTES = 1024
"""Python's own limit: somebody in more than 256 groups is not found to be an approver."""
_APPROVERS_VERBS = ("approve", "show", "ping")


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A verb from an operator's shell, or `notified` from the run's notifier.

    `digest` is what `status` showed, 8 characters or more.
    """

    verb: Literal["approve", "abort", "hold", "show", "ping", "notified"]
    boundary: str = ""
    digest: str = ""
    minutes: float = 0.0
    typed: str = ""
    tty: str = ""
    ssh: str = ""
    shown_at: str = ""
    says: Annotated[str, msgspec.Meta(max_length=400)] = ""
    early_keys: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What an approver who cannot read the journal is shown of a run."""

    run: str
    title: str
    subject: str
    condition: str
    armed: BoundaryArmed | None = None
    armed_at: str = ""
    approvals: tuple[ApprovalGiven, ...] = ()


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine answered: accepted or the sentence why not."""

    accepted: bool
    says: str
    shown: Shown | None = None


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """Who asked, as the kernel says (SO_PEERCRED); `right` is why this user is heard at all."""

    uid: int
    name: str
    right: Literal["owner", "root", "approver", "none"] = "owner"


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


def remove_left_socket(folder: Path) -> None:
    """Remove the socket that a killed engine left; for who holds the run's journal, so that nobody listens there.

    One that cannot be removed stays: it answers nobody, and a teardown has more to do.
    """
    with contextlib.suppress(OSError):
        (folder / SOCKET_NAME).unlink()


def account_name(uid: int) -> str:
    """Return the account's name, or the number where there is no account."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


class ControlServer:
    """Answers requests on the socket from a thread of its own, until it is closed."""

    def __init__(self, folder: Path, handler: Handler, *, approvers_gid: int = -1) -> None:
        self._path = folder / SOCKET_NAME
        self._approvers_gid = approvers_gid
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
        self._listening = [self._socket]
        if approvers_gid >= 0:
            self._listening.append(_listen_for_approvers(folder.name))
        self._wake_out, self._wake_in = os.pipe()
        self._thread = threading.Thread(target=self._serve, name="control", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering and remove the socket."""
        os.write(self._wake_in, b"x")
        self._thread.join(_PATIENCE_S)
        for listening in self._listening:
            listening.close()
        os.close(self._wake_in)
        os.close(self._wake_out)
        self._path.unlink(missing_ok=True)

    def _serve(self) -> None:
        with selectors.DefaultSelector() as selector:
            for listening in self._listening:
                selector.register(listening, selectors.EVENT_READ)
            selector.register(self._wake_out, selectors.EVENT_READ)
            while True:
                ready = {key.fd for key, _mask in selector.select()}
                if self._wake_out in ready:
                    return
                for listening in (one for one in self._listening if one.fileno() in ready):
                    connection, _address = listening.accept()
                    threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        """Read first, whoever asks: closing over unread bytes would reset the connection before the answer."""
        with connection, contextlib.suppress(OSError):
            connection.settimeout(_PATIENCE_S)
            peer = _peer_of(connection, self._approvers_gid)
            said = _read_line(connection)
            if peer.right == "none":
                reply = Reply(accepted=False, says=f"the run belongs to {account_name(os.geteuid())}")
            else:
                reply = self._reply(said, peer)
            connection.sendall(msgspec.json.encode(reply) + b"\n")

    def _reply(self, said: bytes, peer: Peer) -> Reply:
        try:
            request = msgspec.json.decode(said, type=Request)
        except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
            return Reply(accepted=False, says=f"the request cannot be read: {wrong}")
        if peer.right == "approver" and request.verb not in _APPROVERS_VERBS:
            owner = account_name(os.geteuid())
            return Reply(
                accepted=False,
                says=f"an approver may only approve: {request.verb} is for {owner}, whose run it is",
            )
        return self._handler(request, peer)


def _approvers_name(run: str) -> str:
    return f"\0drydock-approve-{run}"


def _listen_for_approvers(run: str) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(_approvers_name(run))
    listening.listen(16)
    return listening


def _peer_of(connection: socket.socket, approvers_gid: int) -> Peer:
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _pid, uid, gid = struct.unpack("3i", raw)
    right: Literal["owner", "root", "approver", "none"] = "none"
    if uid == os.geteuid():
        right = "owner"
    elif approvers_gid >= 0 and approvers_gid in (gid, *_further_groups(connection)):
        right = "approver"
    elif uid == 0:
        right = "root"
    return Peer(uid=uid, name=account_name(uid), right=right)


def _further_groups(connection: socket.socket) -> tuple[int, ...]:
    try:
        raw = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _LONGEST_OPTION_BYTES)
    except OSError:
        return ()
    return struct.unpack(f"{len(raw) // struct.calcsize('I')}I", raw)


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
    try:
        with _short_path(folder / SOCKET_NAME) as name:
            return _asked_at(name, request)
    except PermissionError as wrong:
        raise ControlRefused("the run belongs to another user of this machine") from wrong
    except OSError as wrong:
        raise ControlRefused("no engine answers for this run") from wrong


def ask_as_approver(run: str, request: Request) -> Reply:
    """Send one request to the engine of another user's run, known by its whole id.

    Raises ControlRefused when no engine of that id waits for approvers.
    """
    return _asked_at(_approvers_name(run), request)


def _asked_at(name: str, request: Request) -> Reply:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_PATIENCE_S * 2)
        try:
            connection.connect(name)
            connection.sendall(msgspec.json.encode(request) + b"\n")
            return msgspec.json.decode(_read_line(connection), type=Reply)
        except PermissionError as wrong:
            raise ControlRefused("the run belongs to another user of this machine") from wrong
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as wrong:
            raise ControlRefused("no engine answers for this run") from wrong
