"""RealPostgresAdapter over FakeConn."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from cutter_agent import db_adapter
from cutter_agent.config import ConnectionConfig
from cutter_agent.db_adapter import RealPostgresAdapter
from cutter_agent.errors import (
    AppendOnlyViolation,
    ConfigMismatch,
    ConfigMissing,
    IdempotencyResume,
    PhaseStop,
    PrincipalCapabilityError,
    TransientFailure,
)
from cutter_agent.principals import INSERTS, Isolation, Phase, Principal
from fakes import ENV, FakeDatabase, adapter, server_error


def sweep_row(entry_id: UUID | None = None) -> dict[str, Any]:
    """Return a row of sweep_log."""
    return {"sweep_id": uuid4(), "entry_id": entry_id or uuid4(), "outcome": "clear"}


def test_making_an_adapter_connects_nowhere() -> None:
    """No connection is opened before it is needed."""
    database = FakeDatabase()
    adapter(database)
    assert database.connections == []


def test_missing_key_fails_before_any_connection() -> None:
    """A missing key is found when the adapter is made."""
    database = FakeDatabase()
    with pytest.raises(ConfigMissing):
        adapter(database, DOT_CUTTER_EXEC_DB_PASSWORD="")
    assert database.connections == []


def test_connect_returns_the_principal() -> None:
    """The identity that the server gives is returned."""
    assert adapter(FakeDatabase()).connect() == "cutter_exec"


def test_foreign_session_is_refused_and_closed() -> None:
    """A session of the other principal raises ConfigMismatch and is closed."""
    database = FakeDatabase()
    with pytest.raises(ConfigMismatch, match="the session is cutter_verify"):
        adapter(database, DOT_CUTTER_EXEC_DB_USER="cutter_verify").connect()
    assert [connection.closed for connection in database.connections] == [True]


def test_find_returns_none_for_an_unknown_key() -> None:
    """A key without a row gives None."""
    assert adapter(FakeDatabase()).find("sweep_log", entry_id=uuid4()) is None


def test_find_returns_the_row() -> None:
    """A key with one row gives that row."""
    database = FakeDatabase()
    row = sweep_row()
    database.tables["sweep_log"] = [row]
    assert adapter(database).find("sweep_log", entry_id=row["entry_id"]) == row


def test_find_stops_at_several_rows() -> None:
    """A key with two rows is an error."""
    database = FakeDatabase()
    entry_id = uuid4()
    database.tables["sweep_log"] = [sweep_row(entry_id), sweep_row(entry_id)]
    with pytest.raises(PhaseStop, match="2 rows where one was expected"):
        adapter(database).find("sweep_log", entry_id=entry_id)


def test_find_twice_uses_one_connection() -> None:
    """Reading twice opens one session."""
    database = FakeDatabase()
    reader = adapter(database)
    reader.find("sweep_log", entry_id=uuid4())
    reader.find("sweep_log", entry_id=uuid4())
    assert len(database.connections) == 1


def test_find_refuses_an_unknown_table() -> None:
    """A table that is no table of the ledger is refused before any SQL."""
    database = FakeDatabase()
    with pytest.raises(ValueError, match="not a table"):
        adapter(database).find("pg_authid", rolname="postgres")
    assert database.statements() == []


@pytest.mark.parametrize("isolation", list(Isolation))
def test_transaction_sets_its_isolation_first(isolation: Isolation) -> None:
    """The first statement of a transaction sets the level."""
    database = FakeDatabase()
    writer = adapter(database)
    writer.connect()
    before = len(database.statements())
    with writer.transaction(isolation):
        writer.insert("sweep_log", sweep_row())
    assert database.statements()[before] == f"set transaction isolation level {isolation.value.lower()}"


def test_transaction_commits_once() -> None:
    """A transaction that ends well is committed once."""
    database = FakeDatabase()
    writer = adapter(database)
    with writer.transaction(Isolation.READ_COMMITTED):
        writer.insert("sweep_log", sweep_row())
        writer.insert("sweep_log", sweep_row())
    assert (database.connections[0].commits, database.total()) == (1, 2)


def test_transaction_rolls_back_on_any_exception() -> None:
    """An exception of the caller's rolls everything back and is not disguised."""
    database = FakeDatabase()
    writer = adapter(database)

    def half_a_phase() -> None:
        with writer.transaction(Isolation.READ_COMMITTED):
            writer.insert("sweep_log", sweep_row())
            raise KeyError("induced")

    with pytest.raises(KeyError, match="induced"):
        half_a_phase()
    assert (database.connections[0].commits, database.total()) == (0, 0)


