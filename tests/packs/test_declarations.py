"""Declarations in pack.py as text: read without running anything, wrong ones named by line; packs by entry point."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from small_pack import PACK, changed, write_pack

from console.engine.own_line import own_line
from console.errors import PackError
from console.harness.faults import Fault
from console.model.pack import Attempt, Scenario
from console.pack_code import declared_scenarios, spelled_out
from console.packs import ENTRY_POINTS, find_pack, installed_packs, load_pack
from console.witness.client_lines import InducedFault
from console.witness.induced import wrong_after_fault
from console.witness.scenario_evidence import Seen


def declared(folder: Path, text: str) -> tuple[Scenario, ...]:
    """Return what a pack.py of this text declares."""
    path = folder / "pack.py"
    path.write_text(text)
    return declared_scenarios(path)


def test_a_decorator_is_a_scenario(tmp_path: Path) -> None:
    """The whole function is one attempt of its name, and the short words are written out."""
    first, again, refused, *_ = spelled_out(declared(tmp_path, PACK))
    assert (first.id, first.kind, first.rows["decision_backlog_entry"]) == ("S1", "happy", 1)
    [attempt] = first.attempt
    assert (attempt.name, attempt.principals, attempt.commits) == ("add", ("cutter_exec",), 1)
    assert (again.id, again.kind, again.rows, again.attempt[0].commits) == ("S1-again", "replay", {}, 0)
    [denied] = refused.attempt
    assert (denied.server_errors, denied.raises, denied.rolls_back) == (("42501",), "*", 1)


def test_nothing_of_the_pack_is_run(tmp_path: Path) -> None:
    """A pack.py that would leave a mark when it runs leaves none."""
    mark = tmp_path / "mark"
    text = f'open({str(mark)!r}, "w")\n@scenario("S1", title="x")\ndef one(ctx): raise SystemExit\n'
    assert [one.id for one in declared(tmp_path, text)] == ["S1"]
    assert not mark.exists()


def test_a_bare_decorator_declares_nothing(tmp_path: Path) -> None:
    """@scenario("S1") is the function of a scenario in pack.toml."""
    assert declared(tmp_path, '@scenario("S1")\ndef one(ctx): ...\n') == ()


WRONG = {
    '@scenario("S1", title=NAME)': "line 1: title: NAME is no literal",
    "@scenario(NAME, title='x')": "line 1: the id: NAME is no literal",
    "@scenario('S1', **WORDS)": "line 1: **: WORDS is no literal",
    "@scenario(title='x')": "exactly one id",
    "@scenario('S1', titel='x')": "unknown field `titel`",
    "@scenario('S1', title='x', commits='one')": "Expected `int`, got `str`",
    "@scenario('S1', title='x', isolation='snapshot')": "Invalid enum value 'snapshot'",
    "@scenario('S1', title='x', rows={'a': 'b'})": "Expected `int`, got `str`",
    "@scenario('S1', title='x', commits=1, attempts=[{'name': 'a'}])": "commits and attempts contradict",
    "@scenario('S1', kind='happy')": "missing required field `title`",
    "@scenario('S1', title='x'": "cannot be read",
    "@scenario('S1', title='\\0')\0": "cannot be read",
}


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_declaration_names_its_line(tmp_path: Path, line: str) -> None:
    """What is no literal, no key or no value is one sentence with file and line."""
    with pytest.raises(PackError) as refused:
        declared(tmp_path, f"{line}\ndef one(ctx): ...\n")
    assert WRONG[line] in refused.value.what
    assert str(tmp_path / "pack.py") in refused.value.what


CONTRADICTIONS = {
    "kind replay and repeatable": (
        "commits=1, repeatable=True,", 'kind="replay", repeatable=True,', "is replay and repeatable"
    ),
    "no statement": ("fails_at=3", "fails_at=0", "fails_at 0 is no statement"),
    "no text": ("fails_at=3", 'fails_at=" "', "fails_at ' ' is no statement"),
    "no SQLSTATE": ('refused="42501"', 'refused="denied"', "'denied' is no SQLSTATE"),
    "twice": ('"S2", title', '"S1", title', "a scenario id occurs twice"),
    "unknown table": ('"decision_backlog_entry": 1', '"elsewhere": 1', "a table that the pack does not name"),
}  # fmt: skip


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_a_pack_that_contradicts_itself_is_refused(tmp_path: Path, name: str) -> None:
    """What cannot hold is told before anything is made."""
    find, replace, says = CONTRADICTIONS[name]
    folder = write_pack(tmp_path / "pack", pack=changed(find, replace, PACK))
    with pytest.raises(PackError, match=says):
        load_pack(folder)


# faults and lines


@pytest.mark.parametrize(("at", "number"), [(2, 2), (9, 0), ("insert INTO  public.b", 3), ("no such", 0)])
def test_a_fault_strikes_once_at_its_statement(at: int | str, number: int) -> None:
    """By number, or by the first text that holds the words."""
    fault = Fault(attempt="a", at=at, kind="exception")
    texts = ("SELECT 1", "INSERT INTO public.a", "INSERT INTO public.b", "INSERT INTO public.bb")
    assert next((hit for hit in map(fault.strikes, texts) if hit), 0) == number


def test_a_fault_that_was_never_reached_fails_the_attempt() -> None:
    """Without the harness's word the attempt did not fail where it should; with it nothing is wrong so far."""
    seen = Seen(witnessed=(), transactions=(), sessions=(), session_errors=())
    attempt = Attempt(name="half", fails_at="INSERT INTO x")
    struck = InducedFault(s="S4", a="half", n=2, pid=7, sql="INSERT INTO x", callers=(), kind="exception")
    [said] = wrong_after_fault(attempt, seen, [])
    assert said == "the fault at 'INSERT INTO x' was never reached: the attempt sent 0 statements of its own"
    assert wrong_after_fault(attempt, seen, [struck]) == []
    assert wrong_after_fault(Attempt(name="half"), seen, []) == []


