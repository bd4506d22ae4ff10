"""Tests of the control socket: real sockets, and the kernel's word on who asks."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fix_places import place_for_clusters

from console.engine import control
from console.engine.control import SOCKET_NAME, ControlServer, Peer, Reply, Request, account_name, ask
from console.errors import ControlRefused

NOBODY = 65534


class Desk:
    """A handler that remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Request, Peer]] = []

    def __call__(self, request: Request, peer: Peer) -> Reply:
        """Remember the request and take it."""
        self.asked.append((request, peer))
        return Reply(accepted=True, says=f"taken: {request.verb}")


@pytest.fixture
def desk() -> Desk:
    """Return the handler behind the server."""
    return Desk()


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield a run's folder, 0700, in a place that every user can reach."""
    with tempfile.TemporaryDirectory(prefix="ddc-", dir=place_for_clusters()) as place:
        Path(place).chmod(0o755)
        folder = Path(place) / "run"
        folder.mkdir(mode=0o700)
        yield folder


@pytest.fixture
def server(folder: Path, desk: Desk) -> Iterator[ControlServer]:
    """Yield a server on the run's socket."""
    server = ControlServer(folder, desk)
    yield server
    server.close()


def raw(folder: Path, sent: bytes, *, end: bool = True) -> bytes:
    """Send bytes and return all that is answered, "" when the connection breaks."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(10)
        client.connect(str(folder / SOCKET_NAME))
        try:
            client.sendall(sent)
            if end:
                client.shutdown(socket.SHUT_WR)
            return client.recv(65536)
        except OSError:
            return b""


@pytest.mark.usefixtures("server")
def test_a_request_arrives_with_who_asked(folder: Path, desk: Desk) -> None:
    """The handler gets every word of the request, and uid and name from the kernel."""
    request = Request(
        verb="approve", boundary="B-1", digest="abcdef0123", tty="/dev/pts/1", ssh="x", early_keys=2
    )
    assert ask(folder, request) == Reply(accepted=True, says="taken: approve")
    assert desk.asked == [(request, Peer(uid=os.geteuid(), name=account_name(os.geteuid())))]


@pytest.mark.usefixtures("server")
def test_the_socket_is_private(folder: Path) -> None:
    """The socket is 0600 whatever the umask was."""
    found = (folder / SOCKET_NAME).stat()
    assert stat.S_ISSOCK(found.st_mode)
    assert stat.S_IMODE(found.st_mode) == 0o600


def test_making_the_socket_leaves_the_umask_as_it_was(folder: Path, desk: Desk) -> None:
    """The process creates files afterwards with the modes it always had."""
    before = os.umask(0o022)
    try:
        ControlServer(folder, desk).close()
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)


def as_user(uid: int, work: Callable[[], str]) -> str:
    """Return what work says in a child process that runs as another user."""
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            os.write(into, work().encode())
        except ControlRefused as refused:
            os.write(into, f"refused: {refused}".encode())
        finally:
            os._exit(0)
    os.close(into)
    with os.fdopen(out) as said:
        sentence = said.read()
    os.waitpid(child, 0)
    return sentence


needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can ask as another user: run the tests as root"
)


@needs_root
@pytest.mark.usefixtures("server")
def test_the_kernel_keeps_another_user_out(folder: Path, desk: Desk) -> None:
    """Another uid is refused by the socket's mode even where it can reach the folder."""
    folder.chmod(0o755)
    said = as_user(NOBODY, lambda: ask(folder, Request(verb="abort")).says)
    assert said == "refused: the run belongs to another user of this machine"
    assert desk.asked == []


@needs_root
@pytest.mark.usefixtures("server")
def test_another_user_is_refused_where_the_mode_was_widened(folder: Path, desk: Desk) -> None:
    """A uid that is neither the engine's nor root's is refused by name, and the handler never hears of it."""
    folder.chmod(0o755)
    (folder / SOCKET_NAME).chmod(0o777)
    reply = as_user(NOBODY, lambda: repr(ask(folder, Request(verb="abort"))))
    assert reply == repr(Reply(accepted=False, says=f"the run belongs to {account_name(os.geteuid())}"))
    assert desk.asked == []


