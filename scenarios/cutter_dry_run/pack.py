"""The cutter's scenarios S1 to S12: what is done with the subject, in order, in one process.

Does things and reports them; what must come of them stands in pack.toml and is judged by the engine.
Never connects by itself but through `ctx.rival`, and never opens what the subject keeps private.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from cutter_agent.config import ConnectionConfig
from cutter_agent.db_adapter import RealPostgresAdapter
from cutter_agent.phases import CutterPhases, MarkRequest, PhaseResult
from cutter_agent.principals import Isolation, Principal

from console.harness import Context, scenario

REQUEST = MarkRequest(
    idempotency_key="dry-run-unit-0001",
    unit_ref="iu:rehearsal/0001",
    priority=10,
    depends_on=("iu:rehearsal/0000",),
    payload={"idempotency_key": "dry-run-unit-0001", "origin": "rehearsal"},
)
REVIEWER = "rehearsal-reviewer"
TOO_BIG_FOR_INTEGER = 2**40

DENIED_INSERT = (
    "INSERT INTO public.review_decision"
    " (review_id, entry_id, envelope_id, verdict, reviewer, decided_at)"
    " VALUES (%s, %s, %s, %s, %s, %s)"
)
SET_STATUS = "UPDATE public.decision_backlog_entry SET status = %s WHERE entry_id = %s"


class InducedFailure(Exception):
    """Raised in the middle of a phase, on purpose."""


class Unexpected(AssertionError):
    """The subject returned something else than the scenario asks for."""


@dataclass(kw_only=True)
class Rehearsal:
    """What later scenarios need of earlier ones."""

    exec_adapter: RealPostgresAdapter
    verify_adapter: RealPostgresAdapter
    entry_id: UUID | None = None

    def phases(self, **seams: Any) -> CutterPhases:
        """Return the phases over both adapters; `seams` replaces ids, clock or pause."""
        return CutterPhases(exec_adapter=self.exec_adapter, verify_adapter=self.verify_adapter, **seams)

    def entry(self) -> UUID:
        """Return the id of the entry that S4 marked."""
        if self.entry_id is None:
            raise Unexpected("MARK has not left an entry")
        return self.entry_id


def environment(ctx: Context) -> dict[str, str]:
    """Return the mapping that the subject is configured from; nothing comes from os.environ."""
    return {
        "DOT_CUTTER_DB_HOST": ctx.host,
        "DOT_CUTTER_DB_PORT": str(ctx.port),
        "DOT_CUTTER_DB_NAME": ctx.database,
        "DOT_CUTTER_DB_SSLMODE": ctx.sslmode,
        "DOT_CUTTER_EXEC_DB_USER": "cutter_exec",
        "DOT_CUTTER_EXEC_DB_PASSWORD": ctx.password("cutter_exec"),
        "DOT_CUTTER_VERIFY_DB_USER": "cutter_verify",
        "DOT_CUTTER_VERIFY_DB_PASSWORD": ctx.password("cutter_verify"),
    }


def rehearsal(ctx: Context) -> Rehearsal:
    """Return the two adapters, made once for the whole run."""
    known = ctx.memory.get("rehearsal")
    if isinstance(known, Rehearsal):
        return known
    env = environment(ctx)
    made = Rehearsal(
        exec_adapter=RealPostgresAdapter(Principal.EXEC, env=env),
        verify_adapter=RealPostgresAdapter(Principal.VERIFY, env=env),
    )
    ctx.memory["rehearsal"] = made
    return made


def expect(result: PhaseResult, *, replayed: bool) -> PhaseResult:
    """Return the result; raises Unexpected when the phase wrote where it should not, or did not."""
    if result.replayed is not replayed:
        raise Unexpected(f"{result.phase.value} says replayed={result.replayed}")
    return result


@scenario("S1")
def configuration(ctx: Context) -> None:
    """Build both configurations and no connection."""
    env = environment(ctx)
    with ctx.attempt("configure-exec"):
        ConnectionConfig.from_env(Principal.EXEC, env)
        rehearsal(ctx)
    with ctx.attempt("configure-verify"):
        ConnectionConfig.from_env(Principal.VERIFY, env)


@scenario("S2")
def missing_key(ctx: Context) -> None:
    """Leave one key out, three times."""
    for name, principal, key in (
        ("without-exec-password", Principal.EXEC, "DOT_CUTTER_EXEC_DB_PASSWORD"),
        ("without-verify-user", Principal.VERIFY, "DOT_CUTTER_VERIFY_DB_USER"),
        ("without-host", Principal.EXEC, "DOT_CUTTER_DB_HOST"),
    ):
        env = {other: value for other, value in environment(ctx).items() if other != key}
        with ctx.attempt(name):
            RealPostgresAdapter(principal, env=env).connect()


@scenario("S3")
def identity(ctx: Context) -> None:
    """Open both sessions, then one whose credentials belong to the other principal."""
    both = rehearsal(ctx)
    for name, adapter in (
        ("identity-exec", both.exec_adapter),
        ("identity-verify", both.verify_adapter),
    ):
        with ctx.attempt(name):
            found = adapter.connect()
            if found != adapter.principal.value:
                raise Unexpected(f"connected as {found}")
    env = environment(ctx) | {
        "DOT_CUTTER_EXEC_DB_USER": "cutter_verify",
        "DOT_CUTTER_EXEC_DB_PASSWORD": ctx.password("cutter_verify"),
    }
    with ctx.attempt("identity-mismatch"):
        mistaken = RealPostgresAdapter(Principal.EXEC, env=env)
        try:
            mistaken.connect()
        finally:
            mistaken.close()


@scenario("S4")
def mark(ctx: Context) -> None:
    """Put one unit on the backlog."""
    both = rehearsal(ctx)
    with ctx.attempt("mark"), ctx.phase("MARK"):
        both.entry_id = expect(both.phases().mark(REQUEST), replayed=False).entry_id


@scenario("S4b")
def sweep(ctx: Context) -> None:
    """Sweep the entry's dependencies."""
    both = rehearsal(ctx)
    with ctx.attempt("sweep"), ctx.phase("SWEEP"):
        expect(both.phases().sweep(both.entry()), replayed=False)