def test_the_own_line_is_read_from_our_own_folders_only(tmp_path: Path) -> None:
    """A place outside, a line that is not there and a file that is none are no line; hostile text is visible."""
    inside, outside = tmp_path / "pack", tmp_path / "secret.py"
    inside.mkdir()
    outside.write_text("password = 1\n")
    (inside / "pack.py").write_text("first\n    second\x1b[2J\n")
    (inside / "link.py").symlink_to(outside)
    told = ["x (../secret.py:1)", "y (link.py:1)", "z (pack.py:99)", "no place", "look (pack.py:2)"]
    assert own_line(told[:4], [inside]) == ""
    assert own_line(told, [inside]) == "pack.py:2: second␛[2J"
    assert own_line(["it raised X: y (at look (pack.py:1))"], [inside]) == "pack.py:1: first"


# entry points


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a distribution with a pack on the path; its package would leave a mark when it is imported."""
    site = tmp_path / "site"
    package = site / "their_company_packs"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'w')\n")
    write_pack(package / "ledger")
    info = site / "their_company_packs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-company-packs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{ENTRY_POINTS}]\nledger = their_company_packs.ledger\n")
    monkeypatch.syspath_prepend(str(site))
    return package / "ledger"


def test_an_installed_pack_is_found_and_not_imported(installed: Path, tmp_path: Path) -> None:
    """The entry point names a folder; the distribution's code stays unread."""
    assert installed_packs() == {"ledger": installed}
    assert find_pack("ledger") == installed
    assert load_pack(find_pack("ledger")).pack.id == "small"
    assert not (tmp_path / "imported").exists()
    assert "their_company_packs" not in sys.modules


def test_an_entry_point_that_names_no_pack_is_said(installed: Path) -> None:
    """A folder without a pack.toml, and a package that is not there."""
    (installed / "pack.toml").unlink()
    with pytest.raises(PackError, match=r"the entry point ledger = .* names no folder with a pack.toml"):
        find_pack("ledger")


def test_the_command_lists_installed_packs(installed: Path) -> None:
    """`drydock packs` names them beside the shipped ones."""
    command = [sys.executable, "-m", "console", "packs"]
    environment = {"PYTHONPATH": str(installed.parents[1]), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert [line.split()[-1] for line in done.stdout.splitlines() if line.startswith("pack ")][-1] == "small"
