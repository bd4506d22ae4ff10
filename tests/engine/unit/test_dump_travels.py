"""Which dumps go on to an engine."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from console.engine import rehearsal
from console.engine.rehearsal import Rehearsal
from console.environments.programs import find_programs
from console.sources.connection import ConnectionSource, Target


@pytest.mark.parametrize(("environment", "travels"), [("embedded", False), ("docker", True)])
def test_a_dump_for_an_engine_travels(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, environment: str, travels: bool
) -> None:
    """A dump that is sent on is as large as one that stays."""
    target = Target(host=str(tmp_path), port=5432, database="d", role="r", password=lambda: "p" * 9)
    source = ConnectionSource(target, find_programs(16), scratch=tmp_path, observer=None)
    monkeypatch.setattr(rehearsal, "_source_of", lambda _run: source)
    config = SimpleNamespace(environment=SimpleNamespace(kind=environment))
    run = cast(Any, SimpleNamespace(source=None, config=config))
    assert Rehearsal.the_source(run) is source
    assert source.dump_travels is travels
