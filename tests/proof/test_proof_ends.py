"""Between BEGIN and ROLLBACK: killed from every side, and held up by a lock of somebody else."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import psycopg
import pytest
from fix_runs import Drydock, Ended, Living
from functions import planted
from targets import Target, a_subject, another

SLOW = (planted("PERFORM pg_sleep(100);"),)
PATIENT = ("statement_timeout_s = 100", "longest_lock_s = 100")
RUNNING = """SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND usename = 'cutter_exec' AND wait_event = 'PgSleep'"""
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


def begun(drydock: Drydock, target: Target, *words: str) -> tuple[Living, int]:
    """Start a proof; return it, and its backend, as soon as that has written and sleeps."""
    living = drydock.start(*words) if words else target.start(drydock, *PATIENT)
    backend = sleeping_backend(target)
    assert len(living.state.notes["proof.seen"]["xids"]) == 1  # written down before the statement was sent
    return living, backend


def killed_between(
    drydock: Drydock, target: Target, victim: Callable[[Living, int], int]
) -> tuple[Ended, str, str]:
    """Return the run whose victim was killed in the middle of its transaction, and the digests around it."""
    before = target.digest()
    living, backend = begun(drydock, target)
    os.kill(victim(living, backend), signal.SIGKILL)
    ended = living.finish()
    return ended, before, settled(target)


def settled(target: Target) -> str:
    """Return the target's digest once its server lives and the transaction's backend is gone."""
    until(lambda: lives(target), "server after the kill")
    with target.connect() as connection:
        until(lambda: not connection.execute(RUNNING).fetchall(), "end of the backend")
    return target.digest()


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


def test_a_killed_engine_leaves_nothing(drydock: Drydock, newest: Target) -> None:
    """After kill -9 of the engine a row stays, a process of the run goes on, or nobody makes the certificate."""
    target = another(newest, "killed_engine", SLOW)
    ended, before, after = killed_between(drydock, target, lambda living, _backend: living.engine_pid())
    assert ended.outcome == (1, "FAIL", "CLEAN", "drydock"), ended.said.stderr
    assert "the engine died in C-05" in ended.summary["reason"]
    assert list(ended.state.facts["proof.certificate"]["statuses"].values()) == ["aborted"]
    assert {name: ended.summary["gates"][name] for name in ("A-1", "P-7", "P-8")} == dict.fromkeys(
        ("A-1", "P-7", "P-8"), "PASS"
    )
    assert (ended.folder / "artefacts" / "certificate.json").is_file()
    checked = drydock.command("verify", str(ended.folder))
    assert checked.exit_code == 0, checked.stdout + checked.stderr
    assert before == after


def test_whoever_recovers_without_the_password_says_so(drydock: Drydock, newest: Target) -> None:
    """With engine and watchdog killed and the reader's password gone, recovery calls the certificate anything else."""
    target = another(newest, "killed_both", SLOW)
    before = target.digest()
    password = target.folder / "a-password"
    password.touch(mode=0o600)
    password.write_bytes((target.folder / "proof_reader").read_bytes())
    approve = f"B-1,B-2={target.name},B-3"
    plan = target.plan(*PATIENT, password=password)
    words = (str(plan), "--approve", approve, "--subject", str(a_subject(drydock, "")))
    living, _backend = begun(drydock, target, *words)
    engine = living.engine_pid()
    os.kill(living.watchdog_pid(), signal.SIGKILL)
    os.kill(engine, signal.SIGKILL)
    password.unlink()
    after = settled(target)
    living.finish()
    said = drydock.command("recover", living.folder.name, "--runs-dir", str(living.runs))
    state = living.state
    assert state.ended is not None, said.stderr
    assert (state.ended.verdict, state.ended.residue) == ("FAIL", ("N-6 FAIL: start of source is missing",))
    assert state.gates["A-1"].verdict == "UNKNOWN"
    assert state.gates["A-1"].reason.startswith("the server could not be asked:")
    assert str(password) in state.gates["A-1"].reason
    assert drydock.command("verify", str(living.folder)).exit_code == 0
    assert before == after


def test_a_killed_backend_leaves_nothing(drydock: Drydock, newest: Target) -> None:
    """After kill -9 of the server's process a row stays, the proof passes, or the server is not asked again."""
    target = another(newest, "killed_backend", SLOW)

    def victim(_living: Living, backend: int) -> int:
        with target.connect() as connection:
            connection.execute(
                "CHECKPOINT"
            )  # or the server could forget in the crash that there was a transaction
        return backend

    ended, before, after = killed_between(drydock, target, victim)
    assert (ended.said.exit_code, ended.summary["failed_gate"]) == (1, "P-5"), ended.said.stderr
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
    assert ended.outcome == (1, "FAIL", "CLEAN", "environment"), ended.said.stderr
    assert (ended.summary["failed_gate"], "55P03" in ended.summary["reason"]) == ("P-5", True)
    assert 0 < ended.state.facts["proof.locks"]["waited_ms"] < 3000
