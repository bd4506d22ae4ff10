"""What a subject leaves locked holds the engine's own session up for ten seconds, and no longer."""

from __future__ import annotations

from typing import Any, cast

import pytest

from console.engine.rehearsal import Rehearsal
from console.engine.rehearse import environment_answers
from console.engine.rehearsing import WITNESS_OPTIONS
from console.errors import StepFailed
from console.witness.catalogue import count_rows


class _Standing:
    """Stands for a run whose environment is there."""

    environment = None


def test_a_lock_that_was_left_is_the_subjects(production: Any) -> None:
    """A count behind an open transaction waits for ever, or becomes an exception of the engine's own."""
    options = WITNESS_OPTIONS.replace("10s", "200ms")
    assert options != WITNESS_OPTIONS
    password = production.password
    with production.connect() as subject, production.cluster.connect(
        password=password, database="directus", options=options
    ) as engine:  # fmt: skip
        with subject.transaction():
            subject.execute("LOCK TABLE public.sweep_log IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(StepFailed) as failed, environment_answers(cast("Rehearsal", _Standing())):
                count_rows(engine, "public", ["sweep_log"])
        assert count_rows(engine, "public", ["sweep_log"]) == {"sweep_log": 0}
    assert failed.value.cause == "subject"
    assert "has left a transaction open that holds one" in failed.value.reason
