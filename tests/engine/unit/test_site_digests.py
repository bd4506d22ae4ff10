"""What tells that something was installed beside Drydock: names, sizes and times, and of linked files the bytes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from console.engine.preflight import _folder_digest


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return a folder with one plain module and one that has two names, as uv installs it."""
    folder = tmp_path / "site-packages"
    (folder / "package").mkdir(parents=True)
    (folder / "package" / "plain.py").write_text("plain = 1\n")
    (tmp_path / "cached.py").write_text("linked = 1\n")
    os.link(tmp_path / "cached.py", folder / "package" / "linked.py")
    return folder


def test_another_environment_of_the_same_cache_is_no_change(site: Path, tmp_path: Path) -> None:
    """A link more or less, which moves the change time of every file of the kind, fails G-11."""
    before = _folder_digest(site)
    os.link(tmp_path / "cached.py", tmp_path / "elsewhere.py")
    assert _folder_digest(site) == before
    (tmp_path / "elsewhere.py").unlink()
    assert _folder_digest(site) == before


@pytest.mark.parametrize("name", ["plain.py", "linked.py"])
def test_a_change_that_sets_its_time_back_is_seen(site: Path, name: str) -> None:
    """Bytes that are exchanged in place, with size and time as they were, pass G-11."""
    before, path = _folder_digest(site), site / "package" / name
    was = path.stat()
    path.write_text(path.read_text().replace("1", "2"))
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert path.stat().st_size == was.st_size and path.stat().st_mtime_ns == was.st_mtime_ns
    assert _folder_digest(site) != before
