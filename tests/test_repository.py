"""Tests of reading a repository: what differs is told, and nothing that the repository names is run."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fix_places import place_for_clusters

from console import repository
from console.repository import Repository, index_listing, read_repository

OWNER = 60777
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a folder to another user")


def git(folder: Path, *words: str, given: bytes = b"", uid: int | None = None) -> str:
    """Run git in a test's own repository."""
    names = ["-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "init.defaultBranch=main"]
    done = subprocess.run(
        ["git", *names, "-C", str(folder), *words], check=True, capture_output=True, input=given, user=uid, group=uid,
        extra_groups=None if uid is None else [], env={"PATH": os.environ["PATH"], "HOME": "/"},
    )  # fmt: skip
    return done.stdout.decode()


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that other users can reach (pytest's own they cannot)."""
    with tempfile.TemporaryDirectory(prefix="repository-", dir=place_for_clusters()) as made:
        path = Path(made)
        path.chmod(0o755)
        yield path


def make(top: Path, *options: str) -> Path:
    """Make a repository with one commit; return a folder in it that stands for the subject."""
    subject = top / "subject"
    (subject / "in").mkdir(parents=True)
    for name in ("same", "changed", "deleted", "staged", "both", "mode", "kind", "unstaged"):
        (subject / name).write_text(f"{name}\n", "utf-8")
    (subject / "in" / "same").write_text("", "utf-8")
    (subject / "link").symlink_to("same")
    (subject / ".gitignore").write_text("ignored\n", "utf-8")
    (top / "beside").write_text("beside\n", "utf-8")
    git(top, "init", *options)
    git(top, "add", ".")
    git(top, "commit", "-m", "one")
    return subject


def change(subject: Path) -> None:
    """Change the work tree and the index in every way that is told."""
    (subject / "changed").write_text("Changed\n", "utf-8")
    (subject / "deleted").unlink()
    (subject / "staged").write_text("Staged\n", "utf-8")
    (subject / "both").write_text("Both\n", "utf-8")
    (subject / "added").write_text("", "utf-8")
    git(subject, "add", "staged", "both", "added")
    git(subject, "rm", "--cached", "unstaged")
    (subject / "both").write_text("both again\n", "utf-8")
    (subject / "mode").chmod(0o755)
    (subject / "kind").unlink()
    (subject / "kind").symlink_to("same")
    (subject / "link").unlink()
    (subject / "link").symlink_to("changed")
    (subject / "new\nline").write_text("", "utf-8")
    (subject / "ignored").write_text("", "utf-8")
    (subject.parent / "beside").write_text("changed\n", "utf-8")


CHANGED = [
    "A  added", "MM both", " M changed", " D deleted", " T kind", " M link", " M mode", "M  staged", "D  unstaged",
    '?? "new\\nline"', "?? unstaged",
]  # fmt: skip


@pytest.mark.parametrize("options", [(), ("--object-format=sha256",)])
def test_every_difference_of_the_folder_is_told(place: Path, options: tuple[str, ...]) -> None:
    """A clean folder has no lines, a changed one has git's own letters, and what lies beside it has none."""
    subject = make(place, *options)
    clean = read_repository(subject)
    assert (clean.branch, clean.head, clean.status) == ("main", git(place, "rev-parse", "HEAD").strip(), "")
    change(subject)
    assert read_repository(subject) == Repository(branch="main", head=clean.head, status="\n".join(CHANGED))
    git(place, "checkout", "-q", "--detach")
    assert read_repository(subject).branch == "HEAD"


def test_the_lines_are_those_of_git_status(place: Path) -> None:
    """Git itself says the same of the same folder, in the same order."""
    subject = make(place)
    change(subject)
    asked = git(subject, "-c", "core.quotePath=false", "status", "--short", "--no-renames", "--", ".")
    assert read_repository(subject).status.splitlines() == asked.splitlines()


def test_what_the_index_is_told_to_overlook_is_told(place: Path) -> None:
    """A file marked as unchanged and one whose folder became a link elsewhere are compared all the same."""
    subject = make(place)
    git(subject, "update-index", "--assume-unchanged", "changed")
    (subject / "changed").write_text("Changed\n", "utf-8")
    (subject / "in").rename(place / "elsewhere")
    (subject / "in").symlink_to(place / "elsewhere")
    assert read_repository(subject).status.splitlines() == [" M changed", " D in/same", "?? in"]


def test_nothing_that_the_repository_names_is_run(place: Path) -> None:
    """Filters, hooks, monitor, diff programs, pager, helpers and a remote for missing objects leave no mark."""
    subject = make(place)
    change(subject)
    canary = place / "ran"
    program = place / "program"
    program.write_text(f'#!/bin/sh\necho "$0 $@" >>{canary}\ncat\n', "utf-8")
    program.chmod(0o755)
    hooks = place / "hooks"
    hooks.mkdir()
    for name in (
        "post-index-change",
        "pre-commit",
        "reference-transaction",
        "fsmonitor-watchman",
        "post-checkout",
    ):
        (hooks / name).symlink_to(program)
    (place / ".gitattributes").write_text("* filter=x diff=x\n", "utf-8")
    (place / ".git" / "info" / "attributes").write_text("* filter=x diff=x merge=x\n", "utf-8")
    for name in (
        "filter.x.clean", "filter.x.smudge", "filter.x.process", "diff.x.textconv", "diff.x.command", "diff.external",
        "core.fsmonitor", "core.pager", "core.sshCommand", "core.askPass", "core.gitProxy", "core.editor",
        "core.alternateRefsCommand", "credential.helper", "remote.o.uploadpack", "gpg.program", "pager.ls-files",
        "alias.ls-files",
    ):  # fmt: skip
        git(place, "config", name, str(program))
    for name, value in {
        "filter.x.required": "true", "core.hooksPath": str(hooks), "core.repositoryFormatVersion": "1",
        "extensions.partialClone": "o", "remote.o.promisor": "true", "remote.o.url": f"ext::{program} %S",
        "protocol.ext.allow": "always", "protocol.file.allow": "always", "index.threads": "1",
    }.items():  # fmt: skip
        git(place, "config", name, value)
    tree = git(place, "rev-parse", "HEAD^{tree}:subject").strip()
    assert read_repository(subject).status == "\n".join(CHANGED)
    assert index_listing(subject / "same") == str(place)
    (place / ".git" / "objects" / tree[:2] / tree[2:]).unlink()
    read_repository(subject)
    assert not canary.exists(), canary.read_text("utf-8")
    path = {"PATH": os.environ["PATH"]}
    subprocess.run(["git", "-C", str(subject), "status"], capture_output=True, check=False, env=path)
    assert canary.exists(), "the trap does not work: git status itself runs nothing"


@ROOT_ONLY
def test_another_user_s_repository_is_read_as_that_user(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root reads it all the same, git itself runs as its owner, and no directory is called safe for it."""
    subject = make(place)
    change(subject)
    for path in (place, *place.rglob("*")):
        os.lchown(path, OWNER, OWNER)
    asked: list[tuple[object, object, object]] = []
    run = subprocess.run

    def watched(words: list[str], **options: object) -> object:
        asked.append((options["user"], options["group"], options["extra_groups"]))
        assert "safe.directory" not in " ".join(words)
        assert "status" not in words
        return run(words, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "run", watched)
    assert read_repository(subject).status == "\n".join(CHANGED)
    assert index_listing(subject / "same") == str(place)
    assert asked
    assert all(one == (OWNER, OWNER, []) for one in asked)


@ROOT_ONLY
def test_a_repository_of_several_owners_is_refused(place: Path) -> None:
    """Git reads no state of it; a path in it counts as listed, because nobody can say that it is not."""
    subject = make(place)
    for path in (place / ".git", *(place / ".git").rglob("*")):
        os.lchown(path, OWNER, OWNER)
    assert read_repository(subject) == Repository()
    assert index_listing(subject / "none") == str(place)


def test_where_there_is_no_repository_nothing_is_told(place: Path) -> None:
    """No folder, no repository, one without a commit, and an empty folder that is only called .git."""
    (place / ".git").mkdir()
    assert read_repository(place) == read_repository(place / "none") == Repository()
    assert index_listing(place / "none" / "file") == ""
    git(place, "init")
    assert read_repository(place) == Repository()
    assert index_listing(place / "file") == ""


def test_without_git_nothing_is_told(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without git is no error, and a path there is in no index that anybody reads."""
    subject = make(place)
    monkeypatch.setattr(repository, "_ENVIRONMENT", {"PATH": str(place / "nowhere")})
    assert read_repository(subject) == Repository()
    assert index_listing(subject / "same") == ""


def test_a_folder_that_only_plays_a_repository_hides_none(place: Path) -> None:
    """A file .git that leads nowhere, or a .git folder with nothing but a HEAD, hides no work tree around it."""
    subject = make(place)
    (subject / "in" / ".git").mkdir()
    (subject / "in" / ".git" / "HEAD").write_text("no", "utf-8")
    assert index_listing(subject / "in" / "same") == str(place)
