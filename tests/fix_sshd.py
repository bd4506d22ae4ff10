"""A real sshd of the distribution on this machine's loopback, with keys of its own, for as long as a test wants it."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SSHD = shutil.which("sshd", path="/usr/sbin:/sbin:/usr/local/sbin")
NO_SSHD = "needs sshd: apt-get install openssh-server"
SEPARATION = Path("/run/sshd")
"""Where Debian's sshd wants an empty folder when it is started by root."""


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

    def at_home(self) -> list[str]:
        """Return words before a command that give it a home which knows this link's server and has no key; root's only.

        ssh takes the home from the account, not from HOME: the command has a passwd file of its own.
        """
        home, passwd = self.place / "home", self.place / "passwd"
        ssh = home / ".ssh"
        ssh.mkdir(parents=True, mode=0o700, exist_ok=True)
        shutil.copy(self.place / "known", ssh / "known_hosts")
        lines = []
        for line in Path("/etc/passwd").read_text("utf-8").splitlines():
            fields = line.split(":")
            if fields[2] == str(os.geteuid()):
                fields[5] = str(home)
            lines.append(":".join(fields))
        passwd.write_text("\n".join([*lines, ""]), "utf-8")
        script = f'mount --bind {shlex.quote(str(passwd))} /etc/passwd && exec "$@"'
        return ["unshare", "--mount", "sh", "-c", script, "sh"]


@contextmanager
def agent_of(link: Link) -> Iterator[Path]:
    """Run an ssh-agent that has the link's key, and give its socket."""
    path = link.place / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while not path.exists():
            assert agent.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        variables = {**os.environ, "SSH_AUTH_SOCK": str(path)}
        subprocess.run(["ssh-add", "-q", str(link.place / "key")], env=variables, check=True)
        yield path
    finally:
        agent.terminate()
        agent.wait(30)


@contextmanager
def sshd_in(place: Path) -> Iterator[Link]:
    """Run an sshd on 127.0.0.1 with keys below `place`, which it makes; ended by its process."""
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
