"""On a database that others write to at a few thousand transactions a second, and to the very nine tables."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fix_runs import Drydock
from targets import Target, another

from console.environments.cluster import PORT
from console.environments.process import CLEAN_ENVIRONMENT
from console.environments.programs import find_programs

MARK = """INSERT INTO public.decision_backlog_entry (entry_id, idempotency_key, unit_ref, status, marked_at)
VALUES (gen_random_uuid(), 'busy', 'busy', 'open', now());
"""
FILL = """INSERT INTO public.decision_backlog_history (history_id, entry_id, to_status, phase, recorded_at)
SELECT gen_random_uuid(), (SELECT entry_id FROM public.decision_backlog_entry LIMIT 1), 'old', 'MARK', now()
FROM generate_series(1, 20000)"""
DELETE = """DELETE FROM public.decision_backlog_history WHERE history_id IN
(SELECT history_id FROM public.decision_backlog_history WHERE to_status = 'old' LIMIT 3)"""
MAJOR = 18
LOWEST_RATE = 200.0
"""Below this nobody can speak of a busy database; how many it is on two idle cores is in docs/proof.md."""


@contextmanager
def pgbench(target: Target) -> Iterator[subprocess.Popen[bytes]]:
    """Write to the database with pgbench until the block ends: to its own tables, and every fifth time to ours."""
    passfile, script = target.folder / "pgpass", target.folder / "mark.sql"
    passfile.touch(mode=0o600)
    passfile.write_text(f"*:*:*:*:{target.superuser_password}\n")
    script.write_text(MARK)
    where = ["-h", str(target.cluster.socket_folder), "-p", str(PORT), "-U", "postgres"]
    words = [find_programs(MAJOR).path("pgbench"), *where]
    variables = {**CLEAN_ENVIRONMENT, "PGPASSFILE": str(passfile), "PGOPTIONS": "-c synchronous_commit=off"}
    subprocess.run([*words, "-i", "-q", target.name], env=variables, check=True, capture_output=True)
    load = ["-b", "simple-update@4", "-f", f"{script}@1", "-M", "prepared", "-c", "4", "-j", "1", "-T", "600"]
    with (target.folder / "pgbench.said").open("wb") as said:
        running = subprocess.Popen(
            [*words, *load, "-n", target.name], env=variables, stdout=said, stderr=said
        )
        try:
            yield running
        finally:
            running.terminate()
            running.wait()


@contextmanager
def deleting(target: Target) -> Iterator[None]:
    """Delete from one of the nine tables, over and over, until the block ends."""
    stop, began = threading.Event(), threading.Event()

    def delete() -> None:
        with target.connect() as connection:
            while not stop.wait(0.02):
                connection.execute(DELETE)
                began.set()

    deleter = threading.Thread(target=delete)
    deleter.start()
    try:
        assert began.wait(60)
        yield
    finally:
        stop.set()
        deleter.join()


def transactions(target: Target) -> int:
    """Return how many transactions the database has committed, by the server's own count."""
    with target.connect() as connection:
        asked = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
        [(found,)] = connection.execute(asked).fetchall()
    return int(found)


def test_a_busy_database_is_no_failure(
    drydock: Drydock, newest: Target, capsys: pytest.CaptureFixture[str]
) -> None:
    """While others write to the database, and to the very tables, the proof fails, or holds a lock for too long."""
    target = another(newest, "busy", (FILL,))
    with pgbench(target) as bench, deleting(target):
        began, before = time.monotonic(), transactions(target)
        ended = target.run(drydock, "longest_lock_s = 2", "lock_timeout_s = 1")
        took_s, done = time.monotonic() - began, transactions(target) - before
        assert bench.poll() is None
    facts = ended.state.facts
    with capsys.disabled():
        print(f" {done / took_s:.0f} transactions a second over {took_s:.1f} s; {facts.get('proof.locks')}")
    assert ended.outcome == (0, "PASS", "CLEAN", None), ended.said.stderr
    assert done / took_s > LOWEST_RATE
    before_rows, after_rows = facts["proof.before"]["rows"], facts["proof.after"]["rows"]
    added = after_rows["decision_backlog_entry"] - before_rows["decision_backlog_entry"]
    assert facts["proof.others"]["of_others"]["decision_backlog_entry"] >= added > 0
    assert after_rows["decision_backlog_history"] < before_rows["decision_backlog_history"]
    moved = ended.state.notes["proof.moved"]
    assert "were committed by other transactions" in moved["decision_backlog_entry"]
    assert "rows were deleted" in moved["decision_backlog_history"]
    assert list(facts["proof.certificate"]["statuses"].values()) == ["aborted"]
    locks = facts["proof.locks"]
    assert locks["held_at_most_ms"] <= locks["limit_ms"] == 2000
    assert locks["waited_ms"] <= locks["wait_limit_ms"] == 1000
    assert facts["proof.write"]["too_long"] is False
