"""The phases over two fake adapters."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from cutter_agent.errors import (
    IdempotencyResume,
    PhaseStop,
    PrincipalCapabilityError,
    TransientFailure,
)
from cutter_agent.phases import CutterPhases, MarkRequest
from cutter_agent.principals import Principal
from cutter_agent.retry import MAX_TRIES, whole_phase
from fakes import FakeDatabase, adapter, phases, server_error

REQUEST = MarkRequest(
    idempotency_key="unit-1", unit_ref="iu:1", priority=1, depends_on=("iu:0",), payload={"a": 1}
)
BASELINE = {
    "decision_backlog_entry": 1,
    "decision_backlog_history": 4,
    "decision_backlog_dependency": 1,
    "sweep_log": 1,
    "manifest_envelope": 1,
    "manifest_unit_block": 1,
    "review_decision": 1,
    "dot_pair_signature": 2,
    "cut_change_set": 1,
    "cut_change_set_affected_row": 1,
    "verify_result": 1,
}
PHASES = ("mark", "sweep", "review", "cut", "verify")


def run_until(database: FakeDatabase, last: str) -> tuple[CutterPhases, UUID]:
    """Run the phases up to and with `last`."""
    made = phases(database)
    entry_id = made.mark(REQUEST).entry_id
    for name in PHASES[1 : PHASES.index(last) + 1]:
        step(made, name, entry_id)()
    return made, entry_id


def step(made: CutterPhases, name: str, entry_id: UUID) -> Callable[[], object]:
    """Return one phase after MARK, ready to be called."""
    if name == "review":
        return lambda: made.review(entry_id, reviewer="somebody")
    by_name: dict[str, Callable[[UUID], object]] = {
        "sweep": made.sweep,
        "cut": made.cut,
        "verify": made.verify,
    }
    return lambda: by_name[name](entry_id)


def counts(database: FakeDatabase) -> dict[str, int]:
    """Return the rows of every table that has some."""
    return {table: len(rows) for table, rows in database.tables.items()}


def test_whole_life_leaves_fifteen_rows() -> None:
    """MARK to VERIFY leave exactly the baseline."""
    database = FakeDatabase()
    run_until(database, "verify")
    assert counts(database) == BASELINE
    assert database.total() == 15


@pytest.mark.parametrize(
    ("last", "status"),
    [
        ("mark", "marked"),
        ("sweep", "marked"),
        ("review", "reviewed"),
        ("cut", "cut_applied"),
        ("verify", "verified_complete"),
    ],
)
def test_status_after_each_phase(last: str, status: str) -> None:
    """Each phase leaves the entry in its status."""
    database = FakeDatabase()
    run_until(database, last)
    assert database.rows("decision_backlog_entry")[0]["status"] == status


def test_history_tells_the_whole_life() -> None:
    """History holds each change of status with the principal that made it."""
    database = FakeDatabase()
    run_until(database, "verify")
    told = [
        (row["from_status"], row["to_status"], row["principal"])
        for row in database.rows("decision_backlog_history")
    ]
    assert told == [
        (None, "marked", "cutter_exec"),
        ("marked", "reviewed", "cutter_exec"),
        ("reviewed", "cut_applied", "cutter_exec"),
        ("cut_applied", "verified_complete", "cutter_verify"),
    ]


def test_sweep_counts_every_dependency() -> None:
    """SWEEP records how many dependencies it saw."""
    database = FakeDatabase()
    made = phases(database)
    request = MarkRequest(idempotency_key="unit-2", unit_ref="iu:1", priority=1, depends_on=("iu:0", "iu:9"))
    made.sweep(made.mark(request).entry_id)
    assert [row["dependencies_seen"] for row in database.rows("sweep_log")] == [2]


def test_change_set_is_unsigned_until_verified() -> None:
    """CUT leaves the verifier's signature empty and VERIFY fills it."""
    database = FakeDatabase()
    made, entry_id = run_until(database, "cut")
    assert database.rows("cut_change_set")[0]["verifier_signature_id"] is None
    made.verify(entry_id)
    signed = database.rows("cut_change_set")[0]["verifier_signature_id"]
    assert signed == database.rows("verify_result")[0]["signature_id"]


def test_verify_uses_a_session_of_its_own() -> None:
    """VERIFY runs on another connection than CUT."""
    database = FakeDatabase()
    run_until(database, "verify")
    assert [connection.user for connection in database.connections] == ["cutter_exec", "cutter_verify"]


@pytest.mark.parametrize("last", PHASES)
def test_each_phase_commits_once(last: str) -> None:
    """A phase is one committed transaction."""
    database = FakeDatabase()
    run_until(database, last)
    commits = sum(connection.commits for connection in database.connections)
    assert commits == PHASES.index(last) + 1


@pytest.mark.parametrize(
    ("last", "level"),
    [
        ("mark", "read committed"),
        ("sweep", "read committed"),
        ("review", "read committed"),
        ("cut", "serializable"),
        ("verify", "serializable"),
    ],
)
def test_each_phase_has_its_isolation(last: str, level: str) -> None:
    """A phase asks for the isolation level of the design."""
    database = FakeDatabase()
    run_until(database, last)
    asked = [text for text in database.connections[-1].executed if text.startswith("set ")]
    assert asked[-1] == f"set transaction isolation level {level}"