@scenario("S5")
def review(ctx: Context) -> None:
    """Review the entry."""
    both = rehearsal(ctx)
    with ctx.attempt("review"), ctx.phase("REVIEW"):
        expect(both.phases().review(both.entry(), reviewer=REVIEWER), replayed=False)


@scenario("S6")
def cut(ctx: Context) -> None:
    """Apply the entry."""
    both = rehearsal(ctx)
    with ctx.attempt("cut"), ctx.phase("CUT"):
        expect(both.phases().cut(both.entry()), replayed=False)


@scenario("S7")
def verify(ctx: Context) -> None:
    """Verify the applied entry."""
    both = rehearsal(ctx)
    with ctx.attempt("verify"), ctx.phase("VERIFY"):
        expect(both.phases().verify(both.entry()), replayed=False)


@scenario("S8")
def capability(ctx: Context) -> None:
    """Ask each principal for what belongs to the other."""
    both = rehearsal(ctx)
    crossed = CutterPhases(exec_adapter=both.verify_adapter, verify_adapter=both.exec_adapter)
    with ctx.attempt("verify-principal-cuts"), ctx.phase("CUT"):
        crossed.cut(both.entry())
    row = {
        "result_id": uuid4(),
        "change_set_id": uuid4(),
        "signature_id": uuid4(),
        "outcome": "pass",
        "verified_at": datetime.now(UTC),
    }
    with ctx.attempt("exec-principal-verifies"), ctx.phase("VERIFY"):
        both.exec_adapter.insert("verify_result", row)


