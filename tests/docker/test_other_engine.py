"""Production on one engine, the copy on another: reached over TLS as a remote one is, or killed in mid-run."""

from __future__ import annotations

import dataclasses
import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from container_production import PRODUCTION_VOLUME
from docker_engine import Engine, started
from docker_images import Images, load_images
from docker_plans import Setting
from engine_objects import changes, look_at_engine
from fix_runs import PATIENCE_S, Drydock
from fix_sshd import NO_SSHD, SSHD, agent_of, sshd_in
from tls_files import make_tls


@dataclass(frozen=True, kw_only=True)
class Other:
    """A second engine that listens on this machine's loopback, for who has its client's certificate."""

    engine: Engine
    door: socket.socket
    tls: Path

    @property
    def endpoint(self) -> str:
        """Return its address for a plan file."""
        return f"tcp://127.0.0.1:{self.door.getsockname()[1]}"

    def start(self) -> None:
        """Start its dockerd."""
        self.engine.start(
            "--host=fd://", "--tlsverify", f"--tlscacert={self.tls}/ca.pem", f"--tlscert={self.tls}/server-cert.pem",
            f"--tlskey={self.tls}/server-key.pem", door=self.door,
        )  # fmt: skip


@pytest.fixture(scope="module")
def other(setting: Setting, images: Images, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Other]:
    """The second engine, with the same images."""
    engine = started(Path(f"{setting.production.engine.folder}-b"))
    with socket.create_server(("127.0.0.1", 0)) as door:
        made = Other(engine=engine, door=door, tls=make_tls(tmp_path_factory.mktemp("other") / "tls"))
        engine.end()
        made.start()
        assert load_images(engine) == images
        yield made
    engine.remove()


def test_over_tls(drydock: Drydock, setting: Setting, other: Other) -> None:
    """A rehearsal on an engine behind TLS fails, leaves something there, or touches production's engine."""
    here, there = setting.production.engine, other.engine
    before = look_at_engine(here, busy=[PRODUCTION_VOLUME]), look_at_engine(there)
    ended = drydock.run(str(setting.plan("tls", endpoint=other.endpoint, tls=str(other.tls))))
    assert ended.outcome == (0, "PASS", "CLEAN", None), ended.said.stderr
    assert ended.summary["rows_total"] == 15
    after = look_at_engine(here, busy=[PRODUCTION_VOLUME]), look_at_engine(there)
    assert (changes(before[0], after[0]), changes(before[1], after[1])) == ([], [])


@pytest.mark.skipif(SSHD is None, reason=NO_SSHD)
def test_over_ssh(drydock: Drydock, setting: Setting, other: Other) -> None:
    """The operator's agent alone opens no engine behind ssh, a tunnel stays, or an unknown server is used."""
    before = look_at_engine(other.engine)
    with sshd_in(drydock.place("ssh")) as link:
        plan = setting.plan("ssh", endpoint=f"ssh://root@127.0.0.1:{link.port}{other.engine.socket}")
        stranger = drydock.start(str(plan), "--approve", "all")
        refused = stranger.process.wait(PATIENCE_S)
        with agent_of(link) as agent:
            known = dataclasses.replace(
                drydock,
                program=(*link.at_home(), *drydock.program),
                variables={**drydock.variables, "SSH_AUTH_SOCK": str(agent)},
            )
            ended = known.run(str(plan))
    assert ended.outcome == (0, "PASS", "CLEAN", None), ended.said.stderr
    assert ended.summary["rows_total"] == 15
    tunnels = [
        it for it in ended.state.receipts.values() if it.kind == "process" and it.name.startswith("ssh to ")
    ]
    assert tunnels and all(it.closed for it in tunnels)
    assert changes(before, look_at_engine(other.engine)) == []
    assert refused == 2
    assert "Host key verification failed" in stranger.narration


def test_a_stranger_is_not_spoken_to(
    drydock: Drydock, setting: Setting, other: Other, tmp_path: Path
) -> None:
    """An engine whose certificate another authority signed is used for a rehearsal."""
    plan = setting.plan("stranger", endpoint=other.endpoint, tls=str(make_tls(tmp_path / "tls")))
    process = drydock.start(str(plan), "--approve", "all").process
    assert process.wait(PATIENCE_S) == 2


def test_the_daemon_is_killed_and_comes_back(drydock: Drydock, setting: Setting, other: Other) -> None:
    """A killed daemon is not told as the environment's failure, or what it held is not removed when it is back."""
    before = look_at_engine(other.engine)
    # By its socket, which refuses at once: the other door is ours, and lets callers wait for a daemon to come.
    plan = setting.plan("killed", endpoint=other.engine.address)
    living = drydock.start(str(plan), "--approve", "B-1,B-2,B-3")
    try:
        living.wait_at("B-4")
        other.engine.kill()
        # The images are part of what is approved, and nobody can say now which they are: it asks again.
        old = living.approve_line("B-4")
        assert "armed again" in living.approve("B-4").stderr
        living.wait_until(lambda _: living.approve_line("B-4") != old, "boundary with another digest")
        assert living.approve("B-4").exit_code == 0
        # What was said in advance was said of the digest with the images, so B-5 would ask too.
        assert living.approve("B-5").exit_code == 0
        living.wait_until(lambda it: it.current_step == "C-13", "teardown")
        other.start()
        ended = living.finish()
    finally:
        if living.process.poll() is None:
            os.kill(living.engine_pid(), signal.SIGKILL)
            living.process.wait(PATIENCE_S)
    assert ended.outcome == (1, "FAIL", "CLEAN", "environment"), ended.said.stderr
    assert "docker engine" in ended.summary["reason"] or "container" in ended.summary["reason"]
    assert changes(before, look_at_engine(other.engine)) == []


@pytest.mark.matrix
def test_an_endpoint_that_leads_elsewhere_later(drydock: Drydock, setting: Setting, other: Other) -> None:
    """A link that leads to another engine after the run's engine died ends CLEAN, or the copy is not found again."""
    before = look_at_engine(other.engine)
    link = setting.folder / "elsewhere.sock"
    link.symlink_to(other.engine.socket)
    plan = setting.plan("link", endpoint=f"unix://{link}", more="[limits]\nengine_patience_s = 5\n")
    living = drydock.start(str(plan), "--approve", "B-1,B-2,B-3")
    living.wait_at("B-4")
    lead_to(link, setting.production.engine.socket)
    os.kill(living.engine_pid(), signal.SIGKILL)
    ended = living.finish()
    assert (ended.summary["verdict"], ended.summary["closure"]) == ("FAIL", "UNCLEAN")
    kinds = {receipt.kind for receipt in ended.state.open_receipts}
    assert kinds == {"container", "volume", "network"}
    assert all("another docker engine answers at unix://" in it.trouble for it in ended.state.open_receipts)
    words = ("recover", living.folder.name, "--runs-dir", str(living.runs))
    again = drydock.command(*words)
    assert (again.exit_code, ": FAIL, UNCLEAN as before" in again.stderr) == (4, True), again.stderr
    lead_to(link, other.engine.socket)
    last = drydock.command(*words)
    assert last.exit_code == 1, last.stderr
    assert "it had ended FAIL, UNCLEAN and is FAIL, CLEAN now" in last.stderr
    assert changes(before, look_at_engine(other.engine)) == []


def lead_to(link: Path, socket_path: Path) -> None:
    """Let a link lead elsewhere."""
    link.unlink()
    link.symlink_to(socket_path)
