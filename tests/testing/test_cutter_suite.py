"""The demonstration: with the fake server the cutter's unit suite would have been red on the seeds' defect."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from console.settings import data_folder
from console.subjects import materialise

PACK = data_folder("scenarios") / "cutter_dry_run"
SUITE = Path(__file__).with_name("suite_for_the_cutter.py")
WAIT_S = 120


def run_suite(folder: Path, into: Path) -> subprocess.CompletedProcess[str]:
    """Put the suite beside a subject's own tests and run it alone."""
    materialise(folder, into)
    shutil.copyfile(SUITE, into / "tests" / "test_with_fake_server.py")
    command = [sys.executable, "-B", "-m", "pytest", "-q", "--no-header", "tests/test_with_fake_server.py"]
    return subprocess.run(command, cwd=into, capture_output=True, text=True, check=False, timeout=WAIT_S)


def test_the_corrected_subject_is_green(tmp_path: Path) -> None:
    """The reference passes."""
    done = run_suite(PACK / "subject", tmp_path / "subject")
    assert "1 passed" in done.stdout, done.stdout


@pytest.mark.parametrize("defect", ["find_leaves_transaction_open"])
def test_the_seeds_defect_is_red(tmp_path: Path, defect: str) -> None:
    """find() that leaves its transaction open fails with the server's own 25001."""
    done = run_suite(PACK / "known_bad" / defect, tmp_path / "subject")
    assert done.returncode == 1
    assert "SET TRANSACTION ISOLATION LEVEL must be called before any query" in done.stdout
    assert "1 failed" in done.stdout
