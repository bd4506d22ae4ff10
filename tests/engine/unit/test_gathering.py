"""Logs are kept whole; what the subject wrote is found wherever it lies: files, names, and what links lead to."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from console.engine import gathering
from console.engine.gathering import written_by_the_subject
from console.errors import StepFailed
from console.harness.numbers import Numbers
from console.secrets import SecretRegistry


@pytest.fixture(name="run")
def _run(tmp_path: Path) -> Any:
    """What of a run is looked at: its places."""
    (tmp_path / "work" / "harness" / "scratch").mkdir(parents=True)
    (tmp_path / "run").mkdir()
    return SimpleNamespace(
        places=SimpleNamespace(work=tmp_path / "work", scratch=tmp_path / "run" / "scratch")
    )


def home(run: Any) -> Path:
    """Return the folder of the harness."""
    return Path(run.places.work / "harness")


def test_files_names_and_links_are_found(run: Any) -> None:
    """A file deep below, a name or what a link leads to is overlooked, or what the engine put there is searched."""
    deep = home(run) / "scratch" / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "file").write_text("x")
    (home(run) / "scratch" / "link").symlink_to("/nowhere/hunter2")
    os.mkfifo(home(run) / "scratch" / "pipe")
    (home(run) / "subject").mkdir()
    (home(run) / "subject" / "ours.py").write_text("x")
    *files, listing = written_by_the_subject(run)
    assert files == [deep / "file"]
    lines = listing.read_bytes().splitlines()
    assert {b"scratch/a/b/file", b"scratch/link", b"/nowhere/hunter2", b"scratch/pipe", b"scratch/a"} <= set(
        lines
    )
    assert not [line for line in lines if b"subject" in line]


def test_nothing_written_is_nothing_to_search(run: Any, tmp_path: Path) -> None:
    """A run that failed before there was a harness has a list of names, or no end."""
    run.places.work = tmp_path / "never made"
    assert written_by_the_subject(run) == []


def test_a_folder_that_is_too_deep_is_the_subjects(run: Any) -> None:
    """Folders below the longest path there can be are taken for searched."""
    top = home(run) / "scratch"
    descriptor = os.open(top, os.O_RDONLY)
    for _ in range(30):
        os.mkdir("d" * 200, dir_fd=descriptor)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)
    with pytest.raises(StepFailed, match="cannot be searched for secrets: File name too long") as failed:
        written_by_the_subject(run)
    assert (failed.value.cause, failed.value.gate) == ("subject", "G-22")


def test_entries_without_number_are_the_subjects(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """More entries than are searched are taken for searched."""
    monkeypatch.setattr(gathering, "MOST_ENTRIES", 2)
    for number in range(3):
        (home(run) / "scratch" / str(number)).touch()
    with pytest.raises(StepFailed, match="more than 2 files and folders to search for secrets"):
        written_by_the_subject(run)


@pytest.mark.parametrize("lines", [b"", b'{"e":"open"}\n' * 3, b'{"e":"open"}\n{"e":"se'])
def test_what_a_killed_harness_had_reserved_is_not_kept(run: Any, tmp_path: Path, lines: bytes) -> None:
    """The NULs behind the lines of a trace that nobody cut get into the evidence, or a line does not."""
    source = tmp_path / "client.jsonl"
    source.write_bytes(lines + b"\0" * 3_000_000)
    run.registry = SecretRegistry()
    assert gathering._keep(run, source, tmp_path / "kept.jsonl", "subject") == ""
    assert (tmp_path / "kept.jsonl").read_bytes() == lines


@pytest.mark.parametrize("lines", [b'{"e":"open"}\n', b'{"e":"open"}\n{"e":"se'])
def test_what_was_told_in_numbers_is_kept_as_lines(run: Any, tmp_path: Path, lines: bytes) -> None:
    """The evidence lacks the claims that stand in cells, or a torn line swallows the first of them."""
    source = tmp_path / "client.jsonl"
    source.write_bytes(lines)
    numbers = Numbers(str(tmp_path / "client.numbers"))
    numbers.likes[7], numbers.afters[7], numbers.tooks[7], numbers.counts[7] = 3, 5, 11, 3
    numbers.likes[9], numbers.afters[9] = 3, 6
    run.registry = SecretRegistry()
    (tmp_path / "kept").mkdir()
    assert gathering._keep(run, source, tmp_path / "kept" / "client.jsonl", "subject") == ""
    told = (
        b'{"e":"again","n":7,"like":3,"after":5e-9}\n{"e":"done","n":7,"ns":11,"rows":1}\n'
        b'{"e":"again","n":9,"like":3,"after":6e-9}\n'
    )
    torn = b"" if lines.endswith(b"\n") else b"\n"
    assert (tmp_path / "kept" / "client.jsonl").read_bytes() == lines + torn + told
