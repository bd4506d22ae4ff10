"""What both witnesses say of one run: subjects that do nothing wrong, and that nothing may be said against."""

from __future__ import annotations

import time

import pytest
from harness_driver import PATIENCE_S, Stage, run
from test_program import one_scenario

from console.model.trace import ClientStatement, ServerLine
from console.witness.client import ClientTrace
from console.witness.reconcile import Reconciliation, reconcile
from console.witness.server_log import ServerLog, sessions_ended

REFUSED_TWICE = """
import psycopg
conn = ways.connect(ctx, autocommit=True)
conn.execute('CREATE TEMP TABLE seen (n int PRIMARY KEY)')
conn.autocommit = False
for _ in range(3):
    try:
        conn.cursor().executemany('INSERT INTO seen VALUES (%s)', [(n,) for n in (1, 1, 1)])
    except psycopg.errors.UniqueViolation:
        conn.rollback()
"""

THREADS_OF_PSYCOPG = """
import _thread, sys, threading
errors, there = [], threading.Event()
sys.unraisablehook = lambda told: errors.append(repr(told.exc_value))

conn = ways.connect(ctx, autocommit=True)
for _ in range(8):
    cursor = conn.cursor()
    _thread.start_new_thread(cursor.execute, ('SELECT 1',))
    for _ in range(2000):
        if cursor.pgresult or errors:
            break
        there.wait(0.005)
assert not errors, errors
"""


def _compared(stage: Stage, trace: ClientTrace, claims: list[ClientStatement]) -> Reconciliation:
    assert stage.cluster
    pids = {session.pid for session in trace.sessions}
    log, lines = ServerLog(stage.cluster.server_log), list[ServerLine]()
    deadline = time.monotonic() + PATIENCE_S
    while not sessions_ended(lines, pids):
        assert time.monotonic() < deadline
        lines += log.read().lines
    log.close()
    opened = [session.pid for session in trace.sessions]
    return reconcile(claims, [it for it in lines if it.pid in pids], opened=opened, engine_users=())


@pytest.mark.parametrize(("body", "statements"), [(REFUSED_TWICE, 19), (THREADS_OF_PSYCOPG, 8)])
def test_the_witnesses_agree(stage: Stage, body: str, statements: int) -> None:
    """The scenario ends well, every statement is told, and the server saw the same."""
    stage.write(pack=one_scenario(body))
    replies, trace, claims = run(stage, "S1")
    assert "failed" not in replies[0], replies
    assert trace.irregularities == []
    assert len(claims) == statements
    assert _compared(stage, trace, claims).sentences() == ()
