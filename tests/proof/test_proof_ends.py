"""Between BEGIN and ROLLBACK: killed from every side, held up by a lock, and on a database that others write to."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from fix_runs import Drydock, Ended, Living
from functions import planted
from targets import Target, another

from console.environments.cluster import PORT
from console.environments.process import CLEAN_ENVIRONMENT
from console.environments.programs import find_programs

SLOW = (planted("PERFORM pg_sleep(100);"),)
PATIENT = ("statement_timeout_s = 100", "longest_lock_s = 100")
RUNNING = """SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND usename = 'cutter_exec' AND wait_event = 'PgSleep'"""
MARK = """INSERT INTO public.decision_backlog_entry (entry_id, idempotency_key, unit_ref, status, marked_at)
SELECT gen_random_uuid(), 'busy', 'busy', 'open', now() FROM generate_series(1, 3)"""
PATIENCE_S = 60.0


def until(reached: Callable[[], object], what: str) -> None:
    """Return when `reached` is true; fails the test when the patience is over."""
    deadline = time.monotonic() + PATIENCE_S
    while not reached():
        if time.monotonic() > deadline:
            pytest.fail(f"no {what} after {PATIENCE_S:.0f} s")
        time.sleep(0.02)


def sleeping_backend(target: Target) -> int:
    """Return the backend that has written and sleeps, as soon as there is one."""
    found: list[int] = []
    with target.connect() as connection:

        def asked() -> list[int]:
            found[:] = [pid for (pid,) in connection.execute(RUNNING).fetchall()]
            return found

        until(asked, "transaction between BEGIN and ROLLBACK")
    return found[0]


def harness_pid(living: Living) -> int:
    """Return the harness's process id, from its receipt."""
    [identity] = [one.identity for one in living.state.receipts.values() if one.name == "harness"]
    assert identity is not None
    return int(identity.split(":")[0])


def killed_between(
    drydock: Drydock, target: Target, victim: Callable[[Living, int], int]
) -> tuple[Ended, str, str]:
    """Return the run whose victim was killed in the middle of its transaction, and the digests around it."""
    before = target.digest()
    living = target.start(drydock, *PATIENT)
    backend = sleeping_backend(target)
    living.wait_until(lambda it: "proof.before" in it.facts, "first count")
    time.sleep(0.5)  # the engine looks five times a second: let it see the transaction's number
    os.kill(victim(living, backend), signal.SIGKILL)
    ended = living.finish()
    until(lambda: lives(target), "server after the kill")
    with target.connect() as connection:
        until(lambda: not connection.execute(RUNNING).fetchall(), "end of the backend")
    return ended, before, target.digest()


def lives(target: Target) -> bool:
    """Tell whether the server takes connections."""
    try:
        with target.connect():
            return True
    except psycopg.OperationalError:
        return False


def test_a_killed_harness_leaves_nothing(drydock: Drydock, template: Target) -> None:
    """After kill -9 of the harness a row stays, the proof passes, or nobody asks the server what became of it."""
    target = another(template, "killed_harness", SLOW)
    ended, before, after = killed_between(drydock, target, lambda living, _backend: harness_pid(living))
    assert ended.outcome == (1, "FAIL", "CLEAN", "subject"), ended.said.stderr
    assert ended.summary["failed_gate"] == "P-5"
    assert list(ended.state.facts["proof.certificate"]["statuses"].values()) == ["aborted"]
    assert before == after


def test_a_killed_engine_leaves_nothing(drydock: Drydock, template: Target) -> None:
    """After kill -9 of the engine a row stays, or a process of the run goes on."""
    target = another(template, "killed_engine", SLOW)
    ended, before, after = killed_between(drydock, target, lambda living, _backend: living.engine_pid())
    assert ended.outcome == (1, "FAIL", "CLEAN", "drydock"), ended.said.stderr
    assert "the engine died in C-05" in ended.summary["reason"]
    assert before == after


