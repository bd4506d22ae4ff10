"""As a new user would: over a real SSH link to a real sshd of the distribution, which is dropped in the middle."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator

import pytest
from fix_runs import DRYDOCK, Drydock, Living
from fix_sshd import NO_SSHD, SSHD, Link, sshd_in
from fix_terminal import Terminal, answer

pytestmark = pytest.mark.skipif(SSHD is None, reason=NO_SSHD)


@pytest.fixture
def link(drydock: Drydock) -> Iterator[Link]:
    """Start an sshd of our own and end it."""
    with sshd_in(drydock.place("ssh")) as made:
        yield made


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
