"""Planted defects: each caught at its place and in its words; correct variants pass."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fix_runs import Drydock, Ended, Play, played_together
from fix_terminal import Terminal
from subjects import KNOWN_BAD, PACK, SEEDS_DEFECT, VARIANTS, changed_pack, random_copy

from console.model.event import GateJudged, ScenarioFinished, ScenarioStarted, StepStarted
from console.subjects import read_patch

SUITE_WAIT_S = 120
ROLE_SETTING = "default_transaction_isolation=repeatable read"


def rehearse(folder: Path, major: int, drydock: Drydock) -> tuple[Ended, Path]:
    """Return the run of a subject under a random name, and that copy."""
    copy = random_copy(drydock, folder)
    return drydock.run("--subject", str(copy), "--pg-major", str(major)), copy


def without_role_setting(drydock: Drydock) -> Ended:
    """Return the run of the seeds' defect with a pack that declares no setting for its writing role."""
    privileges = json.loads((PACK / "frozen" / "privileges.json").read_text("utf-8"))
    roles = privileges["roles"]["cutter_exec"]
    assert roles["settings"] == [ROLE_SETTING]
    pack = changed_pack(
        drydock,
        (
            "demo/010_roles.sql",
            "ALTER ROLE cutter_exec SET default_transaction_isolation = 'repeatable read';",
            "",
        ),
    )
    roles["settings"] = []
    (pack / "frozen" / "privileges.json").write_text(json.dumps(privileges), "utf-8")
    copy = random_copy(drydock, SEEDS_DEFECT)
    return drydock.run("--subject", str(copy), "--pack", str(pack))


PLAYS: dict[str, Play] = {
    **{f"{name} on 16": partial(rehearse, folder, 16) for name, folder in (KNOWN_BAD | VARIANTS).items()},
    f"{SEEDS_DEFECT.name} on 18": partial(rehearse, SEEDS_DEFECT, 18),
    "without role setting": without_role_setting,
}


def expectation(folder: Path) -> dict[str, Any]:
    """Return what the defect's own file expects."""
    patch = read_patch(folder)
    assert patch is not None
    return patch.expect


def assert_caught(ended: Ended, expected: dict[str, Any]) -> None:
    """Fail unless the run ended FAIL and CLEAN at the expected place, with its cause and its words."""
    assert ended.outcome == (1, "FAIL", "CLEAN", expected["cause"]), ended.said.stderr
    found = ended.summary
    assert (found["failed_scenario"] or found["failed_gate"]) == expected["place"]
    assert expected["says"] in ended.said.stderr
    assert_nothing_follows(ended, expected["place"])


def assert_nothing_follows(ended: Ended, place: str) -> None:
    """Fail unless nothing but judgements of the failed place and the teardown follows the failure."""
    failed_at, after_steps, after_scenarios, gates = 0, [], [], set()
    for entry in ended.entries:
        event = entry.event
        if failed_at:
            after_steps += [event.step] if isinstance(event, StepStarted) else []
            after_scenarios += [event.scenario] if isinstance(event, ScenarioStarted) else []
            if isinstance(event, GateJudged) and not event.scenario:
                gates.add(event.gate)
        elif isinstance(event, ScenarioFinished | GateJudged) and event.verdict == "FAIL":
            failed_at = entry.n
    assert failed_at, f"nothing failed in {place}"
    assert (after_steps, after_scenarios) == (["C-13"], [])
    assert gates == {"G-24", "G-25", "N-4", "N-5", "N-6", "N-7"}


def on(names: dict[str, Path], *majors: int) -> list[str]:
    """Return the plays' names."""
    return [f"{name} on {major}" for major in majors for name in names]


def folder_of(play: str) -> Path:
    """Return the folder that a play rehearses."""
    return (KNOWN_BAD | VARIANTS)[play.partition(" on ")[0]]


@pytest.mark.parametrize("played", [*on(KNOWN_BAD, 16), f"{SEEDS_DEFECT.name} on 18"], indirect=True)
def test_defect_is_caught(played: tuple[Ended, Path], request: pytest.FixtureRequest) -> None:
    """The defect, under a random name, ends FAIL, CLEAN, exit 1 at its place; only C-13 follows."""
    name = request.node.callspec.params["played"]
    assert_caught(played[0], expectation(folder_of(name)))


@pytest.mark.parametrize("played", on(KNOWN_BAD, 16), indirect=True)
def test_the_screen_shows_where_a_defect_failed(
    played: tuple[Ended, Path], request: pytest.FixtureRequest
) -> None:
    """In a real terminal at 80x24 the ended run shows its verdict, its place and that place's failing line, unasked."""
    place = expectation(folder_of(request.node.callspec.params["played"]))["place"]
    terminal = Terminal.on_run(played[0].folder, observe=True)
    try:
        terminal.shows(f"✗ FAIL at {place}, CLEAN, cause", f"✗ {place} FAIL")
        terminal.press("q")
        assert terminal.ended() == 1
    finally:
        terminal.close()


@pytest.mark.parametrize("played", on(VARIANTS, 16), indirect=True)
def test_variant_passes(played: tuple[Ended, Path]) -> None:
    """A correct variant under a random name ends PASS with fifteen rows."""
    ended, _copy = played
    assert ended.outcome == (0, "PASS", "CLEAN", None), ended.said.stderr
    assert ended.summary["rows_total"] == 15


@pytest.mark.parametrize("played", [f"{SEEDS_DEFECT.name} on 16"], indirect=True)
def test_seeds_defect_names_its_culprit_and_its_suite_is_green(played: tuple[Ended, Path]) -> None:
    """The copy that fails at S4 through find() passes its own fake-based unit suite, as it did then."""
    ended, copy = played
    failed = ended.state.scenarios["S4"]
    assert "find (cutter_agent/db_adapter.py:" in failed.culprit
    assert "SQLSTATE 25001" in failed.reason
    assert "the transaction was opened by statement" in failed.reason
    suite = subprocess.run(
        [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", str(copy / "tests")],
        cwd=copy, capture_output=True, text=True, check=False, timeout=SUITE_WAIT_S,
    )  # fmt: skip
    assert suite.returncode == 0, suite.stdout + suite.stderr
    assert " passed" in suite.stdout
    assert "skipped" not in suite.stdout


@pytest.mark.parametrize("played", ["without role setting"], indirect=True)
def test_seeds_defect_is_caught_at_cut_under_default_settings(played: Ended) -> None:
    """With READ COMMITTED as the role's default the defect is refused at CUT, the first other level."""
    assert_caught(played, expectation(SEEDS_DEFECT) | {"place": "S6"})
    assert "find (cutter_agent/db_adapter.py:" in played.state.scenarios["S6"].culprit


@pytest.mark.matrix
@pytest.mark.parametrize("major", [16, 18])
def test_full_matrix(drydock: Drydock, major: int) -> None:
    """Every defect is caught and every variant passes on this major version."""
    chosen = KNOWN_BAD | VARIANTS
    plays = {name: partial(rehearse, folder, major) for name, folder in chosen.items()}
    ended = played_together(drydock, plays)
    for name, folder in KNOWN_BAD.items():
        assert_caught(ended[name].result()[0], expectation(folder))
    for name in VARIANTS:
        assert ended[name].result()[0].outcome == (0, "PASS", "CLEAN", None)