@pytest.mark.parametrize("name", PHASES[1:])
def test_replay_writes_nothing(name: str) -> None:
    """A phase that was done before says so and leaves the rows alone."""
    database = FakeDatabase()
    made, entry_id = run_until(database, "verify")
    result = step(made, name, entry_id)()
    assert getattr(result, "replayed", None) is True
    assert counts(database) == BASELINE


def test_replayed_mark_returns_the_same_entry() -> None:
    """The same idempotency key gives the same entry."""
    database = FakeDatabase()
    made, entry_id = run_until(database, "mark")
    again = made.mark(REQUEST)
    assert (again.entry_id, again.replayed) == (entry_id, True)
    assert len(database.rows("decision_backlog_entry")) == 1


def test_another_key_is_another_entry() -> None:
    """Another idempotency key gives another entry."""
    database = FakeDatabase()
    made, entry_id = run_until(database, "mark")
    other = made.mark(MarkRequest(idempotency_key="unit-2", unit_ref="iu:1", priority=1))
    assert other.entry_id != entry_id


@pytest.mark.parametrize(("done", "name"), [("mark", "cut"), ("mark", "verify"), ("review", "verify")])
def test_phases_keep_their_order(done: str, name: str) -> None:
    """A phase whose predecessor is missing stops."""
    database = FakeDatabase()
    made, entry_id = run_until(database, done)
    with pytest.raises(PhaseStop, match="not yet"):
        step(made, name, entry_id)()


@pytest.mark.parametrize("name", ["review", "cut", "verify"])
def test_unknown_entry_stops(name: str) -> None:
    """An entry that is not there stops the phase."""
    with pytest.raises(PhaseStop, match="has no row"):
        step(phases(FakeDatabase()), name, uuid4())()


def test_verify_refuses_a_wrong_change() -> None:
    """A change set that does not hold what was promised is not countersigned."""
    database = FakeDatabase()
    made, entry_id = run_until(database, "cut")
    database.rows("cut_change_set_affected_row")[0]["after_digest"] = "0" * 64
    with pytest.raises(PhaseStop, match="promised"):
        made.verify(entry_id)
    assert database.rows("verify_result") == []


def test_crossed_principals_are_refused() -> None:
    """CUT over the verifying adapter is refused before any SQL."""
    database = FakeDatabase()
    crossed = CutterPhases(
        exec_adapter=adapter(database, Principal.VERIFY),
        verify_adapter=adapter(database, Principal.EXEC),
    )
    with pytest.raises(PrincipalCapabilityError, match="cutter_verify may not run CUT"):
        crossed.cut(uuid4())
    assert database.statements() == []


def test_failure_in_the_middle_leaves_nothing() -> None:
    """An exception in the middle of MARK leaves no row."""
    database = FakeDatabase()
    ids = iter([uuid4(), uuid4()])
    with pytest.raises(StopIteration):
        phases(database, new_id=lambda: next(ids)).mark(REQUEST)
    assert database.total() == 0


def test_transient_failure_repeats_the_whole_phase() -> None:
    """A serialization failure is met with the whole phase again, reading first."""
    database = FakeDatabase()
    database.fail("insert decision_backlog_history", server_error("40001"))
    phases(database).mark(REQUEST)
    reads = [text for text in database.statements() if "from public.decision_backlog_entry" in text]
    assert (len(reads), database.total()) == (2, 3)


def test_retries_are_bounded() -> None:
    """A failure that stays ends the phase after the last try."""
    database = FakeDatabase()
    database.fail("insert sweep_log", *[server_error("40P01") for _ in range(MAX_TRIES)])
    made, entry_id = run_until(database, "mark")
    with pytest.raises(PhaseStop, match=f"after {MAX_TRIES} tries: 40P01"):
        made.sweep(entry_id)


@pytest.mark.parametrize("sqlstate", ["42501", "22003", "57P01"])
def test_permanent_failure_is_not_repeated(sqlstate: str) -> None:
    """A denial or an unknown SQLSTATE is tried once."""
    database = FakeDatabase()
    database.fail("insert decision_backlog_entry", server_error(sqlstate))
    with pytest.raises(PhaseStop, match=sqlstate):
        phases(database).mark(REQUEST)
    inserts = [text for text in database.statements() if text.startswith("insert")]
    assert len(inserts) == 1


def test_collision_resumes() -> None:
    """A key that is taken raises IdempotencyResume and leaves nothing new."""
    database = FakeDatabase()
    database.fail("insert decision_backlog_entry", server_error("23505"))
    with pytest.raises(IdempotencyResume, match="23505"):
        phases(database).mark(REQUEST)
    assert database.total() == 0


def test_pauses_grow() -> None:
    """Between tries there is a pause, longer each time."""
    pauses: list[float] = []

    def never() -> None:
        raise TransientFailure("lost", sqlstate="40001")

    with pytest.raises(PhaseStop):
        whole_phase(never, pause=pauses.append)
    assert pauses == sorted(pauses)
    assert len(pauses) == MAX_TRIES - 1
