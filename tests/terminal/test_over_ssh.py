"""As a new user would: over a real SSH link to a real sshd of the distribution, which is dropped in the middle."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fix_runs import DRYDOCK, Drydock, Living
from fix_terminal import Terminal, answer

SSHD = shutil.which("sshd", path="/usr/sbin:/sbin:/usr/local/sbin")
SEPARATION = Path("/run/sshd")
"""Where Debian's sshd wants an empty folder when it is started by root."""

pytestmark = pytest.mark.skipif(SSHD is None, reason="needs sshd: apt-get install openssh-server")


@dataclass(frozen=True, kw_only=True)
class Link:
    """A way to this machine: `place` has keys, configuration and the log of the server."""

    place: Path
    port: int

    def argv(self, *words: str) -> list[str]:
        """Return the command of a client that runs words on a terminal of the other side."""
        options = [
            "-F",
            "none",
            "-i",
            str(self.place / "key"),
            "-p",
            str(self.port),
            "-tt",
            "-o",
            "BatchMode=yes",
        ]
        options += ["-o", f"UserKnownHostsFile={self.place / 'known'}", "-o", "StrictHostKeyChecking=yes"]
        ssh = shutil.which("ssh")
        assert ssh is not None
        return [ssh, *options, f"{getpass.getuser()}@127.0.0.1", shlex.join(words)]


@pytest.fixture
def link(drydock: Drydock) -> Iterator[Link]:
    """Start an sshd of our own on 127.0.0.1 and end it by its process."""
    place = drydock.place("ssh")
    place.mkdir(mode=0o700)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for name in ("key", "host"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(place / name)], check=True)
    (place / "authorized").write_text((place / "key.pub").read_text("utf-8"), "utf-8")
    (place / "known").write_text(f"[127.0.0.1]:{port} {(place / 'host.pub').read_text('utf-8')}", "utf-8")
    (place / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {place / 'host'}\nAuthorizedKeysFile {place / 'authorized'}\n"
        f"PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n",
        "utf-8",
    )
    made = os.geteuid() == 0 and not SEPARATION.exists()
    if made:
        SEPARATION.mkdir(mode=0o755)
    assert SSHD is not None
    with (place / "log").open("wb") as log:
        server = subprocess.Popen([SSHD, "-D", "-e", "-f", str(place / "config")], stderr=log)
    try:
        _until_it_listens(server, port, place / "log")
        yield Link(place=place, port=port)
    finally:
        server.terminate()
        server.wait(30)
        if made:
            SEPARATION.rmdir()


def _until_it_listens(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert server.poll() is None and time.monotonic() < deadline, log.read_text("utf-8", "replace")
        time.sleep(0.05)


@pytest.fixture
def dials(link: Link) -> Iterator[Callable[..., Terminal]]:
    """Open a terminal whose program is an ssh client."""
    opened: list[Terminal] = []

    def dial(*words: str) -> Terminal:
        opened.append(Terminal(link.argv(*words)))
        return opened[-1]

    yield dial
    for terminal in opened:
        terminal.close()


def test_a_run_over_ssh_survives_its_link(drydock: Drydock, dials: Callable[..., Terminal]) -> None:
    """Run, approve, lose the link, attach over a new one, finish, browse: PASS, and the journal has both links."""
    runs = drydock.place("runs")
    words = ["env", f"DRYDOCK_WORK_DIR={drydock.work}", DRYDOCK, "run", "--demo-rows", "200"]
    first = dials(*words, "--runs-dir", str(runs), "--subject", str(drydock.reference))
    answer(first, "B-1")
    first.shows("● B-2 waits for you; no answer")
    first.kill()
    [folder] = runs.glob("2*")
    living = Living(drydock=drydock, process=_none(), runs=runs, out=folder)
    try:
        assert living.wait_at("B-2").abort is None
        second = dials(DRYDOCK, "attach", folder.name[:15], "--runs-dir", str(runs))
        for boundary in ("B-2", "B-3", "B-4"):
            answer(second, boundary)
        answer(second, "B-5", "destroy")
        second.shows("✓ PASS, CLEAN")
        second.press("q")
        assert second.ended() == 0
    finally:
        if living.state.ended is None:
            drydock.command("abort", folder.name, "--runs-dir", str(runs))
            living.wait_until(lambda it: it.ended is not None, "end")
    third = dials(DRYDOCK, "browse", folder.name, "--runs-dir", str(runs))
    third.shows("✓ PASS, CLEAN", "29 of 29 hold")
    third.press("q")
    assert third.ended() == 0
    who = [living.state.decisions[boundary].operator for boundary in ("B-1", "B-2", "B-3", "B-4", "B-5")]
    links = [one.ssh for one in who if one is not None and one.ssh.startswith("127.0.0.1 ") and one.tty]
    assert len(links) == 5 and len(set(links)) == 2


def _none() -> subprocess.Popen[bytes]:
    """Stand for the command's process, which is on the other side of the link."""
    stands = subprocess.Popen(["true"])
    stands.wait()
    return stands
