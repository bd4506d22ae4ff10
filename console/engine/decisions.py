"""Waiting at a boundary: arms it, checks what is approved over what, and records the decision.

The engine's main thread waits here and nowhere else for people. A changed byte under the digest arms
the boundary again; a digest that is not the one shown is refused and changes nothing.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from console.engine.control import Peer, Reply, Request, Shown
from console.engine.recorder import Recorder
from console.engine.unrecorded import dying_unwritten
from console.model.event import (
    NOTIFIED_NOTE,
    AbortAsked,
    ApprovalGiven,
    BoundaryArmed,
    DecisionMade,
    Operator,
)
from console.model.plan import Boundary
from console.model.run_state import RunState
from console.model.text import one_line

SHORTEST_DIGEST_CHARS = 8
LONGEST_HOLD_MINUTES = 24 * 60.0
_REPLY_PATIENCE_S = 10.0


@dataclass(frozen=True, kw_only=True)
class _Asked:
    request: Request
    peer: Peer
    reply: Future[Reply] = field(default_factory=Future)


@dataclass(kw_only=True)
class _Wait:
    """A boundary that is waited at: over which digest, and until when (monotonic seconds)."""

    boundary: Boundary
    timeout_s: float
    approve_line: str
    digest: str
    deadline: float = 0.0


def operator_of(request: Request, peer: Peer) -> Operator:
    """Return who decided: uid and name from the kernel, tty and SSH link as the client says."""
    return Operator(uid=peer.uid, name=peer.name, tty=request.tty[:64], ssh=request.ssh[:128])


def _shown(state: RunState) -> Shown:
    created = state.created
    return Shown(
        run=state.run, title=created.title if created else "", condition=state.condition, armed=state.armed,
        subject=str(created.config.get("subject_folder", "")) if created else "",
        armed_at=state.armed_at, approvals=state.approvals if state.armed else (),
    )  # fmt: skip


class Decisions:
    """Takes requests from the control thread and hands them to the waiting main thread."""

    def __init__(
        self, recorder: Recorder, *, digest: Callable[[], str], approve: tuple[str, ...], approvers: str = ""
    ) -> None:
        """Take decisions; `approvers` names the second users' group, "" when one user is enough."""
        self._recorder = recorder
        self._approvers = approvers
        self._digest = digest
        self._approve = approve
        self._approved_digest = digest()
        self._asked: queue.Queue[_Asked] = queue.Queue()
        self._closing = threading.Event()

    def handle(self, request: Request, peer: Peer) -> Reply:
        """Answer one request (called by the control thread)."""
        state = self._recorder.state
        if request.verb == "ping":
            return Reply(accepted=True, says=state.condition)
        if request.verb == "show":
            return Reply(accepted=True, says=state.condition, shown=_shown(state))
        if state.ended is not None or self._closing.is_set():
            return Reply(accepted=False, says="the run has ended")
        if request.verb == "notified":
            return self._notified(request)
        if request.verb == "abort":
            if state.abort is None:
                with dying_unwritten():
                    self._recorder.record(
                        AbortAsked(how="drydock abort", operator=operator_of(request, peer))
                    )
            self._asked.put(_Asked(request=request, peer=peer))
            return Reply(accepted=True, says="the run ends: the teardown follows")
        asked = _Asked(request=request, peer=peer)
        refusal = self._refusal(request, peer)
        if refusal:
            return Reply(accepted=False, says=refusal)
        self._asked.put(asked)
        try:
            return asked.reply.result(_REPLY_PATIENCE_S)
        except TimeoutError:
            return Reply(
                accepted=False, says="the engine did not take the answer in time; ask for its status"
            )

    def _notified(self, request: Request) -> Reply:
        """Journal what became of a notification; it changes nothing else."""
        name = f"{NOTIFIED_NOTE}.{one_line(request.boundary, limit_chars=40)}"
        with dying_unwritten():
            noted = self._recorder.note_before_end(name, one_line(request.says, limit_chars=300))
        return Reply(accepted=noted, says="noted" if noted else "the run has ended")

    def _refusal(self, request: Request, peer: Peer) -> str:
        armed = self._recorder.state.armed
        if armed is None:
            return "the run does not wait at a boundary"
        if request.boundary != armed.boundary:
            return f"the run waits at {armed.boundary}, not at {request.boundary or 'no boundary'}"
        if len(request.digest) < SHORTEST_DIGEST_CHARS:
            return f"give the digest that status shows, {SHORTEST_DIGEST_CHARS} characters or more"
        if not armed.digest.startswith(request.digest):
            return f"the digest is not the one of {armed.boundary}: look at the status again"
        if request.verb == "approve" and armed.typed and request.typed != armed.typed:
            said = f"{one_line(request.typed, limit_chars=60)!r}" if request.typed else "nothing"
            return f"{armed.boundary} asks for the name {armed.typed!r} typed out, and {said} was typed"
        if request.verb == "hold" and armed.default != "proceed":
            return f"{armed.boundary} cannot be held"
        if request.verb == "hold" and not 0 < request.minutes <= LONGEST_HOLD_MINUTES:
            return f"hold takes minutes, above 0 and at most {LONGEST_HOLD_MINUTES:.0f}"
        return self._refusal_of_person(armed, peer) if request.verb == "approve" else ""

    def _refusal_of_person(self, armed: BoundaryArmed, peer: Peer) -> str:
        """Say why this user's approval does not count; "" when it does."""
        if armed.needs < 2:
            return "" if peer.right != "approver" else f"{armed.boundary} is for the run's own operator"
        if peer.right == "root":
            return f"two different users must approve {armed.boundary}, and root stands for anybody"
        if peer.uid in {given.operator.uid for given in self._recorder.state.approvals}:
            return f"{peer.name} has approved {armed.boundary} already; another user of {armed.approvers} must too"
        return ""

    def interrupt(self) -> None:
        """Wake the main thread after an abort that came another way (a signal)."""
        self._asked.put(_Asked(request=Request(verb="abort"), peer=Peer(uid=-1, name="")))

    def wait_at(self, boundary: Boundary, *, timeout_s: float, approve_line: str) -> None:
        """Return when the boundary is decided, or when an abort was asked for; both are recorded."""
        wait = _Wait(boundary=boundary, timeout_s=timeout_s, approve_line=approve_line, digest=self._digest())
        given = self._given(boundary) and wait.digest == self._approved_digest
        if given and self._needs(boundary) < 2:
            self._decide(wait, answer="proceed", how="in advance")
            return
        self._arm(wait, timeout_s)
        if given:
            self._approve_in_advance(wait)
        while self._recorder.state.abort is None:
            try:
                asked = self._asked.get(timeout=max(0.0, wait.deadline - time.monotonic()))
            except queue.Empty:
                self._decide(wait, answer=boundary.default, how="time limit")
                return
            if asked.request.verb != "abort" and self._answered(wait, asked):
                return

    def _given(self, boundary: Boundary) -> bool:
        """Tell whether the boundary was approved at the start; one that asks for a name only by that name."""
        if boundary.typed:
            return f"{boundary.id}={boundary.typed}" in self._approve
        return "all" in self._approve or boundary.id in self._approve

    def _needs(self, boundary: Boundary) -> int:
        """Two, where they are asked for and silence would not do the same anyway (B-5)."""
        return 2 if self._approvers and boundary.default == "abort" else 1

    def _answered(self, wait: _Wait, asked: _Asked) -> bool:
        """Take one request at the boundary; return whether that decided it."""
        refusal = self._refusal(asked.request, asked.peer)
        fresh = wait.digest if refusal else self._digest()
        if fresh != wait.digest:
            wait.digest = fresh
            self._arm(wait, wait.timeout_s)
            refusal = "something under the digest has changed; it is armed again"
        if refusal:
            asked.reply.set_result(Reply(accepted=False, says=refusal))
            return False
        if asked.request.verb == "hold":
            self._decide(wait, answer="hold", how="socket", asked=asked)
            self._arm(wait, asked.request.minutes * 60)
            says = f"held for {asked.request.minutes:g} minutes"
        elif len(self._recorder.state.approvals) + 1 < self._needs(wait.boundary):
            self._approve_first(wait, asked)
            says = f"{wait.boundary.id} has one approval of two: another user of {self._approvers} must approve too"
        else:
            self._decide(wait, answer="proceed", how="socket", asked=asked)
            asked.reply.set_result(Reply(accepted=True, says=f"{wait.boundary.id} was approved"))
            return True
        asked.reply.set_result(Reply(accepted=True, says=says))
        return False

    def _approve_in_advance(self, wait: _Wait) -> None:
        created = self._recorder.state.created
        assert created is not None
        self._recorder.record(
            ApprovalGiven(
                boundary=wait.boundary.id, how="in advance", digest=wait.digest, operator=created.operator
            )
        )

    def _approve_first(self, wait: _Wait, asked: _Asked) -> None:
        self._recorder.record(
            ApprovalGiven(
                boundary=wait.boundary.id,
                how="socket",
                digest=wait.digest,
                operator=operator_of(asked.request, asked.peer),
                shown_at=asked.request.shown_at[:40],
                early_keys=asked.request.early_keys,
            )
        )

    def _arm(self, wait: _Wait, timeout_s: float) -> None:
        boundary, needs = wait.boundary, self._needs(wait.boundary)
        wait.deadline = time.monotonic() + timeout_s
        self._recorder.record(
            BoundaryArmed(
                boundary=boundary.id,
                question=boundary.question,
                irrevocable=boundary.irrevocable,
                digest=wait.digest,
                default=boundary.default,
                timeout_s=timeout_s,
                approve_line=wait.approve_line.replace("{digest}", wait.digest[:12]),
                typed=boundary.typed,
                needs=needs,
                approvers=self._approvers if needs > 1 else "",
            )
        )

    def _decide(self, wait: _Wait, *, answer: str, how: str, asked: _Asked | None = None) -> None:
        state = self._recorder.state
        request = asked.request if asked else Request(verb="approve")
        self._recorder.record(
            DecisionMade(
                boundary=wait.boundary.id,
                answer=answer,  # type: ignore[arg-type]
                how=how,  # type: ignore[arg-type]
                digest=wait.digest,
                operator=self._who(asked, how),
                armed_at=state.armed_at if state.armed else "",
                shown_at=request.shown_at[:40],
                early_keys=request.early_keys,
                minutes=request.minutes,
                first=state.approvals[0].operator if state.armed and state.approvals else None,
            )
        )

    def _who(self, asked: _Asked | None, how: str) -> Operator | None:
        """Who decided: the one who asked now, or who started the run and gave it in advance."""
        if asked is not None:
            return operator_of(asked.request, asked.peer)
        created = self._recorder.state.created
        return created.operator if created is not None and how == "in advance" else None

    def close(self) -> None:
        """Refuse what comes from now on."""
        self._closing.set()
