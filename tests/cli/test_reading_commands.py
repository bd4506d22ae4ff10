"""Tests of the commands that only read: what an operator sees, and the exit code, for each state of a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fix_journals import (
    CULPRIT,
    RUN,
    SERVER_WORDS,
    Story,
    aborted_at_b1,
    armed,
    begun,
    ended,
    fail_at_s4,
    passed,
    running_in_c05,
    sha,
    waiting_at_b2,
)

from console.cli import reading
from console.cli.listing import column_widths, width_of
from console.cli.main import main
from console.gates.kept_table import with_kept_rows
from console.gates.rewind_table import with_rewind_rows
from console.gates.sample_table import with_sample_gates
from console.gates.table import GATES as WHOLE
from console.model.event import ScenarioStarted
from console.runs import RunFolder, find_run

GATES = with_kept_rows(with_rewind_rows(with_sample_gates(WHOLE)))

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202eevil\u200b\n| x |\r"


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Return a function that writes a run's journal and keeps its engine alive where asked."""
    folder = tmp_path / "runs"
    with ExitStack() as living:

        def made(story: Story, *, alive: bool = False, run: str = RUN) -> Path:
            writer = story.write(folder, run)
            for seal in ("seal.json", "seal.sig") if story.state.ended else ():
                (folder / run / seal).touch()
            if alive:
                living.callback(writer.close)
            else:
                writer.close()
            return folder

        yield made


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the width of whoever runs the tests out of them."""
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.delenv("DRYDOCK_RUNS_DIR", raising=False)


Said = Callable[..., tuple[int, str, str]]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """Return a function that runs a command and returns code, stdout and stderr."""

    def run(*words: str | Path) -> tuple[int, str, str]:
        code = main([str(word) for word in words])
        return code, *capsys.readouterr()

    return run


def unclean() -> Story:
    """Return a failed run that left something."""
    story = Story().add(*fail_at_s4().events[:-1])
    return story.add(
        ended(
            "FAIL",
            closure="UNCLEAN",
            cause="subject",
            failed_scenario="S4",
            residue=("folder /x",),
            exit_code=4,
        )
    )


@pytest.mark.parametrize(
    ("story", "alive", "code", "words"),
    [
        (passed, False, 0, "PASS, CLEAN"),
        (fail_at_s4, False, 1, "FAIL at S4, CLEAN, cause subject"),
        (aborted_at_b1, False, 3, "ABORTED at B-1, CLEAN"),
        (unclean, False, 4, "FAIL at S4, UNCLEAN, cause subject"),
        (waiting_at_b2, True, 0, "waits for you at B-2"),
        (running_in_c05, True, 0, "running in C-05 (restore)"),
        (begun, True, 0, "running"),
        (running_in_c05, False, 4, "dead: its engine is gone in C-05 (restore)"),
        (waiting_at_b2, False, 4, "dead: its engine is gone"),
    ],
)
def test_status_says_the_state_and_answers_with_its_code(
    runs: Callable[..., Path], said: Said, story: Callable[[], Story], alive: bool, code: int, words: str
) -> None:
    """Status ends with the run's own code when it has ended, 0 while it is alive and 4 when it is dead."""
    folder = runs(story(), alive=alive)

    found, out, _err = said("status", RUN, "--runs-dir", folder)
    assert (found, words in out) == (code, True)
    found, out, _err = said("status", RUN, "--runs-dir", folder, "--json")
    assert (found, json.loads(out)["exit_code"]) == (code, code)


