"""Tests of the report: every row of the required output is there, filled from the journal or not measured."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fix_journals import (
    COPY,
    CULPRIT,
    HEAD,
    RUN,
    SERVER_WORDS,
    SOURCE,
    STARTED,
    TABLES,
    WORK,
    Story,
    aborted_at_b1,
    contents,
    fail_at_s4,
    identity,
    passed,
    protected,
    running_in_c05,
    scan,
    sha,
    subject,
)

from console.evidence.report import markdown, write_report
from console.evidence.required_output import required_output
from console.model.event import EngineFailed, EngineLost, FactRecorded, RemovalFailed, SecretRedacted
from console.model.facts import FACTS
from console.model.run_state import RunState

SYSID, BACKUP = "production sysid pre / post", "backup path, sha256 and size"
SHAS, DRIVER = "SQL, harness, pack and subject sha256", "driver install scope"
PRODUCTION, SQL = "production untouched", "no forbidden SQL"
SECRETS, HARDCODE = "no secret leakage", "hardcode control"
FIELDS = [
    "execution_status",
    "dry-run environment name / sysid",
    SYSID,
    BACKUP,
    SHAS,
    DRIVER,
    "scenarios",
    "12-table matrix",
    "final baseline",
    "negative Δ0",
    "teardown",
    "protected objects untouched",
    PRODUCTION,
    SQL,
    SECRETS,
    "git SSOT",
    HARDCODE,
]


def rows_of(story: Story) -> dict[str, str]:
    """Return the required output of a run."""
    return dict(required_output(story.state))


def test_the_rows_stand_in_the_order_of_the_operators_reports() -> None:
    """Every field of the seeds' table is in the report, in its order."""
    assert [name for name, _value in required_output(fail_at_s4().state)] == FIELDS


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("execution_status", ["FAIL", "CLEAN", "cause subject", "stopped at S4"]),
        ("dry-run environment name / sysid", ["embedded", f"cluster {WORK}/copy/data", COPY, "G-10 PASS"]),
        (
            SYSID,
            [f"before `{SOURCE}`", f"after it `{SOURCE}`", "unchanged", "G-25 PASS"],
        ),
        (
            BACKUP,
            [f"{WORK}/source.dump", sha("dump"), "674,099,794 bytes", "same bytes"],
        ),
        (
            SHAS,
            [sha(one) for one in ("sql", "harness", "pack", "subject")],
        ),
        (
            DRIVER,
            ["psycopg 3.3.9 (binary)", "3.11.7", "nothing installed elsewhere", "1 site folders"],
        ),
        (
            "scenarios",
            ["S1 PASS", "S3 PASS", "S4 FAIL", "S4b NOT_REACHED", "S12 NOT_REACHED", "V NOT_REACHED"],
        ),
        ("12-table matrix", ["4 of 13 scenarios", "G-15 FAIL"]),
        (
            "final baseline",
            ["not measured: C-11 was not reached, the run stopped at S4", "after S4: 0 rows in 12 tables"],
        ),
        ("negative Δ0", ["S1 0", "S2 0", "S3 0", "S8 not measured", "S12 not measured"]),
        ("teardown", ["5 of 5 receipts closed", "N-1 NOT_APPLICABLE", "N-7 PASS"]),
        ("protected objects untouched", ["pg-dry-run-hb05-2026-05-15", STARTED, "unchanged", "G-24 PASS"]),
        (
            PRODUCTION,
            ["read only on", "repeatable read", "2 named queries", "nothing staged", STARTED],
        ),
        (
            SQL,
            ["5 of 5 statements judged in 4 scenarios", "verbs: SELECT 3, SET 2", "none refused"],
        ),
        (
            SECRETS,
            ["rehearsal.json` 0600", "secrets` 0700", "0 redactions", "scan.records not measured"],
        ),
        ("git SSOT", ["branch `main`", f"HEAD `{HEAD}`", "status clean", "unchanged", "N-5 PASS"]),
        (HARDCODE, ["63 files searched: no finding"]),
    ],
)
def test_the_seeds_failure_fills_every_row(field: str, words: list[str]) -> None:
    """Each row of the seeds' FAIL report is filled from what its journal holds."""
    assert [word for word in words if word not in rows_of(fail_at_s4())[field]] == []


def test_the_headline_has_the_servers_words_and_the_culprit() -> None:
    """The first table names verdict, closure, cause, place, the server's sentence and the subject's line."""
    head = markdown(fail_at_s4().state).split("## Required output")[0]

    for words in (
        "**FAIL**",
        "**CLEAN**",
        "| cause | subject |",
        "scenario S4",
        "gate G-15",
        SERVER_WORDS,
        CULPRIT,
    ):
        assert words in head


def test_a_pass_measures_everything() -> None:
    """The required output of a passing run holds no "not measured", and the battery passed."""
    rows = rows_of(passed())

    assert [name for name, value in rows.items() if "not measured" in value] == []
    assert "V PASS" in rows["scenarios"]
    assert "15 rows found, 15 expected; G-16 PASS" in rows["final baseline"]
    assert "13 of 13 scenarios" in rows["12-table matrix"]


