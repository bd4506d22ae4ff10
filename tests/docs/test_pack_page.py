"""docs/pack.md says what a pack's files may hold, as the code has it."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import msgspec
from pages import CHECKOUT, blocks

from console.harness.context import Context
from console.model.pack import Attempt, Pack
from console.pack_code import declared_scenarios
from console.subjects import PatchedSubject

PAGE = CHECKOUT / "docs" / "pack.md"
_OF_THE_ENGINE = {"take_outcomes", "close_rivals", "learn"}


def first_column(heading: str) -> list[str]:
    """Return the words in the first column of the table below a heading row."""
    table = PAGE.read_text(encoding="utf-8").partition(heading)[2].partition("\n\n")[0]
    return [
        word
        for row in table.splitlines()[2:]
        for word in re.findall(r"[a-z_]+(?=\(|`|$)", row.split("|")[1].strip())
    ]


def test_the_example_is_a_pack() -> None:
    """The page's pack.toml has a key that packs do not have, or lacks one that they need: found."""
    _entry_point, pack_toml, defect = blocks(PAGE, "toml")
    pack = msgspec.convert(tomllib.loads(pack_toml), Pack)
    assert set(pack.baseline) == set(pack.tables)
    assert msgspec.convert(tomllib.loads(defect), PatchedSubject).sentence


def test_every_key_of_an_attempt_is_told() -> None:
    """A key of an attempt that the page does not tell, and one that it invents, are found."""
    assert first_column("| key of an attempt |") == [one.name for one in msgspec.structs.fields(Attempt)]


def test_every_name_of_the_context_is_told() -> None:
    """A name that scenario functions may use and the page does not tell is found."""
    made_in_init = {"memory"}
    public = {name for name in vars(Context) if not name.startswith("_")} | made_in_init
    assert sorted(first_column("| `ctx` | is |")) == sorted(public - _OF_THE_ENGINE)


def test_the_example_is_python(tmp_path: Path) -> None:
    """The page's pack.py imports what packs may import."""
    text, declared = blocks(PAGE, "python")
    imported = [node.module for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
    assert imported == ["app_agent", "console.harness"]
    path = tmp_path / "pack.py"
    path.write_text(text + declared, encoding="utf-8")
    assert [one.id for one in declared_scenarios(path)] == ["S2"]
