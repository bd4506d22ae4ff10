"""Kept copies on disk: which list is believed, which copy fits, who may use or remove it meanwhile."""

from __future__ import annotations

import multiprocessing
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from fix_kept import FITS, NOW, keep, listed

from console.engine.kept_removal import remove_expired, remove_kept
from console.kept import (
    DATA_FOLDER,
    FORMAT,
    LIST_FILE,
    LONGEST_HOURS,
    KeptInUse,
    fitting,
    in_use,
    kept_copies,
    read_kept,
    unused,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of kept copies with a neighbour in it."""
    made = tmp_path / "kept"
    made.mkdir(mode=0o700)
    (made / "kept-not-ours").mkdir()
    (made / "kept-not-ours" / "file").write_text("theirs")
    return made


def test_a_list_is_read_as_it_was_written(folder: Path) -> None:
    """Something of it is lost, or a half-written one is believed."""
    path = keep(folder, listed())
    found = read_kept(path)
    assert found.listed == listed()
    assert found.copy().until == "2026-11-21T19:00:00Z"
    assert len(found.list_sha256) == 64
    assert (path / LIST_FILE).stat().st_mode & 0o777 == 0o600
    assert [one.path for one in kept_copies(folder)] == [path]
    assert kept_copies(folder / "none") == []


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b"{}", b"\xff", b'{"format":0}', b"[" * 100_000, b'{"until":"2026-11-21T12:00:00"}'],
)
def test_a_list_that_cannot_be_read_is_never_taken(folder: Path, text: bytes) -> None:
    """A damaged list raises, or stands for a copy."""
    path = keep(folder, listed())
    (path / LIST_FILE).write_bytes(text)
    assert read_kept(path).listed is None
    assert "its list cannot be believed" in read_kept(path).broken
    assert fitting(folder, FITS, now=NOW) is None


def test_a_time_without_its_zone_is_not_believed(folder: Path) -> None:
    """An end in nobody knows which zone is compared with now."""
    path = keep(folder, listed())
    told = msgspec.json.decode((path / LIST_FILE).read_bytes())
    (path / LIST_FILE).write_bytes(msgspec.json.encode(told | {"until": "2026-11-21T19:00:00"}))
    assert "its list cannot be believed" in read_kept(path).broken


def test_what_others_could_have_written_is_not_believed(folder: Path) -> None:
    """A list that another user may write, or a link in its place, is taken."""
    path = keep(folder, listed())
    (path / LIST_FILE).chmod(0o620)
    assert "not this user's alone" in read_kept(path).broken
    (path / LIST_FILE).chmod(0o600)
    path.chmod(0o750)
    assert "not this user's alone" in read_kept(path).broken
    path.chmod(0o700)
    (path / LIST_FILE).rename(path / "away")
    (path / LIST_FILE).symlink_to(path / "away")
    assert read_kept(path).listed is None
    (path / LIST_FILE).unlink()
    os.mkfifo(path / LIST_FILE, 0o600)
    assert read_kept(path).listed is None


def test_the_newest_that_fits_and_is_not_over_is_taken(folder: Path) -> None:
    """Another source's, an older one or an expired one is taken; or one of another layout."""
    keep(folder, listed(run="20261120-034512-0001"))
    newest = keep(folder, listed(run="20261121-034512-0002"))
    keep(folder, listed(run="20261122-034512-0003", hours=1))
    keep(folder, listed(run="20261123-034512-0004", fits="00" * 32))
    keep(folder, listed(run="20261124-034512-0005", format_=FORMAT + 1))
    found = fitting(folder, FITS, now=NOW)
    assert found is not None
    assert found.path == newest


def test_only_what_is_over_is_removed(folder: Path) -> None:
    """A copy whose time is not over goes, one whose time is over stays, or a neighbour is touched."""
    living, over = keep(folder, listed()), keep(folder, listed(run="20261121-034512-0002", hours=1))
    assert remove_expired(folder, NOW) == [(over, "")]
    assert living.exists()
    assert not over.exists()
    assert (folder / "kept-not-ours" / "file").read_text() == "theirs"


def test_what_was_never_kept_to_the_end_goes_when_nobody_works_on_it(folder: Path) -> None:
    """A half-made copy of production stays for ever; or one that a run makes at this moment is taken away."""
    path = keep(folder, listed())
    (path / LIST_FILE).unlink()
    soon, later = datetime.now(UTC), datetime.now(UTC) + timedelta(seconds=90)
    assert remove_expired(folder, soon) == []
    with unused(path, wait=False):
        assert remove_expired(folder, later) == []
    assert remove_expired(folder, later) == [(path, "")]
    assert not path.exists()


def test_a_list_that_is_damaged_is_left_for_its_owner(folder: Path) -> None:
    """What cannot be read is removed by itself while it may be kept, stays for ever, or cannot be removed by name."""
    path = keep(folder, listed())
    (path / LIST_FILE).write_bytes(b"{")
    longest = datetime.now(UTC) + timedelta(hours=LONGEST_HOURS)
    assert remove_expired(folder, longest - timedelta(minutes=1)) == []
    remove_kept(read_kept(path))
    assert not path.exists()
    path = keep(folder, listed())
    (path / LIST_FILE).write_bytes(b"{")
    assert remove_expired(folder, longest + timedelta(minutes=1)) == [(path, "")]
    assert not path.exists()


def test_what_is_over_and_read_is_told(folder: Path) -> None:
    """A copy whose time is over stays because a run reads it, and nobody is told."""
    path = keep(folder, listed(hours=1))
    with unused(path, wait=False):
        assert remove_expired(folder, NOW) == [(path, f"{path} is in use")]


def test_a_link_is_no_kept_copy(folder: Path, tmp_path: Path) -> None:
    """What a link leads to is written into, or loses its list."""
    (folder / "else").mkdir()
    theirs = keep(folder / "else", listed())
    link = folder / theirs.name
    link.symlink_to(theirs)
    before = sorted(path.name for path in theirs.iterdir())
    assert remove_expired(folder, datetime.now(UTC) + timedelta(days=30)) == []
    for act in (lambda: remove_kept(read_kept(link)), lambda: unused(link, wait=False).__enter__()):
        with pytest.raises(OSError, match=r"user's|Not a directory|symbolic link"):
            act()
    assert sorted(path.name for path in theirs.iterdir()) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="run as root to make files of another user")