def test_an_aborted_run_says_that_nothing_was_reached() -> None:
    """A run that was aborted at B-1 measured nothing, and each row names the boundary."""
    story = aborted_at_b1()
    rows, page = rows_of(story), markdown(story.state)

    assert rows["execution_status"] == "ABORTED, CLEAN, the run stopped at B-1"
    assert rows[BACKUP] == "not measured: C-03 was not reached, the run stopped at B-1"
    assert rows["teardown"] == "nothing was made, so there are no receipts"
    assert "| B-1 | abort | socket | op, uid 1000" in page
    assert "| B-2 | NOT_REACHED |" in page


def test_an_unfinished_run_has_no_verdict_and_lists_what_is_open() -> None:
    """The report of a run that goes on claims nothing about its end."""
    page = markdown(running_in_c05().state)

    assert "**none**: the run has not ended (running)" in page
    assert "not measured: C-11 has not begun" in page
    assert f"- cluster `{WORK}/copy/data`" in page


def test_the_matrix_shows_found_expected_and_what_was_not_measured() -> None:
    """The failing cell says 0 of +1, an unreached one what would have been expected."""
    matrix = markdown(fail_at_s4().state).split("## Row matrix")[1].split("## ")[0]
    row = next(line for line in matrix.splitlines() if line.startswith("| decision_backlog_entry "))

    assert row.split(" | ")[1:6] == [
        "0 / 0 PASS",
        "0 / 0 PASS",
        "0 / 0 PASS",
        "0 / +1 FAIL",
        "not measured / 0",
    ]
    assert sum(line.startswith("| ") for line in matrix.splitlines()) == 1 + len(TABLES)


@pytest.mark.parametrize(
    ("fact", "field"),
    [
        ("copy.asked", "dry-run environment name / sysid"),
        ("source.before", SYSID),
        ("source.closing", SYSID),
        ("dump", BACKUP),
        ("contents.found", SHAS),
        ("harness", DRIVER),
        ("site.before", DRIVER),
        ("site.after", DRIVER),
        ("baseline", "final baseline"),
        ("rows.S3", "negative Δ0"),
        ("protected.before", "protected objects untouched"),
        ("protected.after", "protected objects untouched"),
        ("source.reading", PRODUCTION),
        ("source.after", PRODUCTION),
        ("verbs.S3", SQL),
        ("secrets.places", SECRETS),
        ("scan.records", SECRETS),
        ("scan.artefacts", SECRETS),
        ("subject.before", "git SSOT"),
        ("subject.after", "git SSOT"),
        ("hardcode", HARDCODE),
    ],
)
def test_a_row_without_its_fact_is_not_measured(fact: str, field: str) -> None:
    """A fact that was never recorded leaves "not measured" in its row, even in a run called PASS."""
    also = {"copy.created"} if fact == "copy.asked" else set()

    assert "not measured" in rows_of(passed().without(fact, *also))[field]
    assert "not measured" not in rows_of(passed())[field]


@pytest.mark.parametrize(
    ("fact", "value", "field", "words"),
    [
        ("source.closing", identity(system_identifier="1"), SYSID, "after it `1`; changed"),
        ("source.closing", identity(started_at="later"), PRODUCTION, "`later`; changed"),
        ("restore", {"restored_sha256": sha("other")}, BACKUP, "restored from other bytes"),
        ("contents.found", contents(pack=sha("x")), SHAS, "in place pack differs"),
        ("site.after", {"digests": {"/usr/lib/python3": sha("t")}}, DRIVER, "changed outside"),
        ("baseline", {"expected": {"sweep_log": 1}, "found": {"sweep_log": 2}}, "final baseline",
         "sweep_log: 2 found, 1 expected"),
        ("rows.S9", {"before": {"sweep_log": 1}, "after": {"sweep_log": 0}}, "negative Δ0", "S9 1"),
        ("protected.after", {"objects": {}}, "protected objects untouched", "not found after"),
        ("source.reading", {"staged": ["/tmp/dump.sql"]}, PRODUCTION, "staged: `/tmp/dump.sql`"),
        ("surface.S4", {"judged": 1, "refused": ["DELETE FROM x"]}, SQL, "1 refused: `DELETE FROM x`"),
        ("scan.artefacts", scan(9, "harness.log at 7"), SECRETS, "1 findings: `harness.log at 7`"),
        ("scan.artefacts", scan(9) | {"limit_hit": True}, SECRETS, "stopped by a limit"),
        ("subject.after", subject(status="M x.py"), "git SSOT", "status `M x.py`"),
        ("subject.after", subject(tree_sha256=sha("z")), "git SSOT", "; changed; "),
        ("hardcode", {"files": 3, "findings": ["pack.py:1 an IPv4 address"]}, HARDCODE, "1 findings"),
    ],
)  # fmt: skip
def test_a_row_says_what_is_wrong(fact: str, value: Any, field: str, words: str) -> None:
    """What differs from what was expected stands in its row."""
    assert words in rows_of(passed().altered(fact, value))[field]


