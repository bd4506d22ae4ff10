"""Two runs compared: the cause first, everything that differs, and nothing where nothing does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fix_packs import Packs

from console.evidence.compare import Side, as_markdown, compare
from console.evidence.fingerprint import fingerprint, statements_of
from console.evidence.storage import compress_large

FIRST_SCREEN_LINES = 24


def side(folder: Path, packs: Packs) -> Side:
    """Return one of the packs as a side of a comparison."""
    ended = packs.passed if folder == packs.passed.folder else packs.failed
    return Side(state=ended.state, statements=statements_of(folder))


@pytest.mark.parametrize("turned", [False, True])
def test_the_cause_is_on_the_first_screen(packs: Packs, turned: bool) -> None:
    """The statement that left its transaction open, its sender, and who ended it, stand in the first 24 lines."""
    names = [packs.failed.folder, packs.passed.folder]
    said = packs.drydock.command("compare", *(str(one) for one in (reversed(names) if turned else names)))
    assert said.exit_code == 1
    screen = "\n".join(said.stdout.splitlines()[:FIRST_SCREEN_LINES])
    which, other = ("second", "first") if turned else ("first", "second")
    assert f"CAUSE: in the {which} run statement 11, SELECT entry_id, idempotency_key" in screen
    assert "sent by find (cutter_agent/db_adapter.py:87) left its transaction open" in screen
    assert f"in the {other} run it was ended" in screen
    assert "SET TRANSACTION ISOLATION LEVEL must be called before any query" in screen


def test_json_has_every_section(packs: Packs) -> None:
    """Gates, scenarios, statements, rows, shas and timings that differ are in the JSON, with both values."""
    words = ["compare", str(packs.failed.folder), str(packs.passed.folder), "--json"]
    said = packs.drydock.command(*words)
    told = json.loads(said.stdout)
    assert (said.exit_code, told["differ"]) == (1, True)
    assert {"what": "G-15", "before": "FAIL", "after": "PASS"} in told["gates"]
    assert {"what": "S4", "before": "FAIL", "after": "PASS"} in told["scenarios"]
    assert {"what": "S4 decision_backlog_entry", "before": "+0", "after": "+1"} in told["rows"]
    assert "sha256 of subject" in {one["what"] for one in told["shas"]}
    gone = [one for one in told["statements"] if one["what"] == "S4 gone"]
    assert "error 25001" in gone[0]["before"]
    assert told["timings"]


def test_a_run_and_itself_are_the_same(packs: Packs) -> None:
    """A run compared with itself differs in nothing: exit code 0."""
    said = packs.drydock.command("compare", str(packs.passed.folder), str(packs.passed.folder))
    assert (said.exit_code, "Nothing differs but the timings" in said.stdout) == (0, True)


def test_privileges_that_differ_are_named(packs: Packs) -> None:
    """A grant that one run's copy has and the other's has not is a difference of its own."""
    import msgspec

    before = side(packs.passed.folder, packs)
    facts = dict(before.state.facts)
    first = msgspec.json.decode(msgspec.json.encode(facts["privileges.copy"]))
    name = next(key for key, value in first.items() if isinstance(value, list) and value)
    first[name] = first[name][1:]
    after = Side(
        state=msgspec.structs.replace(before.state, facts={**facts, "privileges.copy": first}),
        statements=before.statements,
    )
    found = compare(before, after)
    assert [(one.before, one.after) for one in found.privileges] == [("there", None)]
    assert found.any
    assert "## Privileges" in as_markdown(found)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("SELECT * FROM t WHERE a = 1", "select", False),
        ("SELECT * FROM t WHERE a = 1", "SELECT  *\nFROM t WHERE a = 22 ;", True),
        ("INSERT INTO t VALUES ('a''b', $1)", "INSERT INTO t VALUES ('c', $2)", True),
        ("SELECT a1 FROM t1", "SELECT a2 FROM t1", False),
        ("SELECT $x$ it's $x$", "SELECT 'other'", True),
    ],
)
def test_a_fingerprint_is_the_statement_without_its_values(one: str, other: str, same: bool) -> None:
    """Statements that differ in literals and blanks only are the same, in a name or a verb not."""
    assert (fingerprint(one) == fingerprint(other)) is same


def test_a_compressed_trace_is_read_alike(packs: Packs, tmp_path: Path) -> None:
    """Statements of a pack whose trace was compressed are those of the plain one."""
    import shutil

    folder = Path(shutil.copytree(packs.passed.folder, tmp_path / packs.passed.folder.name))
    compress_large(folder, larger_than_bytes=100_000)
    assert not (folder / "trace.jsonl").exists()
    assert statements_of(folder) == statements_of(packs.passed.folder)