def test_transactions_do_not_nest() -> None:
    """A second transaction on the same adapter is refused."""
    writer = adapter(FakeDatabase())
    with (
        pytest.raises(PhaseStop, match="already open"),
        writer.transaction(Isolation.READ_COMMITTED),
        writer.transaction(Isolation.READ_COMMITTED),
    ):
        pass


def test_adapter_is_usable_after_a_rollback() -> None:
    """A failed transaction gives the connection back."""
    database = FakeDatabase()
    database.fail("insert sweep_log", server_error("22003"))
    writer = adapter(database)
    with pytest.raises(PhaseStop), writer.transaction(Isolation.READ_COMMITTED):
        writer.insert("sweep_log", sweep_row())
    with writer.transaction(Isolation.READ_COMMITTED):
        writer.insert("sweep_log", sweep_row())
    assert (len(database.connections), database.total()) == (1, 1)


@pytest.mark.parametrize(
    ("sqlstate", "expected"),
    [
        ("42501", PhaseStop),
        ("23505", IdempotencyResume),
        ("40001", TransientFailure),
        ("40P01", TransientFailure),
        ("22003", PhaseStop),
    ],
)
def test_database_errors_become_ours(sqlstate: str, expected: type[Exception]) -> None:
    """What the server raises leaves the transaction as our class, rolled back."""
    database = FakeDatabase()
    database.fail("insert sweep_log", server_error(sqlstate))
    writer = adapter(database)
    with pytest.raises(expected, match=sqlstate), writer.transaction(Isolation.SERIALIZABLE):
        writer.insert("sweep_log", sweep_row())
    assert database.connections[0].rollbacks > 0


def test_find_inside_a_transaction_reads_there() -> None:
    """A read inside a transaction sees what it wrote."""
    database = FakeDatabase()
    writer = adapter(database)
    row = sweep_row()
    with writer.transaction(Isolation.READ_COMMITTED):
        writer.insert("sweep_log", row)
        assert writer.find("sweep_log", sweep_id=row["sweep_id"]) == row


def test_write_needs_a_transaction() -> None:
    """A write outside a transaction is refused before any SQL."""
    database = FakeDatabase()
    with pytest.raises(PhaseStop, match="a statement needs an open transaction"):
        adapter(database).insert("sweep_log", sweep_row())
    assert database.statements() == []


@pytest.mark.parametrize(
    ("principal", "table"),
    [
        (Principal.EXEC, "verify_result"),
        (Principal.EXEC, "cut_policy"),
        (Principal.VERIFY, "review_decision"),
        (Principal.VERIFY, "cut_change_set"),
        (Principal.VERIFY, "cut_policy"),
    ],
)
def test_insert_beyond_the_principal_is_refused(principal: Principal, table: str) -> None:
    """A table that is not the principal's is refused before any SQL."""
    database = FakeDatabase()
    with pytest.raises(PrincipalCapabilityError, match=f"{principal.value} may not insert into {table}"):
        adapter(database, principal).insert(table, {})
    assert database.statements() == []


def test_nobody_inserts_into_cut_policy() -> None:
    """No principal may insert a policy."""
    assert all("cut_policy" not in tables for tables in INSERTS.values())


@pytest.mark.parametrize(
    ("principal", "table", "column"),
    [
        (Principal.EXEC, "cut_change_set", "verifier_signature_id"),
        (Principal.EXEC, "decision_backlog_entry", "payload"),
        (Principal.VERIFY, "cut_change_set", "executor_signature_id"),
    ],
)
def test_update_beyond_the_principal_is_refused(principal: Principal, table: str, column: str) -> None:
    """A column that is not the principal's is refused before any SQL."""
    database = FakeDatabase()
    with pytest.raises(PrincipalCapabilityError, match=f"{table}.{column}"):
        adapter(database, principal).compare_and_set(
            table, {"entry_id": uuid4()}, column=column, expected=None, value=None
        )
    assert database.statements() == []


