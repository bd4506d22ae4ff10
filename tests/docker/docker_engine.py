"""A Docker engine of the tests' own: installed where it is missing, started, ended.

Everything of the engine lies below its folder and in namespaces of its own, so an engine that the machine
already has is never touched: network (bridges, firewall rules and listeners are invisible outside, and there is
no way to any other machine), mounts (its layers are unmounted with the namespace) and /run (its containerd, and
the shims' sockets, which have one fixed place). Needs root and, once, Debian's packages. Never imports what is not
in the standard library: CI makes the base before there is an environment.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

PACKAGES = {
    "dockerd": "docker.io", "docker": "docker.io", "iptables": "iptables", "ip": "iproute2",
    "mmdebstrap": "mmdebstrap", "unshare": "util-linux", "nsenter": "util-linux",
}  # fmt: skip
"""Program to Debian package. docker.io brings containerd and runc."""

HOST_ADDRESS = "198.51.100.2"
"""The engine's host has this one address besides loopback and its bridges (RFC 5737: nobody's)."""

UPLINK = "uplink0"
"""The interface of HOST_ADDRESS and of the default route: a cable that ends in nothing, and counts packets."""

HOST_RESOLVER = "127.0.0.53"
"""The name server of the engine's host. On loopback, as with systemd-resolved: engines before 23.0.11 hand a
container's questions on to it even from an internal network (CVE-2024-29018)."""

PATIENCE_S = 60.0

Door = socket.socket
"""A name of its own: in the class below `socket` is the engine's path."""

_CHILDREN: dict[Path, list[subprocess.Popen[bytes]]] = {}
"""By engine, what this process started and must reap; another process may end an engine than started it."""


class EngineMissing(Exception):
    """The engine cannot run here; says what to install or who to be."""


class EngineFailed(Exception):
    """Something that should work here did not; carries the end of its log."""


def end_of(log: Path, lines: int = 40) -> str:
    """Return the last lines of a log."""
    return "\n".join(log.read_text("utf-8", "replace").splitlines()[-lines:])


def run_logged(words: Sequence[str], log: Path, **variables: str) -> None:
    """Run a program to its end; raises EngineFailed with the end of the log where it fails."""
    with log.open("ab") as out:
        out.write(f"$ {' '.join(words)}\n".encode())
        out.flush()
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env={**os.environ, **variables},
            check=False,
        )
    if done.returncode:
        raise EngineFailed(f"{words[0]} ended with {done.returncode}; the end of {log}:\n{end_of(log)}")


def install() -> None:
    """Install what is missing. Raises EngineMissing with what to do where that is not ours to do."""
    missing = sorted({package for program, package in PACKAGES.items() if shutil.which(program) is None})
    if os.geteuid() != 0:
        raise EngineMissing(
            "the docker tests start an engine of their own, which needs root: run them as root"
        )
    if not missing:
        return
    how = f"apt-get install --no-install-recommends {' '.join(missing)}"
    if shutil.which("apt-get") is None:
        raise EngineMissing(f"the docker tests need {', '.join(missing)}: on Debian, {how}")
    log = cache_folder() / "apt.log"
    with held(cache_folder() / "apt.lock"):
        try:
            run_logged(["apt-get", "update", "-q"], log)
            variables = {"DEBIAN_FRONTEND": "noninteractive"}
            run_logged(
                ["apt-get", "install", "-q", "-y", "--no-install-recommends", *missing], log, **variables
            )
        except EngineFailed as wrong:
            raise EngineMissing(f"{how} failed, do it by hand: {wrong}") from wrong


