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

from console.engine.control import Peer, Reply, Request
from console.engine.recorder import Recorder
from console.engine.unrecorded import dying_unwritten
from console.model.event import AbortAsked, BoundaryArmed, DecisionMade, Operator
from console.model.plan import Boundary
from console.model.text import one_line

SHORTEST_DIGEST_CHARS = 8
LONGEST_HOLD_MINUTES = 24 * 60.0
_REPLY_PATIENCE_S = 10.0


@dataclass(frozen=True, kw_only=True)
class _Asked:
    request: Request
    peer: Peer
    reply: Future[Reply] = field(default_factory=Future)


def operator_of(request: Request, peer: Peer) -> Operator:
    """Return who decided: uid and name from the kernel, tty and SSH link as the client says."""
    return Operator(uid=peer.uid, name=peer.name, tty=request.tty[:64], ssh=request.ssh[:128])


class Decisions:
    """Takes requests from the control thread and hands them to the waiting main thread."""

    def __init__(self, recorder: Recorder, *, digest: Callable[[], str], approve: tuple[str, ...]) -> None:
        self._recorder = recorder
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
        if state.ended is not None or self._closing.is_set():
            return Reply(accepted=False, says="the run has ended")
        if request.verb == "abort":
            if state.abort is None:
                with dying_unwritten():
                    self._recorder.record(
                        AbortAsked(how="drydock abort", operator=operator_of(request, peer))
                    )
            self._asked.put(_Asked(request=request, peer=peer))
            return Reply(accepted=True, says="the run ends: the teardown follows")
        asked = _Asked(request=request, peer=peer)
        refusal = self._refusal(request)
        if refusal:
            return Reply(accepted=False, says=refusal)
        self._asked.put(asked)
        try:
            return asked.reply.result(_REPLY_PATIENCE_S)
        except TimeoutError:
            return Reply(
                accepted=False, says="the engine did not take the answer in time; ask for its status"
            )

    def _refusal(self, request: Request) -> str:
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
        return ""

    def interrupt(self) -> None:
        """Wake the main thread after an abort that came another way (a signal)."""
        self._asked.put(_Asked(request=Request(verb="abort"), peer=Peer(uid=-1, name="")))

    def wait_at(self, boundary: Boundary, *, timeout_s: float, approve_line: str) -> None:
        """Return when the boundary is decided, or when an abort was asked for; both are recorded."""
        digest = self._digest()
        given = self._given(boundary)
        if given and digest == self._approved_digest:
            self._decide(boundary, answer="proceed", how="in advance", digest=digest)
            return
        self._arm(boundary, digest=digest, timeout_s=timeout_s, approve_line=approve_line)
        deadline = time.monotonic() + timeout_s
        while self._recorder.state.abort is None:
            try:
                asked = self._asked.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                answer = boundary.default
                self._decide(boundary, answer=answer, how="time limit", digest=digest)
                return
            if asked.request.verb == "abort":
                continue
            refusal = self._refusal(asked.request)
            if refusal:
                asked.reply.set_result(Reply(accepted=False, says=refusal))
                continue
            fresh = self._digest()
            if fresh != digest:
                digest = fresh
                self._arm(boundary, digest=digest, timeout_s=timeout_s, approve_line=approve_line)
                deadline = time.monotonic() + timeout_s
                asked.reply.set_result(
                    Reply(accepted=False, says="something under the digest has changed; it is armed again")
                )
                continue
            if asked.request.verb == "hold":
                held_s = asked.request.minutes * 60
                self._decide(boundary, answer="hold", how="socket", digest=digest, asked=asked)
                self._arm(boundary, digest=digest, timeout_s=held_s, approve_line=approve_line)
                deadline = time.monotonic() + held_s
                asked.reply.set_result(
                    Reply(accepted=True, says=f"held for {asked.request.minutes:g} minutes")
                )
                continue
            self._decide(boundary, answer="proceed", how="socket", digest=digest, asked=asked)
            asked.reply.set_result(Reply(accepted=True, says=f"{boundary.id} was approved"))
            return

    def _given(self, boundary: Boundary) -> bool:
        """Tell whether the boundary was approved at the start; one that asks for a name only by that name."""
        if boundary.typed:
            return f"{boundary.id}={boundary.typed}" in self._approve
        return "all" in self._approve or boundary.id in self._approve

    def _arm(self, boundary: Boundary, *, digest: str, timeout_s: float, approve_line: str) -> None:
        self._recorder.record(
            BoundaryArmed(
                boundary=boundary.id,
                question=boundary.question,
                irrevocable=boundary.irrevocable,
                digest=digest,
                default=boundary.default,
                timeout_s=timeout_s,
                approve_line=approve_line.replace("{digest}", digest[:12]),
                typed=boundary.typed,
            )
        )

    def _decide(
        self, boundary: Boundary, *, answer: str, how: str, digest: str, asked: _Asked | None = None
    ) -> None:
        state = self._recorder.state
        request = asked.request if asked else Request(verb="approve")
        self._recorder.record(
            DecisionMade(
                boundary=boundary.id,
                answer=answer,  # type: ignore[arg-type]
                how=how,  # type: ignore[arg-type]
                digest=digest,
                operator=self._who(asked, how),
                armed_at=state.armed_at if state.armed else "",
                shown_at=request.shown_at[:40],
                early_keys=request.early_keys,
                minutes=request.minutes,
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
