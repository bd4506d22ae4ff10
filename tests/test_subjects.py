"""Tests of subjects on disk: copied whole, patched exactly once, and nothing from outside their pack."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from console.errors import SubjectError
from console.packs import tree_files, tree_sha256
from console.repository import Repository, index_listing, read_repository
from console.settings import data_folder
from console.subjects import materialise, read_patch, subject_sha256

CUTTER = data_folder("scenarios") / "cutter_dry_run"
PATCHES = sorted(
    path.parent for kind in ("known_bad", "variants") for path in (CUTTER / kind).glob("*/subject.toml")
)
GIT = ["git", "-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "init.defaultBranch=main"]


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """Return a pack with a subject of two files and room for patches."""
    pack = tmp_path / "pack"
    (pack / "subject" / "agent").mkdir(parents=True)
    (pack / "pack.toml").write_text("", "utf-8")
    (pack / "subject" / "agent" / "__init__.py").write_bytes(b"")
    (pack / "subject" / "agent" / "ledger.py").write_bytes(b"one = 1\r\ntwo = 2\ntwo_more = 2\n# caf\xe9\n")
    (pack / "bad").mkdir()
    return pack


def patch(pack: Path, text: str = "", *, base: str = "../subject", file: str = "agent/ledger.py", find: str = "one = 1",
          replace: str = "one = 11") -> Path:  # fmt: skip
    """Write a subject.toml and return its folder."""
    told = (
        text
        or f"base = '{base}'\n[[change]]\nfile = '{file}'\nfind = '''{find}'''\nreplace = '''{replace}'''\n"
    )
    (pack / "bad" / "subject.toml").write_text(told, "utf-8")
    return pack / "bad"


def test_an_ordinary_subject_is_copied_whole(pack: Path, tmp_path: Path) -> None:
    """The copy has the same files and bytes, without caches."""
    subject, into = pack / "subject", tmp_path / "into"
    (subject / "agent" / "__pycache__").mkdir()
    (subject / "agent" / "__pycache__" / "x.pyc").write_bytes(b"x")
    (subject / "agent" / "stray.pyc").write_bytes(b"x")
    materialise(subject, into)
    assert [path.relative_to(into).as_posix() for path in tree_files(into)] == [
        "agent/__init__.py",
        "agent/ledger.py",
    ]
    assert tree_sha256(into) == tree_sha256(subject)
    assert not list(into.rglob("*.pyc"))


def test_the_digest_is_that_of_what_would_be_laid_out(pack: Path, tmp_path: Path) -> None:
    """A cache, a change or a byte counts in a subject's digest exactly where it counts in its copy; nothing stays."""
    scratch, subject = tmp_path / "scratch", pack / "subject"
    scratch.mkdir()
    (subject / "agent" / "__pycache__").mkdir()
    (subject / "agent" / "__pycache__" / "ledger.cpython-311.pyc").write_bytes(b"compiled")
    digests = set()
    for number, replace in enumerate(("", "one = 11", "one = 12")):
        folder = patch(pack, replace=replace) if replace else subject
        materialise(folder, tmp_path / f"into-{number}")
        assert tree_sha256(tmp_path / f"into-{number}") == subject_sha256(folder, scratch)
        digests.add(subject_sha256(folder, scratch))
    (subject / "agent" / "__init__.py").write_bytes(b"more = 1")
    digests.add(subject_sha256(subject, scratch))
    (subject / "agent" / "link.py").symlink_to("ledger.py")
    with pytest.raises(SubjectError, match="link"):
        subject_sha256(subject, scratch)
    with pytest.raises(SubjectError, match="no subject folder"):
        subject_sha256(pack / "none_such", scratch)
    assert len(digests) == 4
    assert not list(scratch.iterdir())


def test_a_patch_changes_exactly_its_place(pack: Path, tmp_path: Path) -> None:
    """Only the named text differs; line ends and bytes that are no UTF-8 stay."""
    materialise(patch(pack), tmp_path / "into")
    assert (
        tmp_path / "into/agent/ledger.py"
    ).read_bytes() == b"one = 11\r\ntwo = 2\ntwo_more = 2\n# caf\xe9\n"
    assert not (tmp_path / "into/subject.toml").exists()
    assert (pack / "subject/agent/ledger.py").read_bytes().startswith(b"one = 1\r\n")