def test_a_killed_backend_leaves_nothing(drydock: Drydock, template: Target) -> None:
    """After kill -9 of the server's process a row stays, the proof passes, or the server is not asked again."""
    target = another(template, "killed_backend", SLOW)

    def victim(_living: Living, backend: int) -> int:
        with target.connect() as connection:
            connection.execute(
                "CHECKPOINT"
            )  # or the server could forget in the crash that there was a transaction
        return backend

    ended, before, after = killed_between(drydock, target, victim)
    assert (ended.said.exit_code, ended.summary["failed_gate"]) == (1, "P-5"), ended.said.stderr
    assert ended.summary["failed_gate"] == "P-5"
    assert list(ended.state.facts["proof.certificate"]["statuses"].values()) == ["aborted"]
    assert before == after


def test_a_lock_of_somebody_else_is_not_waited_for(drydock: Drydock, template: Target) -> None:
    """The proof waits for a lock for longer than its lock timeout, or passes without having written."""
    target = another(template, "locked")
    with target.connect() as connection:
        connection.execute("BEGIN")
        connection.execute("LOCK TABLE public.unit_version IN SHARE ROW EXCLUSIVE MODE")
        ended = target.run(drydock, "lock_timeout_s = 0.3", "statement_timeout_s = 60")
        connection.execute("ROLLBACK")
    assert ended.outcome == (1, "FAIL", "CLEAN", "subject"), ended.said.stderr
    assert (ended.summary["failed_gate"], "55P03" in ended.summary["reason"]) == ("P-5", True)


@contextmanager
def pgbench(target: Target) -> Iterator[subprocess.Popen[bytes]]:
    """Write to the database with pgbench's own transactions until the block ends."""
    programs = find_programs(16)
    passfile = target.folder / "pgpass"
    passfile.touch(mode=0o600)
    passfile.write_text(f"*:*:*:*:{target.superuser_password}\n")
    words = [
        programs.path("pgbench"),
        "-h",
        str(target.cluster.socket_folder),
        "-p",
        str(PORT),
        "-U",
        "postgres",
    ]
    variables = {**CLEAN_ENVIRONMENT, "PGPASSFILE": str(passfile)}
    subprocess.run([*words, "-i", "-q", target.name], env=variables, check=True, capture_output=True)
    said = (target.folder / "pgbench.said").open("wb")
    running = subprocess.Popen(
        [*words, "-N", "-c", "4", "-j", "1", "-T", "600", target.name],
        env=variables,
        stdout=said,
        stderr=said,
    )
    try:
        yield running
    finally:
        running.terminate()
        running.wait()
        said.close()


@contextmanager
def marking(target: Target) -> Iterator[list[int]]:
    """Write to one of the nine tables, over and over, until the block ends; the list grows with each commit."""
    stop, done = threading.Event(), [0]

    def write() -> None:
        with target.connect() as connection:
            while not stop.wait(0.01):
                connection.execute(MARK)
                done[0] += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        until(lambda: done[0], "first row of another writer")
        yield done
    finally:
        stop.set()
        writer.join()


def transactions(target: Target) -> int:
    """Return how many transactions the database has committed, by the server's own count."""
    with target.connect() as connection:
        asked = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
        [(found,)] = connection.execute(asked).fetchall()
    return int(found)


def test_a_busy_database_is_no_failure(drydock: Drydock, template: Target, tmp_path: Path) -> None:
    """While others write to the database, and to the very tables, the proof fails, or does not say what moved."""
    target = another(template, "busy")
    with pgbench(target) as bench, marking(target):
        began, before = time.monotonic(), transactions(target)
        ended = target.run(drydock)
        took_s, done = time.monotonic() - began, transactions(target) - before
        assert bench.poll() is None
    print(f"{done / took_s:.0f} transactions a second over {took_s:.1f} s")
    assert ended.outcome == (0, "PASS", "CLEAN", None), ended.said.stderr
    assert done > 100
    facts = ended.state.facts
    moved = (
        facts["proof.after"]["rows"]["decision_backlog_entry"]
        - facts["proof.before"]["rows"]["decision_backlog_entry"]
    )
    assert facts["proof.others"]["of_others"]["decision_backlog_entry"] >= moved > 0
    assert (
        "were committed by other transactions" in ended.state.notes["proof.moved"]["decision_backlog_entry"]
    )
    assert list(facts["proof.certificate"]["statuses"].values()) == ["aborted"]
    assert facts["proof.write"]["too_long"] is False
