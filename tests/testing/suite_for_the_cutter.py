"""A unit suite that the cutter could have had: its phases over real psycopg connections to a fake server.

Not collected here: test_cutter_suite.py puts it into the subject's own tests and runs it there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from cutter_agent.config import ConnectionConfig
from cutter_agent.db_adapter import RealPostgresAdapter
from cutter_agent.phases import CutterPhases, MarkRequest
from cutter_agent.principals import Principal
from psycopg.rows import dict_row

from console.testing import FakeServer

REQUEST = MarkRequest(
    idempotency_key="unit-1", unit_ref="iu:1", priority=1, depends_on=("iu:0",), payload={"a": 1}
)
ENV = {
    "DOT_CUTTER_DB_HOST": "/nowhere", "DOT_CUTTER_DB_PORT": "5432", "DOT_CUTTER_DB_NAME": "fake",
    "DOT_CUTTER_DB_SSLMODE": "disable", "DOT_CUTTER_EXEC_DB_USER": "cutter_exec",
    "DOT_CUTTER_EXEC_DB_PASSWORD": "exec-pass-word", "DOT_CUTTER_VERIFY_DB_USER": "cutter_verify",
    "DOT_CUTTER_VERIFY_DB_PASSWORD": "verify-pass-word",
}  # fmt: skip
COLUMNS = ("entry_id", "idempotency_key", "unit_ref", "priority", "status", "payload", "marked_at")


@pytest.fixture
def server() -> Iterator[FakeServer]:
    """Yield a server with an empty backlog whose roles begin at REPEATABLE READ, as production's do."""
    with FakeServer(settings={"default_transaction_isolation": "repeatable read"}) as made:
        made.on("FROM public.decision_backlog_entry", rows=[], columns=COLUMNS)
        made.on("INSERT INTO public.")
        yield made


def phases(server: FakeServer) -> CutterPhases:
    """Return the phases over two adapters that connect to the fake server."""

    def provider(config: ConnectionConfig) -> Any:
        return server.connect(user=config.user, row_factory=dict_row)

    return CutterPhases(
        exec_adapter=RealPostgresAdapter(Principal.EXEC, env=ENV, connection_provider=provider),
        verify_adapter=RealPostgresAdapter(Principal.VERIFY, env=ENV, connection_provider=provider),
        pause=lambda seconds: None,
    )


def test_mark_writes_one_entry_in_one_transaction(server: FakeServer) -> None:
    """MARK reads, ends that transaction, and writes all of its rows in another one."""
    made = phases(server)
    made.mark(REQUEST)
    texts = [one.sql.partition(" (")[0] for one in server.statements]
    assert texts[-6:] == [
        "BEGIN", "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
        "INSERT INTO public.decision_backlog_entry", "INSERT INTO public.decision_backlog_history",
        "INSERT INTO public.decision_backlog_dependency", "COMMIT",
    ]  # fmt: skip
    assert {one.isolation for one in server.sent("INSERT INTO")} == {"read committed"}