def test_another_users_folder_is_left_alone(folder: Path) -> None:
    """Root removes what another user has put under such a name, or what lies in a folder of his."""
    path = keep(folder, listed(hours=1))
    os.chown(path, 65534, 65534)
    with pytest.raises(OSError, match="not a folder of this user's"):
        remove_kept(read_kept(path))
    assert remove_expired(folder, datetime.now(UTC) + timedelta(days=30)) == []
    os.chown(path, 0, 0)
    os.chown(folder, 65534, 65534)
    assert kept_copies(folder) == []
    assert remove_expired(folder, NOW) == []
    assert (path / LIST_FILE).exists()


def test_only_the_folder_that_was_read_is_removed(folder: Path) -> None:
    """What took its name meanwhile goes in its place."""
    path = keep(folder, listed())
    kept = read_kept(path)
    path.rename(folder / "moved")
    path.mkdir(mode=0o700)
    (path / "theirs").write_text("x")
    with pytest.raises(OSError, match="another folder"):
        remove_kept(kept)
    assert (path / "theirs").read_text() == "x"


def _hold(path: Path, held: object, done: object) -> None:
    with in_use(path):
        held.set()  # type: ignore[attr-defined]
        done.wait(30)  # type: ignore[attr-defined]


def test_a_copy_that_is_read_is_not_removed(folder: Path) -> None:
    """Files go while another process copies them; or two readers keep each other out."""
    path = keep(folder, listed())
    context = multiprocessing.get_context("spawn")
    held, done = context.Event(), context.Event()
    reader = context.Process(target=_hold, args=(path, held, done))
    reader.start()
    try:
        assert held.wait(30)
        with in_use(path):
            pass
        with pytest.raises(KeptInUse):
            remove_kept(read_kept(path))
        assert (path / DATA_FOLDER / "base" / "1").exists()
    finally:
        done.set()
        reader.join(30)
    remove_kept(read_kept(path))
    assert not path.exists()
    remove_kept(read_kept(path))
