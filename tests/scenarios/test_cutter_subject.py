"""The cutter's subjects: every patch fits, and the fake-based suite says what it said in the seeds."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from console.model.pack import Pack
from console.settings import data_folder
from console.subjects import materialise, read_patch

PACK = data_folder("scenarios") / "cutter_dry_run"
REFERENCE = PACK / "subject"
SEEDS_DEFECT = PACK / "known_bad" / "find_leaves_transaction_open"
KNOWN_BAD = sorted(path.parent for path in PACK.glob("known_bad/*/subject.toml"))
VARIANTS = sorted(path.parent for path in PACK.glob("variants/*/subject.toml"))
PLACES = ["G-20", "G-22", "S10", "S11", "S12", "S3", "S4", "S4", "S6", "S7", "S9"]
SUITE_WAIT_S = 120


def name_of(folder: Path) -> str:
    """Return the name of a subject's folder."""
    return folder.name


def expectation(folder: Path) -> dict[str, Any]:
    """Return what a known-bad subject says must come of it."""
    patch = read_patch(folder)
    assert patch is not None
    return patch.expect


def pack() -> Pack:
    """Return the pack as data."""
    return msgspec.convert(tomllib.loads((PACK / "pack.toml").read_text("utf-8")), Pack)


def run_suite(folder: Path, into: Path) -> subprocess.CompletedProcess[str]:
    """Materialise a subject and run its own suite in a process of its own."""
    materialise(folder, into)
    return subprocess.run(
        [sys.executable, "-B", "-m", "pytest", "-q", "--no-header", str(into / "tests")],
        cwd=into,
        capture_output=True,
        text=True,
        check=False,
        timeout=SUITE_WAIT_S,
    )


@pytest.mark.parametrize("folder", KNOWN_BAD + VARIANTS, ids=name_of)
def test_every_patch_fits_and_compiles(folder: Path, tmp_path: Path) -> None:
    """Each change occurs exactly once in the reference and leaves Python that differs from it."""
    materialise(folder, tmp_path / "subject")
    sources = sorted((tmp_path / "subject" / "cutter_agent").glob("*.py"))
    for source in sources:
        ast.parse(source.read_text("utf-8"), source.name)
    changed = [
        source.name
        for source in sources
        if source.read_bytes() != (REFERENCE / "cutter_agent" / source.name).read_bytes()
    ]
    patch = read_patch(folder)
    assert patch is not None
    assert sorted({Path(change.file).name for change in patch.change}) == changed


@pytest.mark.parametrize("folder", KNOWN_BAD, ids=name_of)
def test_every_defect_says_where_it_is_caught(folder: Path) -> None:
    """A known-bad subject names place, cause and words, and tells a reviewer what it hides."""
    patch = read_patch(folder)
    assert patch is not None
    assert set(patch.expect) == {"place", "cause", "says"}
    assert patch.expect["cause"] == "subject"
    assert patch.expect["says"]
    assert patch.sentence


def test_the_defects_of_the_design_are_there() -> None:
    """The places are those of the table in design section 5, the split phase in both its forms."""
    assert sorted(expectation(folder)["place"] for folder in KNOWN_BAD) == PLACES


def test_five_variants_are_there() -> None:
    """There are five correct variants, and none of them expects to be caught."""
    assert len(VARIANTS) == 5
    assert [expectation(folder) for folder in VARIANTS] == [{}] * 5


@pytest.mark.parametrize("folder", [REFERENCE, SEEDS_DEFECT, *VARIANTS], ids=name_of)
def test_fake_based_suite_is_green(folder: Path, tmp_path: Path) -> None:
    """The unit suite passes on the reference, on every variant, and on the seeds' defect as it did then."""
    done = run_suite(folder, tmp_path / "subject")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout


def test_fake_based_suite_can_fail(tmp_path: Path) -> None:
    """The unit suite is not green on everything: it sees a missing identity assertion."""
    done = run_suite(PACK / "known_bad" / "identity_not_asserted", tmp_path / "subject")
    assert done.returncode == 1
    assert "test_foreign_session_is_refused_and_closed" in done.stdout


def test_happy_scenarios_add_up_to_the_baseline() -> None:
    """The expected rows of S4 to S7 are the fifteen of the baseline, table by table."""
    expected = dict.fromkeys(pack().tables, 0)
    for scenario in pack().scenario:
        for table, rows in scenario.rows.items():
            expected[table] += rows
    assert expected == pack().baseline
    assert pack().baseline_total_rows == 15


def test_scenarios_are_those_of_the_seeds() -> None:
    """S1 to S12 stand in their order, SWEEP as S4b between MARK and REVIEW."""
    assert [scenario.id for scenario in pack().scenario] == [
        "S1", "S2", "S3", "S4", "S4b", "S5", "S6", "S7", "S8", "S9", "S10", "S11", "S12",
    ]  # fmt: skip


def test_pack_has_a_function_for_every_scenario() -> None:
    """Each scenario of pack.toml has one function, and each attempt's name stands in pack.py."""
    tree = ast.parse((PACK / "pack.py").read_text("utf-8"))
    decorated = [
        decorator.args[0].value
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call) and isinstance(decorator.args[0], ast.Constant)
    ]
    assert decorated == [scenario.id for scenario in pack().scenario]


def test_subject_sends_only_its_four_verbs() -> None:
    """No string of the reference subject begins a statement with another verb."""
    refused = ("DELETE", "TRUNCATE", "DROP", "ALTER", "CREATE", "GRANT", "COPY", "MERGE", "CALL", "DO ")
    for source in sorted((REFERENCE / "cutter_agent").glob("*.py")):
        for node in ast.walk(ast.parse(source.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not node.value.startswith(refused), f"{source.name}: {node.value}"
