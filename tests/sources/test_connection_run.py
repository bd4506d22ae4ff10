"""Whole runs against a production that is reached by connection: what is read there, and what ends a run."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from fix_runs import Drydock, Ended
from productions import Production


def evidence_of(ended: Ended) -> bytes:
    """Return every byte that the run left, its output too."""
    kept = b"".join(path.read_bytes() for path in sorted(ended.folder.rglob("*")) if path.is_file())
    return kept + ended.said.stdout.encode() + ended.said.stderr.encode()


def run_plan(drydock: Drydock, plan: Path, *words: str) -> Ended:
    """Run a plan file with everything approved, to its end."""
    return drydock.run(str(plan), *words)


def test_a_production_behind_a_connection_passes(drydock: Drydock, production: Production) -> None:
    """The reference subject fails, production changes, or its password shows."""
    before = production.digest()
    plan = production.plan(system_identifier=f'"{production.system_identifier}"')
    ended = run_plan(drydock, plan)
    assert ended.outcome == (0, "PASS", "CLEAN", None), ended.said.stderr
    assert ended.summary["rows_total"] == 15
    assert {gate for gate, verdict in ended.summary["gates"].items() if verdict != "PASS"} == {
        "G-03", "G-12", "G-24", "N-1", "N-2", "N-3",
    }  # fmt: skip
    assert production.digest() == before
    assert production.password.encode() not in evidence_of(ended)


def test_a_wrong_password_is_the_sources_failure(drydock: Drydock, production: Production) -> None:
    """A refused password is told in another way than one sentence, or shown."""
    wrong = "not-the-password-1234"
    ended = run_plan(drydock, production.plan(secret=f'"file:{production.secret_file(wrong)}"'))
    assert ended.outcome == (1, "FAIL", "CLEAN", "source"), ended.said.stderr
    assert 'password authentication failed for user "workflow_admin"' in ended.summary["reason"]
    assert "\n" not in ended.summary["reason"]
    assert wrong.encode() not in evidence_of(ended)
    assert ended.summary["gates"]["G-05"] == "NOT_REACHED"


def test_a_secret_that_cannot_be_had_ends_the_run_in_preflight(
    drydock: Drydock, production: Production
) -> None:
    """Something is made, or production is asked, before the secret was found."""
    open_file = production.secret_file()
    open_file.chmod(0o640)
    ended = run_plan(drydock, production.plan(secret=f'"file:{open_file}"'))
    assert ended.outcome == (1, "FAIL", "CLEAN", "environment"), ended.said.stderr
    assert "has mode 0640, allowed is 0600" in ended.summary["reason"]
    assert list(ended.state.receipts) == []
    assert list(ended.state.steps_started) == ["C-01", "C-13"]


def test_a_restart_of_production_while_the_run_waits_is_seen(
    drydock: Drydock, production: Production
) -> None:
    """A production that was restarted at B-4 passes as untouched."""
    living = drydock.start(str(production.plan()), "--approve", "B-1,B-2,B-3,B-5")
    living.wait_at("B-4")
    production.restart()
    assert drydock.command(*living.approve_line("B-4")[1:]).exit_code == 0
    ended = living.finish()
    assert ended.outcome == (4, "FAIL", "UNCLEAN", "source"), ended.said.stderr
    assert ended.summary["failed_gate"] == "G-21"
    assert "the source started at" in ended.summary["reason"]


def test_a_production_that_is_gone_is_not_untouched(drydock: Drydock, production: Production) -> None:
    """A production that does not answer any more passes G-21."""
    living = drydock.start(str(production.plan()), "--approve", "B-1,B-2,B-3,B-5")
    living.wait_at("B-4")
    production.cluster.stop()
    assert drydock.command(*living.approve_line("B-4")[1:]).exit_code == 0
    ended = living.finish()
    assert ended.outcome == (4, "FAIL", "UNCLEAN", "source"), ended.said.stderr
    assert ended.summary["failed_gate"] == "G-21"
    assert "cannot be reached" in ended.summary["reason"]


def test_drift_in_the_source_only_fails_g09(drydock: Drydock, production: Production) -> None:
    """A grant that only production has is not named."""
    production.execute("GRANT TRUNCATE ON sweep_log TO cutter_exec")
    ended = run_plan(drydock, production.plan())
    assert ended.outcome == (1, "FAIL", "CLEAN", "source"), ended.said.stderr
    assert ended.summary["failed_gate"] == "G-09"
    assert "at the source: cutter_exec has TRUNCATE on table public.sweep_log" in ended.summary["reason"]


def test_a_source_without_the_roles_passes(drydock: Drydock, production: Production) -> None:
    """Roles that only the pack has are held against the source."""
    for role in ("cutter_exec", "cutter_verify", "cutter_ro"):
        production.execute(f"DROP OWNED BY {role}", f"DROP ROLE {role}")
    ended = run_plan(drydock, production.plan())
    assert ended.outcome == (0, "PASS", "CLEAN", None), ended.summary["reason"]


def test_another_server_than_the_configured_one_is_not_copied(
    drydock: Drydock, production: Production
) -> None:
    """A dump is taken from a server that the plan does not mean."""
    ended = run_plan(drydock, production.plan(system_identifier='"7000000000000000001"'))
    assert ended.outcome == (1, "FAIL", "CLEAN", "source"), ended.said.stderr
    assert ended.summary["failed_gate"] == "G-06"
    assert ended.summary["reason"].endswith(
        f"the source has system_identifier {production.system_identifier}, "
        "the plan expects 7000000000000000001"
    )
    assert "dump" not in ended.state.notes


def test_another_major_version_is_one_sentence(
    drydock: Drydock, make_production: Callable[[int], Production]
) -> None:
    """A source of another major version ends in the words of some tool."""
    ended = run_plan(drydock, make_production(18).plan())
    assert ended.outcome == (1, "FAIL", "CLEAN", "environment"), ended.said.stderr
    assert (
        "the source is PostgreSQL 18 and the environment 16; set [environment] major = 18"
        in ended.summary["reason"]
    )


def test_a_busy_source_is_complete(drydock: Drydock, production: Production) -> None:
    """Rows and sequence values that a writer commits during the dump are held against the copy."""
    stop = threading.Event()

    def write() -> None:
        with production.connect() as connection:
            while not stop.is_set():
                connection.execute(
                    "INSERT INTO directus_settings (project_name) SELECT 'busy' FROM generate_series(1, 5)"
                )

    writer = threading.Thread(target=write)
    writer.start()
    try:
        ended = run_plan(drydock, production.plan())
    finally:
        stop.set()
        writer.join()
    assert ended.outcome == (0, "PASS", "CLEAN", None), ended.summary["reason"]
    assert "public.directus_settings_id_seq" in ended.state.notes["sequences.moved"]


@pytest.mark.parametrize("name", ["prod"])
def test_a_systemd_credential_is_taken_by_name(drydock: Drydock, production: Production, name: str) -> None:
    """A credential of systemd's is not found by its name."""
    folder = production.secret_file().parent
    (folder / name).write_text(production.password)
    with_credential = Drydock(
        root=drydock.root, variables={"CREDENTIALS_DIRECTORY": str(folder), "PGHOSTADDR": "192.0.2.1"},
        numbers=drydock.numbers,
    )  # fmt: skip
    ended = run_plan(with_credential, production.plan(secret=f'"{name}"'))
    assert ended.outcome == (0, "PASS", "CLEAN", None), ended.summary["reason"]
