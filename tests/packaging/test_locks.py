"""The locks: everything that is installed is pinned and hashed, and from no address of somebody's."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = ("requirements.lock", "requirements-dev.lock")
_PIN = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)
_ENTRY = re.compile(
    r"^[a-z0-9-]+==\S+(?: ; [^\\\n]+)? \\\n(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+(?:    #.*\n)+",
    re.MULTILINE,
)


def text_of(lock: str) -> str:
    """Return a lock's text."""
    return (CHECKOUT / lock).read_text(encoding="utf-8")


def pins_of(lock: str) -> dict[str, str]:
    """Return name and version of everything that a lock installs."""
    return dict(_PIN.findall(text_of(lock)))


def asked(requirements: list[str]) -> dict[str, str]:
    """Return name and version of requirements; an unpinned one fails."""
    pairs = [requirement.split("==") for requirement in requirements]
    assert all(len(pair) == 2 for pair in pairs), "pin it: name==version"
    return {name.partition("[")[0]: version for name, version in pairs}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_entry_is_pinned_and_hashed(lock: str) -> None:
    """A lock with an entry that has no version or no hash, or with anything else in it, is found."""
    assert re.sub(r"^#.*\n", "", _ENTRY.sub("", text_of(lock)), flags=re.MULTILINE) == ""
    assert pins_of(lock)


@pytest.mark.parametrize("lock", LOCKS)
def test_no_address_of_an_index(lock: str) -> None:
    """A lock names no index, no file and no host."""
    assert not re.search(r"://|--index|--extra|--find-links|@ ", text_of(lock))


def test_the_locks_are_what_the_project_asks_for() -> None:
    """A dependency whose version differs from its lock's, or that the lock does not have, is found."""
    runtime, dev = pins_of("requirements.lock"), pins_of("requirements-dev.lock")
    wanted = asked(PROJECT["project"]["dependencies"])
    assert {name: runtime.get(name) for name in wanted} == wanted
    wanted_dev = asked(PROJECT["dependency-groups"]["dev"])
    assert {name: dev.get(name) for name in wanted_dev} == wanted_dev
    assert {name: dev.get(name) for name in runtime} == runtime


def test_every_dependency_has_its_reason() -> None:
    """A direct dependency that CONTRIBUTING.md does not justify is found."""
    page = (CHECKOUT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Dependencies")[2]
    names = asked([*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["dev"]])
    assert [name for name in names if name not in page] == []
