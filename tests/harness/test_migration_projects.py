"""What the harness makes of a project's own words: Alembic's revisions, Django's databases."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from console.harness.migrations import NOWHERE, databases_of_the_copy, revisions_of

ADDRESS = {"HOST": "/run/copy", "PORT": "5432", "NAME": "shop", "USER": "owner", "PASSWORD": "rehearsal"}


class Straight:
    """Alembic's ScriptDirectory of a, b, c and d in one line, as far as it is asked."""

    revisions = "abcd"

    def __init__(self, joins: str = "") -> None:
        self.joins = joins

    def get_revision(self, name: str) -> Any:
        """Return a revision, for one of `joins` with two below it."""
        place = self.revisions.find(name)
        below: Any = self.revisions[place - 1] if place > 0 else None
        return SimpleNamespace(revision=name, down_revision=(below, "x") if name in self.joins else below)

    def iterate_revisions(self, last: str, below: Any) -> list[Any]:
        """Return the revisions from the last down to the one above `below`."""
        first = (
            self.revisions.index(below[0] if isinstance(below, tuple) else below) + 1
            if below != "base"
            else 0
        )
        return [self.get_revision(name) for name in self.revisions[first : self.revisions.index(last) + 1]][
            ::-1
        ]


@pytest.mark.parametrize(("names", "found"), [("bc", ("c", "a")), ("d", ("d", "c")), ("abcd", ("d", "base"))])
def test_the_steps_are_one_way(names: str, found: tuple[str, str]) -> None:
    """The last revision or the one below the first is another than the steps say."""
    for direction in ("up", "down"):
        assert revisions_of(Straight(), {"direction": direction, "names": list(names)}) == found


@pytest.mark.parametrize(("names", "runs"), [("bd", "b, c, d"), ("cb", "nothing"), ("acd", "a, b, c, d")])
def test_steps_that_are_not_alembic_s_way_are_refused(names: str, runs: str) -> None:
    """A revision runs that the pack does not name, or one that it names does not run."""
    with pytest.raises(ValueError, match=f"and Alembic runs {runs}: name each revision"):
        revisions_of(Straight(), {"direction": "up", "names": list(names)})


def test_a_revision_that_joins_branches_has_no_way_down() -> None:
    """A downgrade through a revision that joins branches picks one of them."""
    assert revisions_of(Straight("c"), {"direction": "up", "names": ["c"]})[0] == "c"
    with pytest.raises(ValueError, match="revision c joins several branches"):
        revisions_of(Straight("c"), {"direction": "down", "names": ["b", "c"]})


def test_only_the_address_is_ours() -> None:
    """The project's ENGINE or its options are replaced, or a word of its address survives."""
    own = {
        "default": {
            "ENGINE": "shop.backend", "NAME": "live", "HOST": "db.shop.example", "CONN_MAX_AGE": 60,
            "OPTIONS": {
                "service": "live", "hostaddr": "10.0.0.1", "sslmode": "require", "options": "-c lock_timeout=1s",
            },
        }
    }  # fmt: skip
    found = databases_of_the_copy(own, ADDRESS, sslmode="disable")
    options = {"options": "-c lock_timeout=1s", "sslmode": "disable"}
    assert found == {"default": {"ENGINE": "shop.backend", "CONN_MAX_AGE": 60, **ADDRESS, "OPTIONS": options}}
    assert "ENGINE" not in databases_of_the_copy({}, ADDRESS, sslmode="disable")["default"]


def test_no_other_alias_leads_anywhere() -> None:
    """Another database of the project keeps an address that production has."""
    own: dict[str, dict[str, Any]] = {
        "default": {"ENGINE": "django.db.backends.postgresql"},
        "replica": {"ENGINE": "shop.backend", "HOST": "replica.example", "OPTIONS": {"service": "live"}},
        "files": {"ENGINE": "django.db.backends.sqlite3", "NAME": "/srv/live.sqlite3"},
    }
    found = databases_of_the_copy(own, ADDRESS, sslmode="disable")
    for alias in ("replica", "files"):
        assert found[alias] == {"ENGINE": "django.db.backends.postgresql", "HOST": NOWHERE, "NAME": alias}
