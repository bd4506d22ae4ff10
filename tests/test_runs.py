"""Tests of the runs folder: what is found under which name, and one sentence for all that cannot be used."""

from __future__ import annotations

import os
import re
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fix_journals import passed, waiting_at_b2
from fix_places import place_for_clusters

from console.errors import JournalBroken, RunNotFound, RunsFolderError, UsageError
from console.runs import create_run_folder, find_run, journal_is_held, list_runs, new_run_id, read_run

OLD, NEW, OTHER = "20261120-034512-7f3a", "20261121-034512-7f3a", "20261121-034513-0001"


@pytest.fixture
def place() -> Iterator[Path]:
    """Yield a folder that every user can reach."""
    with tempfile.TemporaryDirectory(prefix="ddr-", dir=place_for_clusters()) as place:
        Path(place).chmod(0o755)
        yield Path(place)


@pytest.fixture
def runs(place: Path) -> Path:
    """Return a runs folder with three runs of which the oldest passed, and some other things."""
    passed().write(place, OLD).close()
    waiting_at_b2().write(place, NEW).close()
    (place / OTHER).mkdir()
    (place / "notes").mkdir()
    (place / f"{OLD}-copy").mkdir()
    return place


def test_an_id_is_time_and_chance() -> None:
    """Ids have the documented form and two of the same second differ."""
    made = {new_run_id() for _number in range(20)}
    assert all(re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{4}", one) for one in made)
    assert len(made) > 1


def test_a_run_s_folder_is_private(tmp_path: Path) -> None:
    """The runs folder is made where it is missing, and the run's own folder is 0700."""
    path = create_run_folder(tmp_path / "a" / "b", NEW)
    assert path == tmp_path / "a" / "b" / NEW
    assert stat.S_IMODE(path.stat().st_mode) == 0o700


def as_nobody(work: Callable[[], object]) -> str:
    """Return the error's sentence of work done as a user who owns nothing here."""
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            work()
        except UsageError as wrong:
            os.write(into, str(wrong).encode())
        finally:
            os._exit(0)
    os.close(into)
    with os.fdopen(out) as said:
        sentence = said.read()
    os.waitpid(child, 0)
    return sentence


@pytest.mark.parametrize("kind", ["a file", "below a file", "exists", "not writable"])
def test_a_runs_folder_that_cannot_be_written_is_one_sentence(place: Path, kind: str) -> None:
    """A file in the way, a run that exists and a folder of somebody else's name the folder and the remedy."""
    (place / "file").write_text("", "utf-8")
    (place / "taken" / NEW).mkdir(parents=True)
    (place / "theirs").mkdir(mode=0o555)
    folder, why = {
        "a file": (place / "file", "File exists"),
        "below a file": (place / "file" / "x", "Not a directory"),
        "exists": (place / "taken", "File exists"),
        "not writable": (place / "theirs", "Permission denied"),
    }[kind]
    sentence = as_nobody(lambda: create_run_folder(folder, NEW))
    if kind == "exists" and os.geteuid() == 0:
        with pytest.raises(RunsFolderError) as refused:
            create_run_folder(folder, NEW)
        sentence = str(refused.value)
    assert sentence == f"the runs folder {folder} cannot be written: {why}; name another with --runs-dir"


def test_runs_are_listed_newest_first(runs: Path) -> None:
    """Only folders named like a run count, each with its folded state."""
    found = list_runs(runs)
    assert [(one.run, one.state.condition, one.alive) for one in found] == [
        (OTHER, "starting", False), (NEW, "waiting", False), (OLD, "ended", False),
    ]  # fmt: skip
    assert [one.path for one in found] == [runs / one.run for one in found]


def test_no_folder_holds_no_runs(tmp_path: Path) -> None:
    """Listing what does not exist is an empty list and makes nothing."""
    assert list_runs(tmp_path / "none") == []
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("named", "expected"),
    [(None, OTHER), (NEW, NEW), ("20261120", OLD), ("20261121-034512", NEW), ("20261121-034513-0001", OTHER)],
)
def test_a_run_is_found_by_its_beginning(runs: Path, named: str | None, expected: str) -> None:
    """The whole id, a unique beginning and nothing at all (the newest) find a run."""
    assert find_run(runs, named).run == expected


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ("20261121", "2 runs begin with '20261121'; drydock runs lists them"),
        ("2026", "3 runs begin with '2026'; drydock runs lists them"),
        ("1999", "there is no run in {runs} called '1999'; drydock runs lists them"),
        ("notes", "there is no run in {runs} called 'notes'; drydock runs lists them"),
        ("../x", "there is no run in {runs} called '../x'; drydock runs lists them"),
    ],
)
def test_a_name_that_fits_no_or_many_runs_is_one_sentence(runs: Path, named: str, says: str) -> None:
    """Nothing is guessed: an ambiguous or unknown name says so and how to see the names."""
    with pytest.raises(RunNotFound) as refused:
        find_run(runs, named)
    assert str(refused.value) == says.format(runs=runs)


