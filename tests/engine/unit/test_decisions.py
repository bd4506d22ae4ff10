"""Tests of waiting at a boundary: who decided what over which digest, and what never answers it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fix_journals import created

from console.engine import decisions as module
from console.engine.control import ControlServer, Peer, Reply, Request, ask
from console.engine.decisions import Decisions, operator_of
from console.engine.recorder import Recorder
from console.model.event import BoundaryArmed, DecisionMade, Operator, RunEnded
from console.model.plan import Boundary
from console.secrets import SecretRegistry

B1 = Boundary(id="B-1", question="execute this plan", irrevocable="")
B2 = Boundary(id="B-2", question="touch production", irrevocable="its load")
B5 = Boundary(id="B-5", question="destroy the copy", irrevocable="the copy", default="proceed")
PEER = Peer(uid=1000, name="op")
FIRST, SECOND = "a1f0c3d2e4b59687" * 4, "b2f0c3d2e4b59687" * 4
LONG_S = 30.0
LINE = "drydock approve X {boundary} --digest {digest}"


@dataclass(kw_only=True)
class Table:
    """An engine that waits in a thread, and everything its journal says."""

    decisions: Decisions
    recorder: Recorder
    digest: list[str]
    pool: ThreadPoolExecutor
    waits: list[Future[None]] = field(default_factory=list)

    def wait_at(self, boundary: Boundary, *, timeout_s: float = LONG_S) -> Future[None]:
        """Begin to wait, and return when the boundary is armed or decided."""
        before = self.recorder.state.last_n
        wait = self.pool.submit(self.decisions.wait_at, boundary, timeout_s=timeout_s, approve_line=LINE)
        self.waits.append(wait)
        self.until(lambda: self.recorder.state.last_n > before)
        return wait

    def until(self, holds: Any) -> None:
        """Return when something holds; fails after ten seconds."""
        deadline = time.monotonic() + 10
        while not holds():
            assert time.monotonic() < deadline, self.recorder.state
            time.sleep(0.002)

    def ask(self, verb: Any = "approve", boundary: str = "B-1", digest: str = FIRST, **words: Any) -> Reply:
        """Ask as an operator's shell would, and return the answer."""
        return self.decisions.handle(Request(verb=verb, boundary=boundary, digest=digest, **words), PEER)

    @property
    def told(self) -> list[str]:
        """Return what was armed and decided, in order."""
        return self._told

    _told: list[str] = field(default_factory=list)


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Table]:
    """Yield a waiting engine whose digest a test can change; it is ended whatever happens."""
    made = make(tmp_path)
    yield made
    if made.recorder.state.abort is None and any(not wait.done() for wait in made.waits):
        made.decisions.handle(Request(verb="abort"), PEER)
    made.pool.shutdown()
    made.recorder.close()


def make(folder: Path, *approve: str) -> Table:
    """Return an engine that was started with some approvals."""
    recorder = Recorder(folder / "journal.jsonl", SecretRegistry())
    recorder.record(created())
    digest = [FIRST]
    decisions = Decisions(recorder, digest=lambda: digest[0], approve=approve)
    made = Table(decisions=decisions, recorder=recorder, digest=digest, pool=ThreadPoolExecutor(2))
    record = recorder.record

    def remember(event: Any, *, origin: str = "engine") -> None:
        record(event, origin=origin)
        if isinstance(event, BoundaryArmed):
            made._told.append(f"armed {event.boundary} {event.digest[:2]} {event.timeout_s:g}s")
        if isinstance(event, DecisionMade):
            made._told.append(f"{event.answer} {event.boundary} {event.digest[:2]} {event.how}")

    recorder.record = remember  # type: ignore[method-assign]
    return made


def decided(table: Table, boundary: str) -> DecisionMade:
    """Return the decision on a boundary."""
    return table.recorder.state.decisions[boundary]


def test_a_boundary_shows_what_it_asks_about(table: Table) -> None:
    """The armed boundary holds question, digest, limit, what silence means and the exact line to approve it."""
    table.wait_at(B2)
    assert table.recorder.state.armed == BoundaryArmed(
        boundary="B-2", question="touch production", irrevocable="its load", digest=FIRST, default="abort",
        timeout_s=LONG_S, approve_line="drydock approve X {boundary} --digest a1f0c3d2e4b5",
    )  # fmt: skip


