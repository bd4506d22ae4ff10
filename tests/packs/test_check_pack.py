"""check_pack and try_pack: what a pack's author learns without a database."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_pack import AGENT, CUTTER, PACK, changed, write_pack

from console.errors import PackError
from console.packs import pack_folders
from console.testing import FakeServer
from console.testing.packs import check_pack, try_pack

KNOWN = "SELECT entry_id FROM public.decision_backlog_entry"


@pytest.mark.parametrize("folder", [CUTTER], ids=["cutter_dry_run"])
def test_the_shipped_pack_has_no_problem(folder: Path) -> None:
    """The pack that everybody reads first passes its own check, planted defects and variants included."""
    assert folder in pack_folders()
    assert check_pack(folder) == []


def test_a_good_pack_has_no_problem(tmp_path: Path) -> None:
    """A pack declared in Python alone."""
    assert check_pack(write_pack(tmp_path / "pack")) == []


WRONG = {
    "alias": (PACK.replace("import Context, scenario", "import Context, scenario\nmine = scenario")
              .replace('@scenario("S3"', '@mine("S3"'), AGENT, "registers S3, which nothing declares"),
    "import of the pack": (PACK + "\nimport nowhere_at_all\n", AGENT, "nowhere_at_all"),
    "error of the pack": (PACK + "\n1 / 0\n", AGENT, "the pack cannot be imported: ZeroDivisionError"),
    "error of the subject": (PACK, AGENT + "\n1 / 0\n", "the subject cannot be imported: ZeroDivisionError"),
    "exit": (PACK + "\nimport os\nos._exit(3)\n", AGENT, "the harness ended with 3"),
    "role": (PACK.replace('principal="cutter_exec", commits', 'principal="nobody", commits'), AGENT,
             "the role nobody is no login of frozen/privileges.json"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_pack_is_a_sentence(tmp_path: Path, name: str) -> None:
    """Whatever is wrong with the code or with what it is held against."""
    pack, agent, says = WRONG[name]
    problems = check_pack(write_pack(tmp_path / "pack", pack=pack, agent=agent))
    assert any(says in problem for problem in problems), problems


def test_every_problem_is_told(tmp_path: Path) -> None:
    """Wrong files do not hide each other."""
    folder = write_pack(tmp_path / "pack", pack=changed("fails_at=3", "fails_at=0", PACK))
    (folder / "frozen" / "inventory.json").write_text("{}")
    (folder / "known_bad" / "one").mkdir(parents=True)
    (folder / "known_bad" / "one" / "subject.toml").write_text(
        'base = "../../subject"\n[[change]]\nfile = "small_agent/agent.py"\nfind = "no such text"\nreplace = ""\n'
    )
    (folder / "pack.toml").write_text((folder / "pack.toml").read_text() + "[nothing]\n")
    problems = check_pack(folder)
    for says in (
        "inventory.json: the required key tables is missing",
        "unknown key or section 'nothing'",
        "occurs 0 times, not once",
    ):
        assert any(says in problem for problem in problems), problems


def test_a_declaration_under_another_name_is_told(tmp_path: Path) -> None:
    """What stands in pack.toml is judged, and a stricter decorator that nobody could read is ignored without a word."""
    aliased = PACK.replace("import Context, scenario", "import Context, scenario\nmine = scenario")
    folder = write_pack(tmp_path / "pack", pack=aliased.replace('@scenario("S3"', '@mine("S3"'))
    more = '[[scenario]]\nid = "S3"\ntitle = "x"\nkind = "happy"\nattempt = []\n'
    (folder / "pack.toml").write_text((folder / "pack.toml").read_text() + more)
    [problem] = check_pack(folder)
    assert "declares S3 in a decorator of another name" in problem


def test_a_scenario_without_a_function_is_told(tmp_path: Path) -> None:
    """One that pack.toml declares and pack.py does not have."""
    folder = write_pack(tmp_path / "pack")
    more = '[[scenario]]\nid = "S9"\ntitle = "x"\nkind = "negative"\nattempt = []\n'
    (folder / "pack.toml").write_text((folder / "pack.toml").read_text() + more)
    assert check_pack(folder) == [
        f'{folder / "pack.py"} has no function for the scenario S9; write @scenario("S9")'
    ]


def test_an_import_that_hangs_is_given_up(tmp_path: Path) -> None:
    """A pack that waits for something at its import is told after the time."""
    folder = write_pack(tmp_path / "pack", pack=PACK + "\nimport threading\nthreading.Event().wait()\n")
    [problem] = check_pack(folder, wait_s=3.0)
    assert "did not come to its end in 3 s" in problem


def test_scenarios_are_tried_on_a_fake(tmp_path: Path) -> None:
    """Attempts, errors of the fake and induced faults are told as the harness tells them in a rehearsal."""
    folder = write_pack(tmp_path / "pack")
    with FakeServer() as server:
        server.on(KNOWN, rows=[], columns=["entry_id"])
        server.on("INSERT INTO public.")
        server.on("UPDATE public.", error="42501")
        told = try_pack(folder, server, "S1", "S2", "S4")
    [added], [denied], [half] = (told[name]["attempts"] for name in ("S1", "S2", "S4"))
    assert (added["name"], added["outcome"]) == ("add", "returned")
    assert (denied["type"], denied["sqlstate"]) == ("InsufficientPrivilege", "42501")
    assert half["type"] == "InducedFault"
    assert half["frames"][0].startswith("add (small_agent/agent.py:")
    assert [one.user for one in server.sent("UPDATE public.")] == ["cutter_exec"]
    assert len(server.sent("decision_backlog_history")) == 1


def test_a_pack_that_cannot_be_imported_cannot_be_tried(tmp_path: Path) -> None:
    """The harness's own sentence."""
    folder = write_pack(tmp_path / "pack", pack=PACK + "\n1 / 0\n")
    with FakeServer() as server, pytest.raises(PackError, match="ZeroDivisionError"):
        try_pack(folder, server)