def test_status_shows_what_is_asked_and_the_exact_approve_line(
    runs: Callable[..., Path], said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A waiting run shows question, consequence, whole digest, and the command on one line at any width."""
    monkeypatch.setenv("COLUMNS", "44")
    line = f"drydock approve {RUN} B-2 --digest {sha('digest')[:12]} --runs-dir /srv/some/long/folder/of/runs"
    story = Story().add(*waiting_at_b2().events[:-1], armed("B-2", approve_line=line))
    folder = runs(story, alive=True)

    _code, out, _err = said("status", "--runs-dir", folder)
    flat = " ".join(out.split())
    assert line in out
    assert "question" in out
    assert "may B-2 be passed" in flat
    assert "cannot be undone production's load" in flat
    assert sha("digest") in out.replace("\n", "").replace(" ", "")
    assert "no answer" in out
    assert "means abort" in flat

    _code, out, _err = said("status", "--runs-dir", folder, "--json")
    boundary = json.loads(out)["boundary"]
    assert (boundary["id"], boundary["digest"], boundary["approve"]) == ("B-2", sha("digest"), line)


def test_a_boundary_without_a_recorded_line_gets_one(runs: Callable[..., Path], said: Said) -> None:
    """An old journal without the approve line still shows how to approve."""
    folder = runs(Story().add(*waiting_at_b2().events[:-1], armed("B-2", approve_line="")), alive=True)

    assert (
        f"drydock approve {RUN} B-2 --digest {sha('digest')[:12]}" in said("status", "--runs-dir", folder)[1]
    )


def test_status_of_a_failure_has_the_servers_words(runs: Callable[..., Path], said: Said) -> None:
    """The reason that status shows is the server's own sentence."""
    assert SERVER_WORDS in said("status", RUN[:12], "--runs-dir", runs(fail_at_s4()))[1]


def test_a_dead_run_names_the_recover_line_with_its_folder(runs: Callable[..., Path], said: Said) -> None:
    """Who copies the line that a dead run shows recovers exactly that run."""
    folder = runs(running_in_c05().add(ScenarioStarted(scenario="S2")))
    line = f"drydock recover {RUN} --runs-dir {folder}"

    assert line in said("status", "--runs-dir", folder)[1]
    assert json.loads(said("status", "--runs-dir", folder, "--json")[1])["recover"] == line
    assert f"waits for: {line}" in said("runs", "--runs-dir", folder)[2]


def test_a_run_that_ends_while_it_is_read_is_not_called_dead(
    runs: Callable[..., Path], said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal that was unfinished when read and unheld when looked at is read once more."""
    folder = runs(passed())
    stale = RunFolder(run=RUN, path=folder / RUN, state=running_in_c05().state, alive=False)
    answers = [stale]
    monkeypatch.setattr(reading, "find_run", lambda *words: answers.pop() if answers else find_run(*words))
    monkeypatch.setattr(reading, "list_runs", lambda _runs: [stale])

    assert said("status", "--runs-dir", folder)[0] == 0
    assert json.loads(said("runs", "--runs-dir", folder, "--json")[1])[0]["verdict"] == "PASS"


def test_a_young_folder_without_a_journal_is_starting_and_an_old_one_is_dead(
    tmp_path: Path, said: Said
) -> None:
    """An engine writes within seconds: a run without a journal a minute later is dead."""
    for age_s, code, words in ((0, 0, "starting"), (600, 4, "died before its first word")):
        named = datetime.now(UTC) - timedelta(seconds=age_s)
        run = f"{named:%Y%m%d-%H%M%S}-7f3a"
        (tmp_path / run).mkdir()
        found, out, _err = said("status", run, "--runs-dir", tmp_path)
        assert (found, words in out, "recover" in out) == (code, True, False)


def test_an_empty_journal_that_nobody_holds_is_a_death(runs: Callable[..., Path], said: Said) -> None:
    """An engine that died between making its journal and writing to it is not called starting."""
    run = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-7f3a"
    folder = runs(Story(), run=run)

    code, out, _err = said("status", run, "--runs-dir", folder)
    assert (code, "died before its first word" in out) == (4, True)


def test_a_broken_journal_ends_status_with_5_and_is_marked_in_the_list(
    runs: Callable[..., Path], said: Said
) -> None:
    """A changed byte is told by both commands, each in its way."""
    folder = runs(passed())
    journal = folder / RUN / "journal.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b"PASS", b"FAIL", 1))

    code, _out, err = said("status", RUN, "--runs-dir", folder)
    assert (code, "does not verify" in err) == (5, True)
    assert said("report", RUN, "--runs-dir", folder)[0] == 5
    code, out, err = said("runs", "--runs-dir", folder)
    assert (code, "broken" in out, "does not verify" in err) == (0, True, True)


def test_an_unreadable_journal_is_one_sentence(
    runs: Callable[..., Path], said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal that the system refuses to open ends each command with 2 and never with a traceback."""
    folder = runs(passed())

    def refuse(*_words: Any, **_more: Any) -> None:
        raise PermissionError(13, "Permission denied", "/runs/x/journal.jsonl")

    monkeypatch.setattr(reading, "find_run", refuse)
    monkeypatch.setattr(reading, "list_runs", refuse)
    for words in (("status", RUN), ("report", RUN), ("runs",)):
        code, _out, err = said(*words, "--runs-dir", folder)
        assert (code, "journal.jsonl cannot be read: Permission denied" in err) == (2, True)


def test_runs_lists_every_state(runs: Callable[..., Path], said: Said) -> None:
    """The list has verdict, closure, cause, place and subject, and marks who waits and who is dead."""
    for number, (story, alive) in enumerate(
        ((passed(), False), (fail_at_s4(), False), (aborted_at_b1(), False), (waiting_at_b2(), True),
         (running_in_c05(), False))
    ):  # fmt: skip
        folder = runs(story, alive=alive, run=f"20261121-03451{number}-7f3a")

    code, out, err = said("runs", "--runs-dir", folder)
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert code == 0
    assert len(lines) == 6
    for run, words in (
        ("20261121-034510", "PASS CLEAN"),
        ("20261121-034511", "FAIL CLEAN subject S4"),
        ("20261121-034512", "ABORTED CLEAN B-1"),
        ("20261121-034513", "waiting at B-2"),
        ("20261121-034514", "dead"),
    ):
        line = next(line for line in lines if line.startswith(run))
        assert words in line
        assert line.endswith("/srv/iu-cutter")
    assert err.count("waits for: drydock recover 20261121-034514-7f3a") == 1
    told = json.loads(said("runs", "--runs-dir", folder, "--json")[1])
    assert [one["condition"] for one in told] == ["dead", "waiting", "ended", "ended", "ended"]


def test_no_runs_are_no_error_in_the_list_and_one_in_status(tmp_path: Path, said: Said) -> None:
    """An empty folder lists nothing with 0; the status of no run is a usage error."""
    assert said("runs", "--runs-dir", tmp_path)[:2] == (0, "")
    assert said("runs", "--runs-dir", tmp_path, "--json")[1] == "[]\n"
    assert said("status", "--runs-dir", tmp_path)[0] == 2
    assert said("report", RUN, "--runs-dir", tmp_path)[0] == 2


def test_the_report_is_the_markdown_page_or_the_summary(runs: Callable[..., Path], said: Said) -> None:
    """Each of the four formats is printed; every other one is refused in one sentence."""
    folder = runs(fail_at_s4())

    code, page, _err = said("report", RUN, "--runs-dir", folder)
    assert (code, page.startswith(f"# Drydock report: run `{RUN}`") or RUN in page.splitlines()[0]) == (
        0,
        True,
    )
    assert CULPRIT in page
    assert said("report", RUN, "--format", "md", "--runs-dir", folder)[1] == page
    for words in (("--format", "json"), ("--json",)):
        told = json.loads(said("report", RUN, *words, "--runs-dir", folder)[1])
        assert (told["verdict"], told["failed_scenario"]) == ("FAIL", "S4")
    assert said("report", RUN, "--format", "html", "--runs-dir", folder)[1].startswith("<!doctype html>")
    assert said("report", RUN, "--format", "junit", "--runs-dir", folder)[1].startswith("<?xml ")
    for wanted in ("pdf", "xml"):
        code, out, err = said("report", RUN, "--format", wanted, "--runs-dir", folder)
        assert (code, out) == (2, "")
        assert f"this release writes no {wanted} report" in err
    assert said("report", RUN, "--format", "md", "--json", "--runs-dir", folder)[0] == 2


def test_hostile_words_reach_no_terminal(runs: Callable[..., Path], said: Said) -> None:
    """No command lets an escape, a bidirectional mark or a line of the journal's own through, nor JSON."""
    poisoned = Story().add(*waiting_at_b2().events[:-1])
    poisoned.add(armed("B-2", question=HOSTILE, irrevocable=HOSTILE, approve_line=f"drydock {HOSTILE}"))
    folder = runs(poisoned, alive=True)
    failed = Story().add(*fail_at_s4().events[:-1])
    failed.add(ended("FAIL", failed_scenario=HOSTILE, reason=HOSTILE, residue=(HOSTILE,), exit_code=4))
    runs(failed, run="20261121-034511-7f3a")

    for words in (
        ("status", RUN), ("status", RUN, "--json"), ("status", "20261121-034511"), ("runs",),
        ("runs", "--json"), ("report", "20261121-034511"), ("report", "20261121-034511", "--json"),
        ("report", RUN),
    ):  # fmt: skip
        _code, out, err = said(*words, "--runs-dir", folder)
        shown = (out + err).replace("\n", "")
        assert [one for one in shown if not one.isprintable()] == []
        assert "owned" in out


@pytest.mark.parametrize("words", [("gates",), ("packs",)])
def test_tables_fit_a_narrow_terminal(
    said: Said, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """At 60 columns no line of a table is longer than the terminal."""
    monkeypatch.setenv("COLUMNS", "60")

    code, out, _err = said(*words)
    assert code == 0
    assert [line for line in out.splitlines() if width_of(line) > 60] == []


def test_gates_are_the_table_of_the_code(said: Said) -> None:
    """Every gate is listed with step, title and remedy, one line each into a pipe, and the same as JSON."""
    _code, out, _err = said("gates")
    lines = out.splitlines()

    assert len(lines) == 1 + len(GATES)
    for gate, line in zip(GATES, lines[1:], strict=True):
        assert [part in line for part in (gate.id, gate.step, gate.title, gate.remedy)] == [True] * 4
    told = json.loads(said("gates", "--json")[1])
    assert [(one["id"], one["remedy"]) for one in told] == [(gate.id, gate.remedy) for gate in GATES]


def test_packs_name_scenarios_tables_and_known_defects(said: Said) -> None:
    """The shipped pack is listed with what it holds."""
    _code, out, _err = said("packs")

    assert "cutter_dry_run" in out
    told = json.loads(said("packs", "--json")[1])
    cutter = next(one for one in told if one["id"] == "cutter_dry_run")
    assert len(cutter["tables"]) == 12
    assert [one["id"] for one in cutter["scenarios"]][:5] == ["S1", "S2", "S3", "S4", "S4b"]
    assert "find_leaves_transaction_open" in cutter["known_bad"]
    assert cutter["baseline_rows"] == 15


def test_columns_are_narrowed_and_never_cut() -> None:
    """The widest columns give way; a wide character counts twice."""
    assert column_widths([["ab", "x" * 30], ["c", "y"]], 20) == [2, 16]
    assert column_widths([["ab", "x" * 30]], 0) == [2, 30]
    assert width_of("日本e\u0301") == 5


def test_a_terminal_without_unicode_gets_escapes_and_no_traceback(runs: Callable[..., Path]) -> None:
    """A report on an ASCII terminal is written with escapes."""
    folder = runs(fail_at_s4())
    done = subprocess.run(
        [sys.executable, "-m", "console", "report", RUN, "--runs-dir", str(folder)],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")
    assert "negative \\u03940" in done.stdout
