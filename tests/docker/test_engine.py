"""The tests' own engine touches nothing of the machine's, and is gone when it has ended."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from container_production import PRODUCTION_VOLUME
from docker_engine import Engine, EngineFailed, EngineMissing, install, started
from docker_images import PYTHON_IMAGE, Images, load_images
from engine_objects import changes, look_at_engine, make_neighbours
from fix_engine import Ears


@pytest.fixture
def second(tmp_path: Path) -> Iterator[Engine]:
    """An engine of this test's own, which it may kill."""
    made = started(Path(f"/var/tmp/dd2-{os.getpid()}"))
    yield made
    if made.folder.exists():
        made.remove()


def of_this_machine() -> dict[str, str]:
    """Return what another engine on this machine would mind: links, rules, mounts, processes."""
    said = {
        "links": subprocess.run(["ip", "-brief", "link"], capture_output=True, text=True, check=True).stdout,
        "rules": subprocess.run(["iptables-save"], capture_output=True, text=True, check=True).stdout,
        "mounts": Path("/proc/self/mounts").read_text(),
        "run": " ".join(sorted(os.listdir("/run"))),
        "forward": Path("/proc/sys/net/ipv4/ip_forward").read_text(),
        "groups": " ".join(sorted(str(it) for it in Path("/sys/fs/cgroup").glob("*drydock-tests-*"))),
    }
    said["rules"] = "\n".join(line for line in said["rules"].splitlines() if line[:1] not in "#:")
    return said


def test_the_machine_sees_no_engine(engine: Engine) -> None:
    """A running engine shows in this machine's links, rules, mounts, /run or forwarding."""
    engine.docker("network", "create", "seen-from-outside")
    seen = of_this_machine()
    engine.docker("network", "rm", "seen-from-outside")
    assert "docker" not in seen["rules"].lower()
    assert "docker0" not in seen["links"] and "br-" not in seen["links"]
    assert str(engine.folder) not in seen["mounts"]


def test_a_second_engine_knows_nothing_of_the_first(engine: Engine, images: Images, second: Engine) -> None:
    """Two engines share an image, a container, or the end of one of them."""
    assert second.docker("image", "ls", "--quiet") == ""
    assert load_images(second) == images
    second.docker("network", "create", "inside")
    second.docker(
        "run", "--detach", "--init", "--network=inside", "--name=sleeper", PYTHON_IMAGE, "sleep", "600"
    )
    assert engine.docker("ps", "--all", "--quiet", "--filter=name=sleeper") == ""
    second.kill()
    with pytest.raises(EngineFailed, match=r"Cannot connect|connection refused"):
        second.docker("ps")
    second.start()
    assert second.docker("inspect", "--format={{.State.ExitCode}}", "sleeper") == "143"
    second.docker("start", "sleeper")
    second.kill()
    pid = second.host_pid
    second.remove()
    assert not second.folder.exists()
    assert not Path(f"/proc/{pid}").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text()
    assert second.cgroup not in of_this_machine()["groups"]
    assert engine.docker("version", "--format={{.Server.Os}}") == "linux"


def test_an_ordinary_user_is_told_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ordinary user gets something else than the reason and what to do."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(EngineMissing, match="needs root: run them as root"):
        install()


def test_the_ears_hear(engine: Engine, images: Images, ears: Ears) -> None:
    """A visit to the host, by address or in a question for a name, is not written down, or a packet not counted."""
    engine.docker("network", "create", "--internal", "leaky")
    packets = engine.packets_out()
    script = """import socket
print(socket.gethostbyname('leak.example'))
socket.create_connection(('198.51.100.2', 5432)).recv(1)"""  # the ears hang up when they have written it down
    said = engine.docker("run", "--rm", "--network=leaky", PYTHON_IMAGE, "python3", "-c", script)
    assert said == "198.51.100.2"
    assert [it for it in ears.visits() if it.startswith("dns leak")] != []
    # The engine gives a 192.168 network where others have taken all of its 172s.
    assert [it for it in ears.visits() if it.startswith(("tcp 172.", "tcp 192.168."))] != []
    assert engine.packets_out() == packets
    ping = engine.on_host(
        "python3", "-c", "import socket; socket.socket(2, 2).sendto(b'x', ('198.51.100.1', 9))"
    )
    subprocess.run(ping, check=True)
    assert engine.packets_out() > packets
    engine.docker("network", "rm", "leaky")


def test_a_changed_neighbour_is_found(engine: Engine, images: Images) -> None:
    """A file changed in a volume, a started container, or an object made or removed does not show."""
    make_neighbours(engine, names=["near"], labels=["made.for=test"], image=images.python)
    living = [PRODUCTION_VOLUME]  # where production stands already, its server writes
    before = look_at_engine(engine, busy=living)
    assert changes(before, look_at_engine(engine, busy=living)) == []
    assert {"near-old", "xnear", "nea", "near.bak"} <= set(before.named("container"))
    engine.docker("cp", "/etc/hosts", "near-old:/kept/file")
    engine.docker("start", "--attach", "xnear")
    engine.docker("rm", "--volumes", "nea")
    engine.docker("network", "rm", "near.bak")
    engine.docker("image", "rm", "near:latest")
    found = "\n".join(changes(before, look_at_engine(engine, busy=living)))
    for wanted in (
        "the files of volume near-old have changed", "(/xnear): State", "(/nea) is gone", "(near.bak) is gone",
        "RepoTags",
    ):  # fmt: skip
        assert wanted in found
    engine.docker("rm", "--volumes", "near-old", "xnear", "near.bak")
    engine.docker("volume", "rm", "near-old", "xnear", "near.bak", "nea")
    engine.docker("network", "rm", "near-old", "xnear", "nea")