@scenario("S9")
def denied(ctx: Context) -> None:
    """Send a raw INSERT that the privilege matrix denies, past the subject's own guard."""
    both = rehearsal(ctx)
    values = (uuid4(), both.entry(), uuid4(), "approved", REVIEWER, datetime.now(UTC))
    with (
        ctx.attempt("denied-insert"),
        ctx.phase("VERIFY"),
        both.verify_adapter.transaction(Isolation.SERIALIZABLE),
    ):
        both.verify_adapter.execute(DENIED_INSERT, values)


@scenario("S10")
def replay(ctx: Context) -> None:
    """Do everything once more, then make a new entry under an id that is taken."""
    both = rehearsal(ctx)
    entry_id = both.entry()
    phases = both.phases()
    again: tuple[tuple[str, Callable[[], PhaseResult]], ...] = (
        ("mark", lambda: phases.mark(REQUEST)),
        ("sweep", lambda: phases.sweep(entry_id)),
        ("review", lambda: phases.review(entry_id, reviewer=REVIEWER)),
        ("cut", lambda: phases.cut(entry_id)),
        ("verify", lambda: phases.verify(entry_id)),
    )
    for name, run in again:
        with ctx.attempt(f"replay-{name}"), ctx.phase(name.upper()):
            if expect(run(), replayed=True).entry_id != entry_id:
                raise Unexpected(f"replaying {name} found another entry")
    with ctx.attempt("key-collision"), ctx.phase("MARK"):
        both.phases(new_id=lambda: entry_id).mark(request_like("dry-run-unit-0002"))


@scenario("S11")
def atomicity(ctx: Context) -> None:
    """Fail in the middle of MARK, meet an unknown SQLSTATE, and lose a race inside CUT."""
    both = rehearsal(ctx)
    entry_id = both.entry()
    with ctx.attempt("induced-failure"), ctx.phase("MARK"):
        both.phases(new_id=ids_then_failure(good=2)).mark(request_like("dry-run-unit-0003"))
    with ctx.attempt("unknown-sqlstate"), ctx.phase("MARK"):
        both.phases().mark(request_like("dry-run-unit-0004", priority=TOO_BIG_FOR_INTEGER))
    # The rival reopens the entry for the time of one race, and completes it again after CUT has taken
    # its snapshot: CUT's own UPDATE is then a real 40001, and its retry finds the work done.
    rival = ctx.rival("cutter_exec")
    rival.execute(SET_STATUS, ("reviewed", entry_id))
    racing = both.phases(
        clock=clock_after(lambda: rival.execute(SET_STATUS, ("verified_complete", entry_id)))
    )
    with ctx.attempt("lost-race"), ctx.phase("CUT"):
        expect(racing.cut(entry_id), replayed=True)


@scenario("S12")
def append_only(ctx: Context) -> None:
    """Ask both adapters to delete and to truncate."""
    both = rehearsal(ctx)
    entry_id = both.entry()
    for name, adapter in (("exec", both.exec_adapter), ("verify", both.verify_adapter)):
        with ctx.attempt(f"delete-as-{name}"):
            adapter.delete("decision_backlog_entry", entry_id=entry_id)
        with ctx.attempt(f"truncate-as-{name}"):
            adapter.truncate("decision_backlog_history")


def request_like(key: str, *, priority: int = REQUEST.priority) -> MarkRequest:
    """Return a request under another idempotency key."""
    return MarkRequest(
        idempotency_key=key,
        unit_ref=REQUEST.unit_ref,
        priority=priority,
        depends_on=REQUEST.depends_on,
        payload={"idempotency_key": key, "origin": "rehearsal"},
    )


def ids_then_failure(*, good: int) -> Callable[[], UUID]:
    """Return a source of ids that raises InducedFailure after `good` of them."""
    left = [good]

    def next_id() -> UUID:
        if left[0] == 0:
            raise InducedFailure(f"induced after {good} rows")
        left[0] -= 1
        return uuid4()

    return next_id


def clock_after(deed: Callable[[], object]) -> Callable[[], datetime]:
    """Return a clock that does `deed` once, when it is first asked."""
    pending = [deed]

    def now() -> datetime:
        while pending:
            pending.pop()()
        return datetime.now(UTC)

    return now
