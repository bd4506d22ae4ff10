"""docs/plan-file.md says every key of a plan file, as the code has it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from pages import CHECKOUT, blocks

from console.model.config import RunConfig
from console.plans.file import read_plan_file

PAGE = CHECKOUT / "docs" / "plan-file.md"
_SPEC = importlib.util.spec_from_file_location("plan_file_page", CHECKOUT / "docs" / "plan_file.py")
assert _SPEC is not None and _SPEC.loader is not None
plan_file = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(plan_file)


def test_the_page_is_up_to_date() -> None:
    """A page that differs from what the code says now is found."""
    assert PAGE.read_text(encoding="utf-8") == plan_file.markdown(), (
        "python docs/plan_file.py > docs/plan-file.md"
    )


def test_every_key_has_its_sentence() -> None:
    """A key without a sentence, and a sentence without a key, are found."""
    assert sorted(plan_file.KEYS) == sorted(plan_file.keys())


def test_the_file_of_defaults_means_none(tmp_path: Path) -> None:
    """The page's own plan file is read, and says what no file says."""
    (example,) = blocks(PAGE, "toml")
    path = tmp_path / "plan.toml"
    path.write_text(example, encoding="utf-8")
    assert read_plan_file(path) == RunConfig()
