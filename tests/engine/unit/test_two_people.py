"""Tests of boundaries that two different users must approve: what counts as the second, and what never does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from test_decisions import B1, B5, FIRST, SECOND, Table, decided, make

from console.engine.control import Peer, Reply, Request
from console.engine.decisions import Decisions

OWNER = Peer(uid=1000, name="op")
OTHER = Peer(uid=1001, name="second", right="approver")
ROOT = Peer(uid=0, name="root", right="root")


def make_for_two(folder: Path, *approve: str) -> Table:
    """Return an engine that asks for two users of the group reviewers."""
    made = make(folder, *approve)
    made.decisions = Decisions(
        made.recorder, digest=lambda: made.digest[0], approve=approve, approvers="reviewers"
    )
    return made


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Table]:
    """Yield a waiting engine that asks for two users."""
    made = make_for_two(tmp_path)
    yield made
    end(made)


def end(made: Table) -> None:
    """End what waits."""
    if any(not wait.done() for wait in made.waits):
        made.decisions.handle(Request(verb="abort"), OWNER)
    made.pool.shutdown()
    made.recorder.close()


def approve(table: Table, peer: Peer, digest: str = FIRST, boundary: str = "B-1") -> Reply:
    """Approve as one user."""
    return table.decisions.handle(Request(verb="approve", boundary=boundary, digest=digest), peer)


@pytest.mark.parametrize("order", [(OWNER, OTHER), (OTHER, OWNER)])
def test_two_different_users_let_the_run_go_on(two: Table, order: tuple[Peer, Peer]) -> None:
    """The first approval leaves the boundary armed; the second user's decides, and both are in the decision."""
    wait = two.wait_at(B1)
    first = approve(two, order[0])
    assert first.accepted and "another user of reviewers must approve too" in first.says
    assert two.recorder.state.armed is not None and not wait.done()
    assert approve(two, order[1]) == Reply(accepted=True, says="B-1 was approved")
    wait.result(10)
    made = decided(two, "B-1")
    assert made.first is not None and made.operator is not None
    assert (made.first.uid, made.operator.uid) == (order[0].uid, order[1].uid)


def test_one_user_twice_is_one_user(two: Table) -> None:
    """The same uid's second approval is refused by name and decides nothing."""
    two.wait_at(B1)
    approve(two, OWNER)
    again = approve(two, Peer(uid=OWNER.uid, name="op", right="approver"))
    assert not again.accepted and "op has approved B-1 already" in again.says
    assert "B-1" not in two.recorder.state.decisions


def test_root_is_not_a_second_person(two: Table) -> None:
    """Root, who can be anybody, counts neither as the first nor as the second where it is not the operator."""
    two.wait_at(B1)
    said = approve(two, ROOT)
    assert said == Reply(
        accepted=False, says="two different users must approve B-1, and root stands for anybody"
    )
    approve(two, OWNER)
    assert not approve(two, ROOT).accepted
    assert "B-1" not in two.recorder.state.decisions


def test_a_changed_byte_needs_both_again(two: Table) -> None:
    """After the digest changed, the first approval is void: the boundary is armed again for two."""
    two.wait_at(B1)
    approve(two, OWNER)
    two.digest[0] = SECOND
    assert "changed" in approve(two, OTHER).says
    assert two.recorder.state.approvals == ()
    assert approve(two, OTHER, SECOND).accepted
    assert "B-1" not in two.recorder.state.decisions


def test_an_approval_in_advance_is_one_of_two(tmp_path: Path) -> None:
    """What was given at the start counts as its operator's; that operator cannot add the second, another user can."""
    made = make_for_two(tmp_path, "all")
    wait = made.wait_at(B1)
    made.until(lambda: made.recorder.state.approvals)
    created = made.recorder.state.created
    assert created is not None
    assert not approve(made, Peer(uid=created.operator.uid, name="op")).accepted
    assert approve(made, OTHER).accepted
    wait.result(10)
    assert decided(made, "B-1").first == created.operator
    end(made)


def test_b5_needs_one(two: Table) -> None:
    """Where silence means proceed, one operator is enough, and an approver alone is not the operator."""
    wait = two.wait_at(B5)
    assert not approve(two, OTHER, boundary="B-5").accepted
    assert approve(two, OWNER, boundary="B-5").accepted
    wait.result(10)


def test_silence_after_one_approval_is_an_abort(two: Table) -> None:
    """One approval and then nothing ends as the boundary's default, never as approved."""
    wait = two.wait_at(B1, timeout_s=0.3)
    approve(two, OWNER)
    wait.result(10)
    made = decided(two, "B-1")
    assert (made.answer, made.how) == ("abort", "time limit")


def test_an_approver_is_shown_what_is_asked(two: Table) -> None:
    """The engine tells question, digest and who has approved to somebody who cannot read the journal."""
    two.wait_at(B1)
    approve(two, OWNER)
    shown = two.decisions.handle(Request(verb="show"), OTHER).shown
    assert shown is not None and shown.armed is not None
    assert (shown.armed.digest, shown.armed.needs, shown.armed.approvers) == (FIRST, 2, "reviewers")
    assert [given.operator.uid for given in shown.approvals] == [OWNER.uid]