def test_an_empty_and_a_missing_folder_are_told_apart(tmp_path: Path) -> None:
    """Each has its own sentence with what to do."""
    with pytest.raises(RunNotFound, match=r"there is no run in .*; start one with drydock run"):
        find_run(tmp_path, None)
    with pytest.raises(RunNotFound, match=r"there is no runs folder .*; name it with --runs-dir"):
        find_run(tmp_path / "none", None)


@pytest.mark.parametrize("look", [list_runs, lambda runs: find_run(runs, None)])
def test_a_folder_that_cannot_be_read_is_one_sentence(tmp_path: Path, look: Callable[[Path], Any]) -> None:
    """A file in the folder's place is refused with its reason."""
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(RunsFolderError, match="cannot be read: Not a directory; name another --runs-dir"):
        look(tmp_path / "file")


@pytest.mark.parametrize("kind", ["a file", "journal is a folder", "journal is somebody else's"])
def test_one_unreadable_run_hides_no_other(runs: Path, kind: str) -> None:
    """A run that cannot be read is listed as broken with the reason, and asked for by name it is one sentence."""
    name = "20261122-000000-0000"
    if kind == "a file":
        (runs / name).write_text("", "utf-8")
    elif kind == "journal is a folder":
        (runs / name / "journal.jsonl").mkdir(parents=True)
    else:
        waiting_at_b2().write(runs, name).close()
        for run in runs.iterdir():
            run.chmod(0o755)
        (runs / name / "journal.jsonl").chmod(0 if os.geteuid() else 0o600)
        sentence = as_nobody(lambda: find_run(runs, name))
        assert sentence == (
            f"{runs / name / 'journal.jsonl'} cannot be read: Permission denied; ask the user whose run it is"
        )
        return
    listed = list_runs(runs)
    assert [one.run for one in listed] == [name, OTHER, NEW, OLD]
    assert "cannot be read" in listed[0].broken
    with pytest.raises(RunsFolderError, match="cannot be read"):
        find_run(runs, name)


def test_a_broken_journal_is_told_and_hides_no_other(runs: Path) -> None:
    """A list names the line that does not verify; asking for that run raises it."""
    journal = runs / OLD / "journal.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b'"n":2,', b'"n":3,', 1))
    assert [bool(one.broken) for one in list_runs(runs)] == [False, False, True]
    assert "line 2: the hash does not fit" in read_run(runs, OLD, tolerant=True).broken
    with pytest.raises(JournalBroken):
        find_run(runs, OLD)


def test_a_run_is_alive_while_somebody_writes(runs: Path) -> None:
    """A held journal means a living engine; a journal that nobody holds, or none, means none."""
    writer = waiting_at_b2().write(runs, "20261122-000000-0000")
    assert find_run(runs, None).alive
    writer.close()
    assert not find_run(runs, None).alive
    assert not journal_is_held(runs / "nothing")


def test_reading_a_run_needs_no_screen() -> None:
    """Neither psycopg nor rich is loaded by reading runs."""
    import subprocess

    code = "import sys, console.runs; print(sorted({'psycopg', 'rich', 'textual'} & set(sys.modules)))"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )
