"""Counting once more after a proof: the server's counters of deletions come late, and are waited for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from console.engine import proving_certificate as module
from console.model.proof_facts import Counts


def counts(rows: int, deleted: int, *, snapshot: str = "1:1:") -> Counts:
    """Return counts of one table."""
    return Counts(rows={"entry": rows}, snapshot=snapshot, deleted={"entry": deleted})


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What the server says of deletions, look by look, of a table that has four rows left."""
    said: list[int] = []
    monkeypatch.setattr(module, "count", lambda *_given: counts(4, 0))
    monkeypatch.setattr(module, "tuples_deleted", lambda *_given: {"entry": said.pop(0)})
    monkeypatch.setattr(module, "_COUNTERS_POLL_S", 0.001)
    return said


RUN: Any = SimpleNamespace(loaded=SimpleNamespace(pack=SimpleNamespace(schema="public", tables=("entry",))))
CONNECTION: Any = None


def test_deletions_since_the_baseline_are_waited_for_too(told: list[int]) -> None:
    """Rows that went between the baseline and the count before the proof are taken for nobody's."""
    told += [4, 5, 6, 7]
    after = module._count_again(RUN, CONNECTION, (counts(4, 2), counts(10, 0)))
    assert after.deleted == {"entry": 6}
    assert told == [7]


def test_a_baseline_of_the_plans_has_no_counters(told: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan's own numbers are waited for until the patience is over."""
    told += [2, 3]
    given = counts(10, 0, snapshot="")
    assert module._count_again(RUN, CONNECTION, (counts(4, 2), given)).deleted == {"entry": 2}
    monkeypatch.setattr(module, "_COUNTERS_PATIENCE_S", 0.0)
    assert module._count_again(RUN, CONNECTION, (counts(10, 0), given)).deleted == {"entry": 0}
