"""G-15 to G-20 and G-22 broken for real: somebody writes meanwhile, the subject does what it may not."""

from __future__ import annotations

from functools import partial

import pytest
from driver import Stage, Waiting
from expected import assert_closure, assert_fails
from props import (
    STRAY_ROW,
    pack,
    subject_that_hides_its_password,
    subject_that_leaves_the_surface,
    subject_that_prints_its_password,
    write_when_somebody_waits,
)


def test_somebody_writes_between_scenarios(scene: Stage) -> None:
    """A row that appears between two scenarios fails G-15 at the next one, by its table."""
    ended = scene.drive(at={"B-S5": lambda waiting: waiting.run_sql(STRAY_ROW)}, supervise="scenario")
    assert_fails(ended, "G-15", "before S5: cut_policy is 1, expected 0", scenario="S5")


def test_no_scenario_makes_an_expected_row(scene: Stage) -> None:
    """A baseline with a row that no scenario makes fails G-16 by its table, and G-15 still holds."""
    folder = pack(scene)
    words = (folder / "pack.toml").read_text("utf-8")
    (folder / "pack.toml").write_text(words.replace("\ncut_policy = 0\n", "\ncut_policy = 1\n"), "utf-8")
    ended = scene.drive("--pack", str(folder), supervise="boundary")
    assert_fails(ended, "G-16", "the row count of cut_policy is 0, expected 1")
    assert ended.verdict("G-15") == "PASS"


def test_somebody_writes_during_a_replay(scene: Stage) -> None:
    """A row that appears while S10 runs fails G-17, beside G-15 whose matrix expects no row there either."""

    ended = scene.drive(at={"B-S10": partial(write_when_somebody_waits, scene)}, supervise="scenario")
    assert ended.verdict("G-17") == "FAIL", ended.words[-2000:]
    assert ended.reason("G-17") == "S10 changed rows: cut_policy is 1, expected 0"
    assert ended.reason("G-15") == "S10: cut_policy changed by +1 rows, expected +0"
    told = ended.summary
    assert (told["verdict"], told["failed_gate"], told["failed_scenario"]) == ("FAIL", "G-15", "S10")
    assert told["cause"] == "subject"
    assert_closure(ended, ())


def test_somebody_grants_after_c06(scene: Stage) -> None:
    """A privilege granted when G-09 has been asked fails G-18 by role, privilege and table."""

    def grant(waiting: Waiting) -> None:
        waiting.run_sql("GRANT UPDATE ON public.sweep_log TO cutter_exec")

    ended = scene.drive(at={"B-4": grant})
    says = ("cutter_exec has UPDATE on table public.sweep_log", "cutter_exec UPDATE sweep_log was allowed")
    assert_fails(ended, "G-18", *says)
    assert ended.verdict("G-09") == "PASS"


def test_subject_leaves_the_sql_surface(scene: Stage) -> None:
    """A LOCK and a function that nobody declared fail G-19 at the scenario that sent them."""
    subject_that_leaves_the_surface(scene)
    ended = scene.drive()
    assert_fails(ended, "G-19", "S4: refused cutter_exec: ", "LOCK", "pg_notify", scenario="S4")


def test_somebody_deletes_and_changes_the_catalogue(scene: Stage) -> None:
    """A DELETE and a COMMENT that nobody logged fail G-20 by what they left, and no row count shows them."""

    def delete(waiting: Waiting) -> None:
        waiting.run_sql(
            STRAY_ROW, "DELETE FROM public.cut_policy", "COMMENT ON TABLE public.cut_policy IS 'touched'",
            options="-c log_statement=none",
        )  # fmt: skip

    ended = scene.drive(at={"B-S5": delete}, supervise="scenario")
    assert_fails(
        ended, "G-20", "the count of deleted tuples of public.cut_policy is 1, expected 0",
        "the digest of catalogue pg_description is ",
    )  # fmt: skip


def test_somebody_uses_the_subjects_role(scene: Stage) -> None:
    """A session of the subject's role that the client witness never saw fails G-20 by what it sent."""

    def intrude(waiting: Waiting) -> None:
        waiting.run_sql("SELECT count(*) FROM public.sweep_log", user="cutter_exec")

    ended = scene.drive(at={"B-C-09": intrude})
    assert_fails(ended, "G-20", "SELECT count(*) FROM public.sweep_log", "unexplained session: ")


def test_subject_prints_its_password(scene: Stage) -> None:
    """A password that the subject prints in base64 fails G-22, and is in nothing that is kept."""
    subject_that_prints_its_password(scene)
    ended = scene.drive()
    assert_fails(ended, "G-22", "a secret came from the subject: subject cutter_exec base64")
    assert "[redacted:cutter_exec]" in (ended.folder / "artefacts" / "harness.log").read_text("utf-8")


@pytest.mark.matrix
def test_subject_hides_its_password(scene: Stage) -> None:
    """A password in a file's name, in a link's text, or beside the trace fails G-22 by place, never by word."""
    subject_that_hides_its_password(scene)
    ended = scene.drive()
    assert_fails(ended, "G-22", "/trace/note at 0 as plain of cutter_verify", "names-and-links at ")
    findings = [one for one in ended.state.facts["scan.records"]["findings"] if "/names-and-links " in one]
    assert len(findings) >= 2
