"""Lines of TOML and JSON, and misfits against a struct: every path has its line, every misfit its words."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from console.model.catalogue import Inventory
from console.model.pack import Pack
from console.reading import first_unread_line, json_lines, line_of, misfits, toml_lines
from console.settings import data_folder

TOML = """\
# first
top = 1
dotted.key = "x"

[a."b.c"]
list = [
  "one",
  "two", # ]
  3,
]
text = \"\"\"
[not.a.section]
\"\"\"
[[many]]
id = 1
[[many]]
id = 2
rows = { x = 1 }
below = [
  { name = "mark", commits = 1 },
  { name = "sweep" },
]
[many.deep]
key = true
"""
LINES = {
    ("top",): 2,
    ("dotted", "key"): 3,
    ("a", "b.c"): 5,
    ("a", "b.c", "list"): 6,
    ("a", "b.c", "list", 0): 7,
    ("a", "b.c", "list", 1): 8,
    ("a", "b.c", "list", 2): 9,
    ("a", "b.c", "text"): 11,
    ("many", 0, "id"): 15,
    ("many", 1, "id"): 17,
    ("many", 1, "rows", "x"): 18,
    ("many", 1, "below", 0, "commits"): 20,
    ("many", 1, "below", 1, "name"): 21,
    ("many", 1, "deep"): 23,
    ("many", 1, "deep", "key"): 24,
}


def paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield every path of a decoded document."""
    yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ())
    for key, item in pairs:
        yield from paths(item, (*path, key))


def test_every_path_of_toml_has_its_line() -> None:
    """A line is another than the one on which the key stands, or a path has none."""
    found = toml_lines(TOML)
    assert {path: found.get(path) for path in LINES} == LINES
    assert [path for path in paths(tomllib.loads(TOML)) if path and path not in found] == []


@pytest.mark.parametrize(
    "path", sorted(data_folder("scenarios").glob("*/frozen/*.json")), ids=lambda path: path.name
)
def test_every_path_of_json_has_its_line(path: Path) -> None:
    """A path of a frozen file has no line, or its key does not stand on it."""
    text = path.read_text("utf-8")
    found, lines = json_lines(text), text.split("\n")
    for one in paths(msgspec.json.decode(text)):
        assert one in found
        if one and isinstance(one[-1], str):
            assert msgspec.json.encode(one[-1]).decode() in lines[found[one] - 1]


def test_a_line_that_is_missing_is_the_one_above() -> None:
    """A key that does not stand in a file has a line of its own, or none although its section has one."""
    found = toml_lines(TOML)
    assert (line_of(("many", 1, "nothing"), found), line_of(("nothing",), found)) == (16, 0)
    assert first_unread_line("a = 1\n[b]\nc = [\n 1,\n") == 3
    assert first_unread_line(TOML) == 0


def test_finding_lines_costs_no_more_than_it_is_worth() -> None:
    """A value over thousands of lines keeps the reader for minutes: its lines are left out instead."""
    text = "a = [\n" + '  "x",\n' * 40_000 + "]\nb = 1\n"
    assert toml_lines(text) == {}


def test_misfits_of_a_pack() -> None:
    """A misfit has another path or kind, or one that has a key's own name is not offered it."""
    decoded = {
        "id": 7,
        "titel": "x",
        "scenario": [{"id": "S1", "kind": "sad", "attempt": [{"name": 1}]}],
        "proof": 3,
    }
    found = {one.path: (one.kind, one.meant) for one in misfits(decoded, Pack)}
    assert found[("titel",)] == ("unknown", "title")
    assert found[("scenario", 0, "title")] == ("missing", "")
    assert {path for path, (kind, _meant) in found.items() if kind == "misfit"} == {
        ("id",), ("scenario", 0, "kind"), ("scenario", 0, "attempt", 0, "name"), ("proof",),
    }  # fmt: skip
    assert list(misfits({"tables": {}, "more": 1}, Inventory)) == []


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("source", []),
        ({"a": 1, "b": "source"}, []),
        ({"a": 1, "b": "sauce"}, ["baseline.b"]),
        ("sauce", ["baseline"]),
        (7, ["baseline"]),
    ],
)
def test_one_of_several_types_is_enough(value: object, found: list[str]) -> None:
    """Where a key may be a word or a table, either fits, and what does not is told at its place."""
    whole = {"id": "x", "title": "x", "database": "d", "schema": "s", "owner": "o", "tables": [], "scenario": [],
             "subject": {"folder": "s", "package": "p"}, "baseline": value}  # fmt: skip
    told = list(misfits(whole, Pack))
    assert [".".join(map(str, one.path)) for one in told] == found
    for one in told:
        assert '"source"' in one.expected