def cache_folder() -> Path:
    """Return the folder for what takes long to make; DRYDOCK_TESTS_CACHE, else one below /var/tmp."""
    folder = Path(os.environ.get("DRYDOCK_TESTS_CACHE") or "/var/tmp/drydock-tests-cache")
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if status.st_uid != os.geteuid() or not folder.is_dir() or folder.is_symlink():
        raise EngineMissing(f"{folder} is not this user's own folder: remove it, or set DRYDOCK_TESTS_CACHE")
    return folder


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a lock that two test processes share."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@dataclass(kw_only=True)
class Engine:
    """One engine below a folder of its own: `start` and `end` may follow each other, `remove` ends all.

    `in_memory`: images and volumes lie on a tmpfs of its own namespace, which is twice as fast and ends with it.
    """

    folder: Path
    in_memory: bool = True

    @property
    def socket(self) -> Path:
        """Return the Unix socket; it is outside the namespaces, as files are."""
        return self.folder / "docker.sock"

    @property
    def address(self) -> str:
        """Return what DOCKER_HOST would be."""
        return f"unix://{self.socket}"

    @property
    def log(self) -> Path:
        """Return the engine's log, which `history` and every test of secrets read too."""
        return self.folder / "dockerd.log"

    @property
    def cgroup(self) -> str:
        """Return the parent of its containers' control groups."""
        return f"/drydock-tests-{self.folder.name}"

    def _pid(self, name: str) -> int:
        return int((self.folder / f"{name}.pid").read_text())

    @property
    def pid(self) -> int:
        """Return dockerd's process id."""
        return self._pid("dockerd")

    @property
    def host_pid(self) -> int:
        """Return the process that keeps the namespaces: what to nsenter for "the engine's host"."""
        return self._pid("host")

    def path_outside(self, path: str) -> Path:
        """Return where this machine finds a file that the engine names, such as a volume's mount point."""
        return Path(f"/proc/{self.host_pid}/root{path}")

    def on_host(self, *words: str) -> list[str]:
        """Return words that run on the engine's host: its network, this machine's files."""
        return ["nsenter", f"--target={self.host_pid}", "--net", "--", *words]

    def docker(self, *words: str, given: bytes = b"", both: bool = False, **variables: str) -> str:
        """Return what the docker command says of `given`, with `both` on stderr too; raises EngineFailed with that."""
        done = subprocess.run(
            ["docker", "--host", self.address, *words], input=given, check=False, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if both else subprocess.PIPE,
            env={**_clean_environment(), "DOCKER_CONFIG": str(self.folder / "client"), **variables},
        )  # fmt: skip
        if done.returncode:
            said = done.stdout if both else done.stderr
            raise EngineFailed(f"docker {' '.join(words)}: {said.decode('utf-8', 'replace').strip()}")
        return done.stdout.decode("utf-8", "replace").strip()

    def packets_out(self) -> int:
        """Return how many packets left for an address that is not the engine's host's own."""
        words = self.on_host("ip", "-json", "-stats", "link", "show", "dev", UPLINK)
        [found] = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
        return int(found["stats64"]["tx"]["packets"])

    def make_host(self) -> None:
        """Make the namespaces: one host with a loopback, an uplink to nowhere, and a /run of its own."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        resolv = self.folder / "resolv.conf"
        resolv.write_text(f"nameserver {HOST_RESOLVER}\n", encoding="utf-8")
        with (self.folder / "host.log").open("wb") as out:
            process = subprocess.Popen(
                ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c", _HOST_SCRIPT,
                 "host", str(resolv), "tmpfs" if self.in_memory else "disk"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=out, start_new_session=True,
            )  # fmt: skip
        _CHILDREN.setdefault(self.folder, []).append(process)
        assert process.stdout is not None
        with process.stdout:
            if process.stdout.readline() != b"up\n":
                process.wait()
                raise EngineMissing(f"no namespaces can be made here:\n{end_of(self.folder / 'host.log')}")
        (self.folder / "host.pid").write_text(str(_child_of(process.pid)))

    def start(self, *more: str, door: Door | None = None) -> None:
        """Start dockerd and return when it says that it is ready; `more` are options of its own.

        `door` is a listening socket of this machine's network, which dockerd takes over with `--host=fd://`.
        """
        inside = ["sh", "-c", 'export LISTEN_PID=$$; exec "$@"', "sh"] if door else []
        given = (
            ["bash", "-c", f'exec 3<&{door.fileno()} && export LISTEN_FDS=1 && exec "$@"', "bash"]
            if door
            else []
        )
        where = ["nsenter", f"--target={self.host_pid}", "--net", "--mount", "--pid", "--"]
        notify = self.folder / "notify.sock"
        notify.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ears:
            ears.bind(str(notify))
            with self.log.open("ab") as out:
                process = subprocess.Popen(
                    [*given, *where, *inside, *self._words(), *more], pass_fds=[door.fileno()] if door else [],
                    stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, cwd=self.folder,
                    env={**_clean_environment(), "NOTIFY_SOCKET": str(notify)},
                )  # fmt: skip
            _await_ready(process, ears, self.log)
        _CHILDREN.setdefault(self.folder, []).append(process)
        (self.folder / "dockerd.pid").write_text(str(_child_of(process.pid)))

    def _words(self) -> list[str]:
        return [
            "dockerd", f"--data-root={self.folder}/data", f"--exec-root={self.folder}/exec",
            f"--pidfile={self.folder}/own.pid", f"--host={self.address}", f"--cgroup-parent={self.cgroup}",
            # No docker0: a container of these tests is on a network that somebody named, or on none.
            "--bridge=none", "--shutdown-timeout=2", "--group=root",
            # Without a file of its own it would read the machine's /etc/docker/daemon.json.
            f"--config-file={_own_json(self.folder)}",
        ]  # fmt: skip

    def end(self) -> None:
        """End dockerd the ordinary way, containers first; ends its containerd too."""
        self._signal("dockerd", signal.SIGTERM)

    def kill(self) -> None:
        """Kill dockerd as a crash would: its containerd and the containers go on."""
        self._signal("dockerd", signal.SIGKILL)
        (self.folder / "own.pid").unlink(missing_ok=True)

    def remove(self) -> None:
        """End everything that is left, as it is, and remove the folder."""
        if (self.folder / "host.pid").exists():
            # The first process of its pid namespace: the kernel ends every other one in it, containers too.
            end_process(self.host_pid, signal.SIGKILL)
        for process in _CHILDREN.pop(self.folder, []):
            process.wait()
        shutil.rmtree(self.folder)
        for group in self._cgroups():
            remove_cgroup(group)

    def _cgroups(self) -> list[Path]:
        """One, or with version 1 one below each controller."""
        root = Path("/sys/fs/cgroup")
        return [it for it in (root / self.cgroup[1:], *root.glob(f"*{self.cgroup}")) if it.is_dir()]

    def _signal(self, name: str, number: signal.Signals) -> None:
        end_process(self._pid(name), number)
        (self.folder / f"{name}.pid").unlink()


_HOST_SCRIPT = f"""
set -e
ip link set lo up
ip link add {UPLINK} type veth peer name {UPLINK}far
for one in {UPLINK} {UPLINK}far; do echo 1 >/proc/sys/net/ipv6/conf/$one/disable_ipv6; ip link set $one up; done
ip addr add {HOST_ADDRESS}/24 dev {UPLINK}
ip route add default via 198.51.100.1
mount -t tmpfs tmpfs /run
resolv=$(readlink -f /etc/resolv.conf)
mkdir -p "${{resolv%/*}}" && touch "$resolv"
mount --bind "$1" "$resolv"
data=${{1%/*}}/data
mkdir -p "$data"
if [ "$2" = tmpfs ]; then mount -t tmpfs -o size=12g,mode=710 tmpfs "$data"; fi
echo up
exec >/dev/null
# Here this is process 1, which must reap what a killed dockerd leaves: it takes its dead containerd for a living
# one otherwise, and does not start again.
while :; do sleep infinity & wait; done
"""


def _await_ready(process: subprocess.Popen[bytes], ears: socket.socket, log: Path) -> None:
    """dockerd tells a service supervisor when it is ready; here that is us."""
    ending = os.pidfd_open(process.pid)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            ready, _, _ = select.select([ears.fileno(), ending], [], [], PATIENCE_S)
            if ears.fileno() in ready and b"READY=1" in ears.recv(4096):
                return
            if ending in ready:
                code = process.wait()
                raise EngineFailed(f"dockerd ended with {code}; the end of {log}:\n{end_of(log)}")
    finally:
        os.close(ending)
    raise EngineFailed(f"dockerd is not ready after {PATIENCE_S:.0f} s; the end of {log}:\n{end_of(log)}")


def _child_of(parent: int) -> int:
    """Return the one child of a process, as this machine numbers it; unshare and nsenter have exactly one."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):
            if entry.name.isdigit() and (entry / "stat").read_text().rpartition(")")[2].split()[1] == str(
                parent
            ):
                found.append(int(entry.name))
    (child,) = found
    return child


def end_process(pid: int, number: signal.Signals) -> None:
    """Signal one process and return when it has ended; killed where it takes too long."""
    try:
        ending = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(ending, number)
            if not select.select([ending], [], [], PATIENCE_S / 2)[0]:
                signal.pidfd_send_signal(ending, signal.SIGKILL)
                select.select([ending], [], [], PATIENCE_S / 2)
    finally:
        os.close(ending)


def remove_cgroup(group: Path) -> None:
    """Remove an empty control group and those below it."""
    for path in sorted((it for it in group.rglob("*") if it.is_dir()), reverse=True):
        path.rmdir()
    group.rmdir()


def _clean_environment() -> dict[str, str]:
    """No DOCKER_HOST, no proxy, no configuration of whoever runs the tests."""
    return {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"}


def _own_json(folder: Path) -> Path:
    path = folder / "daemon.json"
    # Its id would be the machine's, and every engine of these tests would be one.
    path.write_text(json.dumps({"deprecated-key-path": f"{folder}/key.json"}), encoding="utf-8")
    return path


def started(folder: Path, *, in_memory: bool = True) -> Engine:
    """Return an engine that runs below `folder`, without images."""
    install()
    engine = Engine(folder=folder, in_memory=in_memory)
    engine.make_host()
    try:
        engine.start()
    except BaseException:
        engine.remove()
        raise
    return engine
