"""A suite of wrong plan files: each problem has its file, its line and its remedy, and there is no other.

A file in `wrong/` ends with one comment a problem: `# wrong: LINE | what was found | remedy`; a pack's problem has
its own file's name before the line.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from console.cli.check import checked
from console.cli.main import main
from console.engine import import_check
from console.errors import PlanError
from console.plans.file import read_plan_file

HERE = Path(__file__).parent / "wrong"
FILES = sorted(HERE.glob("*.toml"))
SECRETS = ("hunter2",)
SCHEMA: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "docs" / "plan.schema.json").read_text("utf-8")
)
REFUSED_BY_THE_SCHEMA = (
    "unknown-", "key-", "section-", "type-", "kind-", "sslmode", "secret-password", "secret-url", "secret-dotted",
    "number-port", "number-timeout", "number-nan", "number-major.", "number-rows", "number-jobs", "many-",
)  # fmt: skip
"""What a schema can know; the rest only `drydock check` does."""


def expected(path: Path) -> list[tuple[str, str, str]]:
    """Return place, words and remedy of each problem, as the file's own comments have them."""
    marked = [
        line
        for line in path.read_bytes().decode("utf-8", "replace").splitlines()
        if line.startswith("# wrong: ")
    ]
    found = []
    for line in marked:
        place, words, remedy = line.removeprefix("# wrong: ").split(" | ")
        found.append((f"{path.name}, line {place}" if place.isdigit() else place, words, remedy))
    return found


@pytest.fixture
def looking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in the folder of the wrong files; a subject is copied and looked at, and not imported."""
    monkeypatch.chdir(HERE)
    monkeypatch.setattr(import_check, "_try", lambda *_given: None)


def test_there_are_fifty() -> None:
    """The suite holds fewer than fifty files, or one that says nothing of what is wrong in it."""
    assert len(FILES) >= 50
    assert [path.name for path in FILES if not expected(path)] == []


@pytest.mark.usefixtures("looking")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_problem_has_its_line_and_its_remedy(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A problem is not told, or without line or remedy, or one is told that is none, or a secret is repeated."""
    assert main(["check", path.name, "--json"]) == 2
    said = capsys.readouterr()
    told = json.loads(said.out)["problems"]
    wanted = expected(path)
    assert len(told) == len(wanted), told
    for one, (place, words, remedy) in zip(told, wanted, strict=True):
        there = (
            f"{os.path.relpath(one['file'])}, line {one['line']}"
            if one["line"]
            else os.path.relpath(one["file"])
        )
        assert (there, words in one["found"], one["remedy"]) == (place, True, remedy), one
        assert one["expected"]
    assert not any(secret in said.out + said.err for secret in SECRETS)


@pytest.mark.usefixtures("looking")
def test_run_tells_the_first_problem_and_how_many_more() -> None:
    """`drydock run` says nothing of the problems beside the one that it tells."""
    path = HERE / "many-at-once.toml"
    wrong, _plan = checked(path)
    with pytest.raises(PlanError) as refused:
        read_plan_file(path)
    assert refused.value.what == wrong[0].what
    assert refused.value.remedy == f"{wrong[0].remedy}; drydock check lists {len(wrong) - 1} more problems"


@pytest.mark.parametrize("name", ["many-at-once", "toml-and-a-secret", "bytes-are-not-text"])
def test_the_command_itself_says_it(name: str) -> None:
    """The real command ends with another code than 2, with a traceback, or without one of the places."""
    command = [str(Path(sys.executable).with_name("drydock")), "check", f"{name}.toml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=HERE)
    places = [place for place, _words, _remedy in expected(HERE / f"{name}.toml")]
    told = [line for line in done.stderr.splitlines() if not line.startswith((" ", "drydock: "))]
    assert (done.returncode, done.stdout, "Traceback" in done.stderr) == (2, "", False)
    assert [line.partition(": ")[0] for line in told] == places
    number = f"{len(places)} problem" + ("s" if len(places) > 1 else "")
    assert done.stderr.splitlines()[-1] == f"drydock: {number}"


def fits(value: Any, schema: dict[str, Any]) -> bool:
    """Tell whether a value fits the part of JSON Schema that docs/plan.schema.json uses."""
    kinds: dict[str, Any] = {
        "string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list, "object": dict,
    }  # fmt: skip
    kind = schema.get("type")
    if kind and (not isinstance(value, kinds[kind]) or (isinstance(value, bool) and kind != "boolean")):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if "minimum" in schema and not schema["minimum"] <= value <= schema["maximum"]:
        return False
    if isinstance(value, list):
        return all(fits(one, schema["items"]) for one in value)
    if isinstance(value, dict):
        more = schema.get("additionalProperties", True)
        below = [(schema.get("properties", {}).get(key, more), item) for key, item in value.items()]
        return all(part is not False and fits(item, part) for part, item in below)
    return True


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_schema_refuses_what_a_schema_can(path: Path) -> None:
    """An editor takes a key, a type, a word or a number that is wrong, or refuses what it cannot know."""
    try:
        decoded = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return
    assert fits(decoded, SCHEMA) == (not path.name.startswith(REFUSED_BY_THE_SCHEMA))


def test_the_schema_takes_what_is_right() -> None:
    """The shipped examples and the file of all defaults do not fit the schema."""
    root = Path(__file__).parents[2]
    page = (root / "docs" / "plan-file.md").read_text("utf-8")
    texts = [path.read_text("utf-8") for path in (root / "scenarios").glob("*/*.example.toml")]
    texts.append(page.rpartition("```toml\n")[2].partition("```")[0])
    assert len(texts) > 2
    assert [text for text in texts if not fits(tomllib.loads(text), SCHEMA)] == []