@pytest.mark.parametrize(("status", "moved"), [("marked", True), ("cut_applied", False)])
def test_compare_and_set(status: str, moved: bool) -> None:
    """The column is set only while it holds what is expected."""
    database = FakeDatabase()
    entry_id = uuid4()
    database.tables["decision_backlog_entry"] = [{"entry_id": entry_id, "status": status}]
    writer = adapter(database)
    with writer.transaction(Isolation.READ_COMMITTED):
        found = writer.compare_and_set(
            "decision_backlog_entry",
            {"entry_id": entry_id},
            column="status",
            expected="marked",
            value="reviewed",
        )
    assert found is moved
    assert database.rows("decision_backlog_entry")[0]["status"] == ("reviewed" if moved else status)


@pytest.mark.parametrize("principal", list(Principal))
def test_delete_is_refused(principal: Principal) -> None:
    """Deleting is refused."""
    with pytest.raises(AppendOnlyViolation, match="delete on sweep_log refused"):
        adapter(FakeDatabase(), principal).delete("sweep_log", entry_id=uuid4())


@pytest.mark.parametrize("principal", list(Principal))
def test_truncate_is_refused(principal: Principal) -> None:
    """Truncating is refused before any SQL."""
    database = FakeDatabase()
    with pytest.raises(AppendOnlyViolation, match="truncate on sweep_log refused"):
        adapter(database, principal).truncate("sweep_log")
    assert database.statements() == []


@pytest.mark.parametrize("phase", [Phase.MARK, Phase.SWEEP, Phase.REVIEW, Phase.CUT])
def test_verify_principal_runs_no_other_phase(phase: Phase) -> None:
    """The verifying principal may run VERIFY only."""
    with pytest.raises(PrincipalCapabilityError, match=f"may not run {phase.value}"):
        adapter(FakeDatabase(), Principal.VERIFY).require_phase(phase)


def test_broken_connection_is_replaced() -> None:
    """A connection that cannot even roll back is closed and another one opened."""
    database = FakeDatabase()
    reader = adapter(database)
    reader.connect()
    broken = database.connections[0]

    def refuse() -> None:
        raise psycopg.OperationalError("the connection is lost")

    broken.rollback = refuse  # type: ignore[method-assign]
    database.fail("select sweep_log", psycopg.OperationalError("server closed the connection"))
    with pytest.raises(TransientFailure):
        reader.find("sweep_log", entry_id=uuid4())
    assert broken.closed
    assert reader.find("sweep_log", entry_id=uuid4()) is None


def test_default_provider_uses_discrete_keywords(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default provider hands psycopg single values, no DSN, and turns autocommit off."""
    seen: dict[str, Any] = {}

    class Session:
        autocommit = True

    def connect(*positional: object, **keywords: object) -> Session:
        seen.update(keywords, positional=positional)
        return Session()

    monkeypatch.setattr(psycopg, "connect", connect)
    made = db_adapter._default_provider(ConnectionConfig.from_env(Principal.EXEC, ENV))
    assert made.autocommit is False
    assert seen["positional"] == ()
    assert {key: seen[key] for key in ("host", "port", "dbname", "sslmode", "user", "password")} == {
        "host": "/run/rehearsal",
        "port": 5432,
        "dbname": "directus",
        "sslmode": "disable",
        "user": "cutter_exec",
        "password": "exec-pass-word",
    }


def test_log_keeps_the_password(caplog: pytest.LogCaptureFixture) -> None:
    """Opening a session logs no password."""
    caplog.set_level("DEBUG")
    adapter(FakeDatabase()).connect()
    assert "opening a session as cutter_exec" in caplog.text
    assert "exec-pass-word" not in caplog.text


def test_close_leaves_the_adapter_usable() -> None:
    """After close another session is opened."""
    database = FakeDatabase()
    reader: RealPostgresAdapter = adapter(database)
    reader.connect()
    reader.close()
    reader.connect()
    assert [connection.closed for connection in database.connections] == [True, False]