@pytest.mark.parametrize("digest", [FIRST, FIRST[:12], FIRST[:8]])
def test_an_approval_over_the_shown_digest_lets_the_run_go_on(table: Table, digest: str) -> None:
    """The decision is recorded with who, from where, when and over what, and the waiting ends."""
    wait = table.wait_at(B1)
    reply = table.ask(
        digest=digest, tty="/dev/pts/3", ssh="192.0.2.7", shown_at="2026-11-21T03:45:21Z", early_keys=2
    )
    wait.result(10)
    assert reply == Reply(accepted=True, says="B-1 was approved")
    found = decided(table, "B-1")
    assert (found.answer, found.how, found.digest, found.early_keys) == ("proceed", "socket", FIRST, 2)
    assert found.operator == Operator(uid=1000, name="op", tty="/dev/pts/3", ssh="192.0.2.7")
    assert (found.shown_at, found.armed_at != "") == ("2026-11-21T03:45:21Z", True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"digest": FIRST[:7]}, "give the digest that status shows, 8 characters or more"),
        ({"digest": ""}, "give the digest that status shows, 8 characters or more"),
        ({"digest": SECOND}, "the digest is not the one of B-1: look at the status again"),
        ({"digest": FIRST + "a"}, "the digest is not the one of B-1: look at the status again"),
        ({"digest": FIRST[:8].upper()}, "the digest is not the one of B-1: look at the status again"),
        ({"digest": FIRST[2:14]}, "the digest is not the one of B-1: look at the status again"),
        ({"boundary": "B-2"}, "the run waits at B-1, not at B-2"),
        ({"boundary": ""}, "the run waits at B-1, not at no boundary"),
        ({"verb": "hold", "minutes": 5}, "B-1 cannot be held"),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(
    table: Table, words: dict[str, Any], says: str
) -> None:
    """A short, foreign or uppercase digest, another boundary and a hold leave the run waiting as it was."""
    wait = table.wait_at(B1)
    before = table.recorder.state
    assert table.ask(**words) == Reply(accepted=False, says=says)
    assert table.recorder.state == before
    assert not wait.done()


@pytest.mark.parametrize("minutes", [0.0, -1.0, 24 * 60 + 1.0, float("nan"), float("inf")])
def test_a_hold_has_a_limit(table: Table, minutes: float) -> None:
    """No time at all and more than a day are refused."""
    table.wait_at(B5)
    reply = table.ask("hold", "B-5", minutes=minutes)
    assert reply == Reply(accepted=False, says="hold takes minutes, above 0 and at most 1440")


def test_nothing_is_answered_where_nothing_waits(table: Table) -> None:
    """An approval before a boundary is armed is refused, and does not answer it when it comes."""
    assert table.ask() == Reply(accepted=False, says="the run does not wait at a boundary")
    wait = table.wait_at(B1)
    assert not wait.done()
    assert table.recorder.state.armed is not None


def test_a_changed_digest_arms_again(table: Table) -> None:
    """An approval after a byte changed is refused, the new digest is shown, and only that one is taken."""
    wait = table.wait_at(B1)
    table.digest[0] = SECOND
    assert table.ask() == Reply(
        accepted=False, says="something under the digest has changed; it is armed again"
    )
    assert not wait.done()
    assert table.ask() == Reply(
        accepted=False, says="the digest is not the one of B-1: look at the status again"
    )
    assert table.ask(digest=SECOND).accepted
    wait.result(10)
    assert decided(table, "B-1").digest == SECOND
    assert table.told == ["armed B-1 a1 30s", "armed B-1 b2 30s", "proceed B-1 b2 socket"]


def test_a_boundary_that_is_armed_again_has_its_whole_time(table: Table) -> None:
    """The limit that is shown with the new digest is the one that counts from then on."""
    wait = table.wait_at(B1, timeout_s=1.0)
    time.sleep(0.6)
    table.digest[0] = SECOND
    assert not table.ask().accepted
    time.sleep(0.6)
    assert not wait.done()
    assert table.ask(digest=SECOND).accepted