def test_changes_are_applied_one_after_the_other(pack: Path, tmp_path: Path) -> None:
    """A later change sees what an earlier one wrote."""
    change = "[[change]]\nfile = 'agent/ledger.py'\nfind = '{}'\nreplace = '{}'\n"
    folder = patch(
        pack, "base = '../subject'\n" + change.format("one = 1", "uno") + change.format("uno", "eins")
    )
    materialise(folder, tmp_path / "into")
    assert (tmp_path / "into/agent/ledger.py").read_bytes().startswith(b"eins\r\n")


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (lambda pack: patch(pack, find="two"), "the change of 'agent/ledger.py' occurs 2 times, not once"),
        (lambda pack: patch(pack, find="three"), "the change of 'agent/ledger.py' occurs 0 times, not once"),
        (
            lambda pack: patch(pack, file="agent/none.py"),
            "the change of 'agent/none.py' names no file of the base",
        ),
        (lambda pack: patch(pack, file="../../pack.toml"), "names no file of the base"),
        (lambda pack: patch(pack, file="/etc/passwd"), "names no file of the base"),
        (lambda pack: patch(pack, base="../nothing"), "the base '../nothing' is no folder of the same pack"),
        (
            lambda pack: patch(pack, base="../../outside"),
            "the base '../../outside' is no folder of the same pack",
        ),
        (lambda pack: patch(pack, base="/etc"), "the base '/etc' is no folder of the same pack"),
        (lambda pack: patch(pack, base="../escape"), "the base '../escape' is no folder of the same pack"),
        (lambda pack: patch(pack, "base = "), "cannot be read"),
        (lambda pack: patch(pack, "base = '../subject'"), "missing required field `change`"),
        (lambda pack: patch(pack, "base = '../subject'\nchange = []\nmore = 1"), "unknown field `more`"),
        (lambda pack: pack / "none", "there is no subject folder"),
        (lambda pack: pack / "pack.toml", "there is no subject folder"),
    ],
)
def test_a_patch_that_does_not_fit_is_one_sentence(
    pack: Path, tmp_path: Path, broken: Callable[[Path], Path], says: str
) -> None:
    """A text that occurs twice or never, a file or base outside, and bad TOML are refused with a remedy."""
    (tmp_path / "outside").mkdir()
    (pack / "escape").symlink_to(tmp_path / "outside")
    with pytest.raises(SubjectError) as refused:
        materialise(broken(pack), tmp_path / "into")
    assert says in refused.value.what
    assert refused.value.remedy
    assert "\n" not in refused.value.what


def test_a_patch_outside_every_pack_is_refused(tmp_path: Path) -> None:
    """Without a pack.toml above it, a patch has no base that it may name."""
    (tmp_path / "alone" / "bad").mkdir(parents=True)
    with pytest.raises(SubjectError, match="is no folder of the same pack"):
        materialise(patch(tmp_path / "alone", base="."), tmp_path / "into")


@pytest.mark.parametrize("kind", ["link to a file", "link to a folder", "dangling link", "fifo"])
@pytest.mark.parametrize("patched", [False, True])
def test_a_subject_with_links_or_special_files_is_refused(
    pack: Path, tmp_path: Path, kind: str, patched: bool
) -> None:
    """What is hashed must be what travels: nothing but regular files does, in a base either."""
    odd = pack / "subject" / "odd"
    {
        "link to a file": lambda: odd.symlink_to("/etc/passwd"),
        "link to a folder": lambda: odd.symlink_to("/etc"),
        "dangling link": lambda: odd.symlink_to("/nowhere"),
        "fifo": lambda: os.mkfifo(odd),
    }[kind]()
    with pytest.raises(SubjectError, match="odd is a link or a special file"):
        materialise(patch(pack) if patched else pack / "subject", tmp_path / "into")


@pytest.mark.parametrize("folder", PATCHES, ids=lambda folder: folder.name)
def test_every_shipped_patch_fits_and_says_what_it_is(folder: Path, tmp_path: Path) -> None:
    """Each planted defect and each variant applies to the reference subject, changes it and has its sentence."""
    found = read_patch(folder)
    assert found is not None
    materialise(folder, tmp_path / "into")
    assert tree_sha256(tmp_path / "into") != tree_sha256(CUTTER / "subject")
    assert found.sentence
    assert bool(found.expect) == (folder.parent.name == "known_bad")


def test_an_ordinary_folder_has_no_patch(pack: Path) -> None:
    """A subject without a subject.toml is what it is."""
    assert read_patch(pack / "subject") is None


def git(folder: Path, *words: str) -> None:
    """Run git in a test's own repository."""
    subprocess.run(
        [*GIT, "-C", str(folder), *words],
        check=True,
        capture_output=True,
        env={"PATH": os.environ["PATH"], "HOME": "/"},
    )


def test_a_repository_s_state_is_read(pack: Path) -> None:
    """Branch, HEAD and what is changed or untracked below the subject are told, what lies beside it is not."""
    subject = pack / "subject"
    assert read_repository(subject) == Repository()
    git(pack, "init")
    git(pack, "add", "subject")
    git(pack, "commit", "-m", "one")
    clean = read_repository(subject)
    assert (clean.branch, len(clean.head), clean.status) == ("main", 40, "")
    (subject / "agent" / "__init__.py").write_text("x = 1\n", "utf-8")
    (subject / "new.py").write_text("", "utf-8")
    changed = read_repository(subject)
    assert changed.head == clean.head
    assert [line.split()[0] for line in changed.status.splitlines()] == ["M", "??"]
    assert "pack.toml" not in changed.status


def test_a_missing_folder_has_no_repository(tmp_path: Path) -> None:
    """Where there is no folder there is no branch, no HEAD and no status."""
    assert read_repository(tmp_path / "none") == Repository()


def test_a_hook_or_monitor_of_the_repository_is_not_run(pack: Path, tmp_path: Path) -> None:
    """Reading the state starts no program that the repository's own configuration names as its monitor."""
    git(pack, "init")
    git(pack, "add", "subject")
    git(pack, "commit", "-m", "one")
    hook = tmp_path / "monitor"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n", "utf-8")
    hook.chmod(0o755)
    git(pack, "config", "core.fsmonitor", str(hook))
    assert read_repository(pack / "subject").branch == "main"
    assert not (tmp_path / "ran").exists()


def test_a_place_in_a_git_index_is_found(pack: Path) -> None:
    """A path that git tracks names its work tree; untracked ones and those outside name none."""
    assert index_listing(pack / "subject") == ""
    git(pack, "init")
    git(pack, "add", "subject")
    assert index_listing(pack / "subject" / "agent" / "ledger.py") == str(pack.resolve())
    assert index_listing(pack / "subject") == str(pack.resolve())
    assert index_listing(pack / "pack.toml") == ""