@pytest.mark.parametrize(
    "sent",
    [b"nonsense\n", b"\n", b"", b"[]\n", b"{}\n", b'{"verb": "dance"}\n', b'{"verb": "ping", "more": 1}\n',
     b'{"verb": "hold", "minutes": "5"}\n', b'{"verb": "ping"', b"\xff\xfe\n", b'{"verb": "ping", "tty": "\xff"}\n',
     b'{"verb": "ping", "early_keys": 99999999999999999999999}\n', b"[" * 5000 + b"\n"],
)  # fmt: skip
@pytest.mark.usefixtures("server")
def test_what_is_no_request_is_answered_and_never_handled(folder: Path, desk: Desk, sent: bytes) -> None:
    """Garbage, a wrong type, an unknown word and a cut line get one sentence, and the server goes on."""
    answer = raw(folder, sent)
    assert answer.startswith(b'{"accepted":false,"says":"the request cannot be read')
    assert answer.endswith(b"\n")
    assert desk.asked == []
    assert ask(folder, Request(verb="ping")).accepted


@pytest.mark.usefixtures("server")
def test_a_request_without_end_is_cut_off(folder: Path, desk: Desk) -> None:
    """A client that sends megabytes is not read to its end, and does not stop the next one."""
    raw(folder, b'{"verb": "ping", "tty": "' + b"x" * (4 << 20), end=False)
    assert desk.asked == []
    assert ask(folder, Request(verb="ping")).accepted


@pytest.mark.usefixtures("server")
def test_a_slow_client_keeps_nobody_waiting(folder: Path) -> None:
    """While one client has sent half a request and stays silent, another one is answered."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as slow:
        slow.connect(str(folder / SOCKET_NAME))
        slow.sendall(b'{"verb": ')
        assert ask(folder, Request(verb="ping")).accepted


def test_a_client_that_never_ends_is_given_up(
    folder: Path, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silence longer than the patience closes the connection without an answer."""
    monkeypatch.setattr(control, "_PATIENCE_S", 0.05)
    server = ControlServer(folder, desk)
    try:
        assert raw(folder, b'{"verb": ', end=False) == b""
    finally:
        server.close()
    assert desk.asked == []


@pytest.mark.usefixtures("server")
def test_a_client_that_hangs_up_stops_nothing(folder: Path, desk: Desk) -> None:
    """A connection that is closed before its answer leaves the server answering."""
    for _number in range(3):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.connect(str(folder / SOCKET_NAME))
            client.sendall(b'{"verb": "ping"}\n')
    assert ask(folder, Request(verb="ping")).accepted
    assert {request.verb for request, _peer in desk.asked} == {"ping"}


def test_requests_are_answered_side_by_side(folder: Path) -> None:
    """A request that takes its time (a decision) does not hold up another (an abort)."""
    release = threading.Event()

    def handle(request: Request, _peer: Peer) -> Reply:
        if request.verb == "approve":
            assert release.wait(10)
        return Reply(accepted=True, says=request.verb)

    server = ControlServer(folder, handle)
    said: list[str] = []
    waiting = threading.Thread(target=lambda: said.append(ask(folder, Request(verb="approve")).says))
    waiting.start()
    try:
        said.append(ask(folder, Request(verb="abort")).says)
        release.set()
        waiting.join(10)
    finally:
        release.set()
        server.close()
    assert said == ["abort", "approve"]


@pytest.mark.parametrize("length", [60, 104, 107, 108, 200])
def test_a_long_path_works(tmp_path: Path, desk: Desk, length: int) -> None:
    """A run's folder whose socket path is longer than the 107 bytes of sun_path is served and asked alike."""
    folder = tmp_path
    while (missing := length - len(os.fsencode(folder / SOCKET_NAME))) > 0:
        folder = folder / ("x" * min(100, max(1, missing - 1)))
    folder.mkdir(parents=True, exist_ok=True)
    server = ControlServer(folder, desk)
    try:
        assert ask(folder, Request(verb="ping")).accepted
        assert stat.S_IMODE((folder / SOCKET_NAME).stat().st_mode) == 0o600
    finally:
        server.close()
    assert not (folder / SOCKET_NAME).exists()


def test_closing_takes_the_socket_away(folder: Path, desk: Desk) -> None:
    """After close nobody answers, and the name is gone."""
    ControlServer(folder, desk).close()
    assert list(folder.iterdir()) == []
    with pytest.raises(ControlRefused, match="no engine answers for this run"):
        ask(folder, Request(verb="ping"))


def test_a_dead_engine_s_socket_is_taken_over(folder: Path, desk: Desk) -> None:
    """A name that nobody listens on is told as such, and replaced by the next engine."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(folder / SOCKET_NAME))
    with pytest.raises(ControlRefused, match="no engine answers for this run"):
        ask(folder, Request(verb="ping"))
    server = ControlServer(folder, desk)
    try:
        assert ask(folder, Request(verb="ping")).accepted
    finally:
        server.close()


def test_an_account_without_a_name_is_its_number() -> None:
    """A uid that no account has is shown as the number."""
    assert account_name(60998) == "60998"