@pytest.mark.parametrize(
    ("fact", "value", "field", "words"),
    [
        ("baseline", {"expected": {"x": 1}, "found": {"x": "1"}}, "final baseline", "cannot be read"),
        ("secrets.places", {"files": {"/s": {"mode": "x"}}}, SECRETS, "of unknown mode"),
        (
            "surface.S4",
            {"statements": 2, "judged": 1, "unpaired": ["backend 7"]},
            SQL,
            "without an end: `backend 7`",
        ),
    ],
)
def test_what_cannot_be_read_is_not_guessed(fact: str, value: Any, field: str, words: str) -> None:
    """A malformed fact is said to be one; a number is never made up for it."""
    assert words in rows_of(passed().altered(fact, value))[field]


def test_unchanged_site_folders_need_a_folder() -> None:
    """Two empty looks at the host's packages prove nothing."""
    empty: dict[str, Any] = {"digests": {}}
    story = passed().altered("site.before", empty).altered("site.after", empty)

    assert "not measured: no site folder was looked at" in rows_of(story)[DRIVER]


def test_what_could_not_be_removed_is_named() -> None:
    """An object that is still there is open in the teardown row and among the receipts with its trouble."""
    story = running_in_c05().add(RemovalFailed(object="cluster", name=f"{WORK}/copy/data", reason="busy"))
    page = markdown(story.state)

    assert f"open: `folder {WORK}`" not in page
    assert f"`cluster {WORK}/copy/data`" in rows_of(story)["teardown"]
    assert "**still open** | busy |" in page


def test_failures_of_our_own_and_redactions_are_told() -> None:
    """An engine's exception, its death and each redaction are in the report."""
    story = running_in_c05().add(
        EngineFailed(type="KeyError", message="'x'", where=("restore (copying.py:9)",)),
        EngineLost(by="the watchdog", step="C-05", last_event=40),
        SecretRedacted(secret="cutter_exec", origin="subject", form="plain", position=3),
    )
    page = markdown(story.state)

    assert "KeyError: `'x'`" in page
    assert "`restore (copying.py:9)`" in page
    assert "in C-05, after event 40; finished by the watchdog" in page
    assert "cutter_exec in subject, form plain, position 3" in page


def test_every_gate_is_in_the_table_with_its_reason() -> None:
    """NOT_REACHED and NOT_APPLICABLE stand in the gates table beside the others."""
    table = markdown(fail_at_s4().state).split("## Gates")[1].split("## ")[0]

    assert table.count("\n| G-") == 25
    assert table.count("\n| N-") == 7
    assert "| N-1 | C-13 | NOT_APPLICABLE | containers gone | the embedded environment makes none |" in table
    assert "| G-16 | C-11 | NOT_REACHED |" in table


def test_a_journal_without_a_run_has_a_report_too() -> None:
    """An empty journal is said to be empty."""
    assert markdown(RunState()) == "# Drydock report\n\nThe journal holds no run.\n"


def test_the_facts_here_have_the_shapes_that_the_engine_records() -> None:
    """Every fact of these journals decodes as the shape that gates need, so the report reads real ones."""
    for event in passed().events:
        if isinstance(event, FactRecorded):
            name = event.name if event.name in FACTS else f"{event.name.partition('.')[0]}."
            msgspec.convert(event.value, FACTS[name], strict=True)


def test_the_report_is_written_whole_and_private(tmp_path: Path) -> None:
    """The file is 0600, replaces an older one, and leaves nothing else in the folder."""
    path = tmp_path / "report.md"
    path.write_text("old")
    path.chmod(0o644)
    previous = os.umask(0)
    try:
        write_report(path, fail_at_s4().state)
    finally:
        os.umask(previous)

    assert path.read_text(encoding="utf-8") == markdown(fail_at_s4().state)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["report.md"]


def test_a_report_that_cannot_be_written_leaves_no_torn_file(tmp_path: Path) -> None:
    """Where a folder stands in the way the error comes out and no temporary file stays."""
    (tmp_path / "report.md").mkdir()

    with pytest.raises(OSError, match=r"report\.md"):
        write_report(tmp_path / "report.md", passed().state)
    assert [one.name for one in tmp_path.iterdir()] == ["report.md"]


def test_the_same_journal_gives_the_same_page() -> None:
    """The report asks no clock and no disk: two foldings give the same bytes."""
    assert markdown(fail_at_s4().state) == markdown(fail_at_s4().state)
    assert RUN in markdown(fail_at_s4().state)


def test_protected_objects_missing_from_the_plan_are_said_to_be_none() -> None:
    """A plan that protects nothing is not shown as one whose objects were unchanged."""
    story = passed().altered("protected.before", {"objects": {}}).altered("protected.after", {"objects": {}})

    assert rows_of(story)["protected objects untouched"].startswith("the plan protects no object")
    assert protected()["objects"]
