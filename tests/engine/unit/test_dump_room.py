"""How much room a dump file asks for before it is copied."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from console.engine import dump_copying
from console.errors import StepFailed


def test_a_template_asks_for_the_dumps_size_once_more(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A run that rewinds has a template beside its copy: three times the dump are too little, as G-01 says."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=350))
    run: Any = SimpleNamespace(
        plan=SimpleNamespace(rewound=("S2",)), recorder=None, places=SimpleNamespace(work=tmp_path)
    )
    source: Any = SimpleNamespace(database_bytes=lambda: 100)
    with pytest.raises(
        StepFailed, match=r"350 bytes free and the copy needs 400 \(4 times the dump\)"
    ) as failed:
        dump_copying.copy_dump_file(run, source)
    assert (failed.value.cause, failed.value.gate) == ("environment", "G-01")
