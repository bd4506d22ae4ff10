"""One transaction of the harness's, looked at from outside while it is open, and ended when its locks last too long.

Owns the looks between BEGIN and ROLLBACK, over a session and a role of the engine's own; never sends anything for it.
"""

from __future__ import annotations

import contextlib
import signal
import time
from dataclasses import dataclass, field

import psycopg

from console.engine.proof_state import SEEN_NOTE
from console.engine.proving import drain, proving_of
from console.engine.rehearsal import Rehearsal
from console.environments.harness_process import HarnessProcess
from console.environments.process import end_process
from console.errors import Cause, StepFailed
from console.harness.rollback_only import BEGIN, NUMBER, ROLLBACK
from console.sql import EngineConnection
from console.sql import run as run_sql
from console.witness.abort_certificate import Seen, living, look_at_backends
from console.witness.held_locks import HeldLocks

LOOK_S = 0.02
"""So often is an open transaction looked at: the lock limit is kept to about this, and locks are measured to twice."""

BEGUN = "begun"
"""The pack's checkpoint at which the transaction has its number and has done nothing yet."""

_SETTLED_PATIENCE_S = 5.0


@dataclass(kw_only=True)
class Watch:
    """One of the harness's transactions while it is watched from outside."""

    run: Rehearsal
    connection: EngineConnection
    scenario: str
    expected: tuple[str, ...]
    roles: tuple[str, ...]
    known: frozenset[int]
    first_session: int
    locks: HeldLocks
    seen: Seen = field(default_factory=Seen)
    strangers: dict[int, str] = field(default_factory=dict)
    too_long: bool = False
    numbered: bool = False
    looked_inside: bool = False

    def at_checkpoint(self, name: str) -> None:
        """Look while the harness waits: its number is written down before anything else is sent."""
        self.look()
        sent = self._sent()
        if name == BEGUN:
            self.numbered = sent == self.expected[: self._at(NUMBER) + 1] and bool(self.seen.xids)
            proving_of(self.run).seen.add(self.seen)
            self.run.recorder.note(SEEN_NOTE, proving_of(self.run).remembered())
        else:
            self.looked_inside = sent == self.expected[: self._at(ROLLBACK)]

    def _at(self, statement: str) -> int:
        return self.expected.index(statement) if statement in self.expected else self.expected.index(BEGIN)

    def _sent(self) -> tuple[str, ...]:
        return tuple(one.sql for one in proving_of(self.run).statements if one.scenario == self.scenario)

    def look(self) -> None:
        """Look at every session of the two principals; raises StepFailed when one holds its locks for too long."""
        drain(self.run)
        own = self.pids()
        began = time.monotonic()
        rows = run_sql(self.connection, "proof/sessions_of_roles", {"roles": list(self.roles)})
        for pid, user in rows:
            if pid not in own | self.known:
                self.strangers[pid] = user
        look = look_at_backends(self.connection, own | self.strangers.keys(), self.seen)
        self.locks.saw(look, began=began, ended=time.monotonic())
        self._limit_locks(own)

    def unwitnessed(self) -> dict[int, str]:
        """Return sessions that the client witness never opened; the server may show one before the driver tells."""
        drain(self.run)
        return {pid: user for pid, user in self.strangers.items() if pid not in self.pids()}

    def settle(self) -> None:
        """Look until nothing is held any more, for a while: only then is it known when the locks were gone."""
        deadline = time.monotonic() + _SETTLED_PATIENCE_S
        self.look()
        while self.locks.holds and time.monotonic() < deadline:
            time.sleep(LOOK_S)
            self.look()

    def pids(self) -> frozenset[int]:
        """Return the backends that the client witness saw opened for this transaction."""
        client = self.run.client
        assert client is not None
        return frozenset(session.pid for session in client.sessions[self.first_session :])

    def open_ms(self) -> int:
        """Return how long the transaction was open by the client witness's clock, from BEGIN to the end of ROLLBACK."""
        sent = [one for one in proving_of(self.run).statements if one.scenario == self.scenario]
        began = next((at for at, one in enumerate(sent) if one.sql == BEGIN), None)
        if began is None:
            return 0
        last = next((one for one in sent[began:] if one.sql == ROLLBACK), sent[-1])
        return max(0, int((last.sent_at - sent[began].sent_at) * 1000 + last.duration_us / 1000))

    def _limit_locks(self, own: frozenset[int]) -> None:
        limit_s = self.run.config.proof.longest_lock_s
        if self.too_long or not self.locks.holds or self.locks.at_least_s < limit_s:
            return
        self.too_long = True
        for pid in own & set(living(self.connection, self.seen.users)):
            with contextlib.suppress(psycopg.Error):
                run_sql(self.connection, "proof/end_backend", {"pid": pid})
        kill_harness(self.run)
        cause: Cause = "environment" if self.locks.waits else "subject"
        waiting = ", while it waited for a lock of somebody else" if self.locks.waits else ""
        raise StepFailed(
            f"the transaction held its locks for more than {limit_s:g} s{waiting}, and was ended",
            cause=cause,
            gate="L-1",
        )


def kill_harness(run: Rehearsal) -> None:
    """End the harness by force: its sockets close, and the server rolls back whatever it had open."""
    harness = run.the_environment().harness
    if isinstance(harness, HarnessProcess):
        end_process(harness.identity, ask=signal.SIGKILL, patience_s=5.0)
        harness.end()
