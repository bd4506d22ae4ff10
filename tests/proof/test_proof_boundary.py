"""B-2 asks for the database's name: nothing else answers it, in advance or later."""

from __future__ import annotations

import pytest
from fix_runs import Drydock
from functions import SEQUENCE, planted
from targets import Target, a_subject, another

from console.cli.run import approvals
from console.errors import PlanError

BOUNDARIES = {"B-1": "", "B-2": "directus", "B-3": ""}


@pytest.mark.parametrize(
    ("given", "refused"),
    [
        ("B-2", "B-2 asks for the name of the database"),
        ("B-2=", "B-2 asks for the name of the database"),
        ("B-2=other", "B-2 asks for the name of the database"),
        ("B-1=directus", "B-1 asks for no name"),
        ("B-4", "the plan has no boundary B-4"),
        ("directus", "'directus' is no boundary"),
    ],
)
def test_a_wrong_approval_is_refused_at_the_start(given: str, refused: str) -> None:
    """An approval of B-2 without the name, or with another one, starts a run."""
    with pytest.raises(PlanError) as said:
        approvals(given, "boundary", BOUNDARIES)
    assert said.value.what == refused


def test_right_approvals_are_taken() -> None:
    """The name itself, or all, is refused."""
    assert approvals("B-1, B-2=directus", "boundary", BOUNDARIES) == ("B-1", "B-2=directus")
    assert approvals("all", "boundary", BOUNDARIES) == ("all",)


def test_all_does_not_cover_it_and_only_the_name_answers(drydock: Drydock, template: Target) -> None:
    """`--approve all`, or an approval without the name, lets the transaction begin."""
    target = another(template, "typed")
    before = target.digest()
    living = drydock.start(str(target.plan()), "--approve", "all", "--subject", str(a_subject(drydock, "")))
    armed = living.wait_at("B-2").armed
    assert armed is not None
    assert armed.typed == "typed"
    words = living.approve_line("B-2")[1:]
    assert words[words.index("--typed") + 1] == "NAME"
    said = drydock.command(*words)
    assert (said.exit_code, "asks for the name 'typed' typed out, and 'NAME' was typed" in said.stderr) == (
        2,
        True,
    )
    at = words.index("--typed")
    said = drydock.command(*words[:at], *words[at + 2 :])
    assert (said.exit_code, "and nothing was typed" in said.stderr) == (2, True)
    assert "proof.before" not in living.state.facts
    assert drydock.command(*words[:at], "--typed", "typed", *words[at + 2 :]).exit_code == 0
    ended = living.finish()
    assert ended.outcome == (0, "PASS", "CLEAN", None), ended.said.stderr
    assert set(ended.summary["gates"].values()) == {"PASS", "NOT_APPLICABLE"}
    assert target.digest() == before
    for role in ("proof_reader", "cutter_exec", "cutter_verify"):
        password = (target.folder / role).read_text().strip().encode()
        assert not [
            path for path in ended.folder.rglob("*") if path.is_file() and password in path.read_bytes()
        ]


def test_what_changes_while_b2_waits_is_read_again(drydock: Drydock, newest: Target) -> None:
    """A function that was replaced between the hazard analysis and the operator's word runs all the same."""
    target = another(newest, "changed", tuple(SEQUENCE.split("; ")))
    subject = str(a_subject(drydock, ""))
    living = drydock.start(str(target.plan()), "--approve", "B-1,B-3", "--subject", subject)
    assert living.wait_at("B-2").gates["H-1"].verdict == "PASS"
    with target.connect() as connection:
        connection.execute(planted("PERFORM nextval('public.unit_number');").encode())
    before = target.digest()
    words = living.approve_line("B-2")[1:]
    words[words.index("--typed") + 1] = "changed"
    assert drydock.command(*words).exit_code == 0
    ended = living.finish()
    assert ended.outcome == (1, "FAIL", "CLEAN", "subject"), ended.said.stderr
    assert (ended.summary["failed_gate"], "moves a sequence" in ended.summary["reason"]) == ("H-1", True)
    assert target.digest() == before
    assert drydock.command("verify", str(ended.folder)).exit_code == 0