def test_a_second_approval_of_one_boundary_never_answers_the_next(table: Table) -> None:
    """Of two approvals that arrive together one is taken, and the other is refused at the next boundary."""
    gate = threading.Event()
    armed = table.recorder.record

    def slow(event: Any, *, origin: str = "engine") -> None:
        if isinstance(event, DecisionMade):
            assert gate.wait(10)
        armed(event, origin=origin)

    table.recorder.record = slow  # type: ignore[method-assign]
    first = table.wait_at(B1)
    shells = ThreadPoolExecutor(2)
    replies = [shells.submit(table.ask), shells.submit(table.ask)]
    table.until(lambda: table.decisions._asked.qsize() == 1)
    gate.set()
    first.result(10)
    second = table.wait_at(B2)
    found = sorted((reply.result(15) for reply in replies), key=lambda reply: not reply.accepted)
    shells.shutdown()
    assert [reply.accepted for reply in found] == [True, False]
    assert found[1].says == "the run waits at B-2, not at B-1"
    assert not second.done()
    assert "B-2" not in table.recorder.state.decisions


@pytest.mark.parametrize(
    ("boundary", "answer"),
    [(B1, "abort"), (B2, "abort"), (B5, "proceed")],
    ids=lambda one: getattr(one, "id", one),
)
def test_silence_means_the_boundary_s_default(table: Table, boundary: Boundary, answer: str) -> None:
    """When nobody answers, the run ends at every boundary but the destruction, and nobody is named."""
    table.wait_at(boundary, timeout_s=0.05).result(10)
    found = decided(table, boundary.id)
    assert (found.answer, found.how, found.operator) == (answer, "time limit", None)


def test_a_hold_keeps_the_copy_for_its_time(table: Table) -> None:
    """A hold is recorded with its minutes, the boundary is armed for exactly these, and then it proceeds."""
    wait = table.wait_at(B5)
    reply = table.ask("hold", "B-5", minutes=0.002)
    assert reply == Reply(accepted=True, says="held for 0.002 minutes")
    wait.result(10)
    assert table.told == [
        "armed B-5 a1 30s", "hold B-5 a1 socket", "armed B-5 a1 0.12s", "proceed B-5 a1 time limit",
    ]  # fmt: skip


def test_a_held_boundary_can_be_approved_before_its_time(table: Table) -> None:
    """After a hold the operator may still destroy at once, or hold again."""
    wait = table.wait_at(B5)
    assert table.ask("hold", "B-5", minutes=10).accepted
    assert table.ask("hold", "B-5", minutes=20).accepted
    assert table.ask("approve", "B-5").accepted
    wait.result(10)
    assert table.told == [
        "armed B-5 a1 30s", "hold B-5 a1 socket", "armed B-5 a1 600s", "hold B-5 a1 socket", "armed B-5 a1 1200s",
        "proceed B-5 a1 socket",
    ]  # fmt: skip


def test_an_abort_ends_the_waiting(table: Table) -> None:
    """The abort is recorded with who asked, the waiting ends at once, and no decision is made up."""
    wait = table.wait_at(B1)
    reply = table.ask("abort", tty="/dev/pts/3")
    wait.result(10)
    assert reply == Reply(accepted=True, says="the run ends: the teardown follows")
    found = table.recorder.state.abort
    assert found is not None
    assert (found.how, found.operator) == ("drydock abort", Operator(uid=1000, name="op", tty="/dev/pts/3"))
    assert table.recorder.state.decisions == {}


def test_an_abort_while_the_run_works_ends_the_next_waiting_at_once(table: Table) -> None:
    """A boundary that is reached after an abort does not wait."""
    assert table.ask("abort").accepted
    table.wait_at(B1).result(10)
    assert table.recorder.state.decisions == {}


def test_a_second_abort_does_not_replace_the_first(table: Table) -> None:
    """The journal names who asked first, once."""
    table.ask("abort", tty="one")
    n = table.recorder.state.last_n
    assert table.ask("abort", tty="two").accepted
    assert table.recorder.state.last_n == n


def test_a_signal_ends_the_waiting(table: Table) -> None:
    """An abort that was recorded another way wakes the waiting engine."""
    from console.model.event import AbortAsked

    wait = table.wait_at(B1)
    table.recorder.record(AbortAsked(how="SIGTERM"))
    table.decisions.interrupt()
    wait.result(10)
    assert table.recorder.state.decisions == {}


@pytest.mark.parametrize("approve", [("B-1",), ("all",), ("B-2", "B-1")])
def test_an_approval_given_in_advance_is_taken_and_named_so(tmp_path: Path, approve: tuple[str, ...]) -> None:
    """The run goes on without arming, and the decision names who started the run."""
    table = make(tmp_path, *approve)
    table.decisions.wait_at(B1, timeout_s=LONG_S, approve_line=LINE)
    found = decided(table, "B-1")
    assert (found.how, found.answer, found.operator) == ("in advance", "proceed", created().operator)
    assert table.told == ["proceed B-1 a1 in advance"]
    table.recorder.close()


def test_an_approval_in_advance_is_over_the_digest_of_then(tmp_path: Path) -> None:
    """When a byte has changed since, the boundary asks after all."""
    table = make(tmp_path, "all")
    table.digest[0] = SECOND
    table.decisions.wait_at(B1, timeout_s=0.05, approve_line=LINE)
    assert table.told == ["armed B-1 b2 0.05s", "abort B-1 b2 time limit"]
    table.recorder.close()


def test_an_approval_of_another_boundary_in_advance_does_not_count(tmp_path: Path) -> None:
    """B-1 given beforehand leaves B-2 asking."""
    table = make(tmp_path, "B-1")
    table.decisions.wait_at(B2, timeout_s=0.05, approve_line=LINE)
    assert decided(table, "B-2").answer == "abort"
    table.recorder.close()


def test_an_ended_or_closing_run_takes_nothing(table: Table) -> None:
    """After the last event, or once the engine closes, every verb but ping is refused."""
    table.recorder.record(
        RunEnded(verdict="PASS", closure="CLEAN", cause=None, failed_gate=None, failed_scenario=None, reason="",
                 residue=(), exit_code=0)
    )  # fmt: skip
    assert table.ask("abort") == Reply(accepted=False, says="the run has ended")
    assert table.ask("approve") == Reply(accepted=False, says="the run has ended")
    assert table.ask("ping") == Reply(accepted=True, says="ended")


def test_a_closed_desk_refuses(table: Table) -> None:
    """Between the end of the loop and the end of the process nothing is taken any more."""
    table.decisions.close()
    assert table.ask("abort") == Reply(accepted=False, says="the run has ended")
    assert table.recorder.state.abort is None


def test_an_engine_that_does_not_take_the_answer_says_so(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that nobody takes in time is answered with what to do."""
    monkeypatch.setattr(module, "_REPLY_PATIENCE_S", 0.05)
    table.recorder.record(
        BoundaryArmed(
            boundary="B-1", question="?", irrevocable="", digest=FIRST, default="abort", timeout_s=1
        )
    )
    reply = table.ask()
    assert reply.says == "the engine did not take the answer in time; ask for its status"
    assert not reply.accepted


def test_what_a_client_says_of_itself_is_cut_to_size() -> None:
    """Terminal and link are kept short; uid and name are the kernel's."""
    request = Request(verb="approve", tty="x" * 500, ssh="y" * 500)
    found = operator_of(request, PEER)
    assert (len(found.tty), len(found.ssh), found.uid, found.name) == (64, 128, 1000, "op")


def test_an_approval_goes_through_the_real_socket(table: Table, tmp_path: Path) -> None:
    """From another thread's socket to the waiting engine and back, with the kernel's word on who asked."""
    import os

    folder = tmp_path / "run"
    folder.mkdir()
    server = ControlServer(folder, table.decisions.handle)
    try:
        wait = table.wait_at(B1)
        assert not ask(folder, Request(verb="approve", boundary="B-1", digest="short")).accepted
        assert ask(folder, Request(verb="approve", boundary="B-1", digest=FIRST[:8])).accepted
        wait.result(10)
    finally:
        server.close()
    found = decided(table, "B-1").operator
    assert found is not None
    assert found.uid == os.geteuid()
