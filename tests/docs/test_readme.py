"""README.md is true: its transcripts, its commands and its table of exit codes are what the program does."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from fix_runs import Drydock, Said
from pages import CHECKOUT, Shown, blocks, first_difference, normal, transcripts

from console.plans.file import read_plan_file

README = CHECKOUT / "README.md"


def said_by(drydock: Drydock, command: str) -> Said:
    """Run one command of a page; relative paths in it are the checkout's."""
    words = [str(CHECKOUT / word) if word.startswith("scenarios/") else word for word in shlex.split(command)]
    assert words[0] == "drydock"
    return drydock.command(*words[1:])


def compare(shown: Shown, said: Said) -> None:
    """Fail with the first line that the program did not say."""
    found = normal(said.stderr + said.stdout)
    wrong = first_difference(normal("\n".join(shown.lines)), found)
    assert not wrong, f"$ {shown.command}\ndoes not say: {wrong}\nit says:\n" + "\n".join(found)


@pytest.mark.parametrize("block", transcripts(README), ids=["pass", "the defect"])
def test_transcript_is_what_happens(block: list[Shown], drydock: Drydock) -> None:
    """A transcript with a line that the program does not say, or another exit code, is found."""
    run, code = block
    drydock.command("key", "make")  # the first run would say one line more, as the page tells
    said = said_by(drydock, run.command)
    compare(run, said)
    assert code == Shown(command="echo $?", lines=(str(said.exit_code),))


def test_boundary_commands_answer_from_another_shell(drydock: Drydock) -> None:
    """The three lines about boundaries, filled in, show the digest, let the run go on, and end it."""
    (status, approve, abort) = next(
        block.splitlines() for block in blocks(README, "sh") if "approve" in block and "pip" not in block
    )
    living = drydock.start()
    armed = living.wait_at("B-1").armed
    assert armed is not None
    words = {"RUN": living.folder.name, "DIGEST": armed.digest[:12]}

    def filled(line: str) -> str:
        return " ".join(words.get(word, word) for word in line.split()) + f" --runs-dir {living.runs}"

    assert "waits for you at B-1" in said_by(drydock, filled(status)).stdout
    assert said_by(drydock, filled(approve)).exit_code == 0
    living.wait_at("B-2")
    assert said_by(drydock, filled(abort)).exit_code == 0
    assert living.finish().outcome == (3, "ABORTED", "CLEAN", None)


def test_exit_codes_are_the_programs(drydock: Drydock) -> None:
    """The table of exit codes and the program's own help name the same numbers and words."""
    rows = [
        line.split("|")[1:3]
        for line in README.read_text(encoding="utf-8").splitlines()
        if line.startswith("| ")
    ]
    told = {number.strip(): words.strip() for number, words in rows if number.strip().isdigit()}
    assert list(told) == ["0", "1", "2", "3", "4", "5", "130"]
    helped = " ".join(drydock.command("--help").stdout.split())
    for number, word in {"0": "PASS", "1": "FAIL", "2": "usage", "3": "ABORTED", "4": "UNCLEAN"}.items():
        assert word in told[number]
        assert f"{number} {word}" in helped


def test_the_plan_file_is_one(tmp_path: Path) -> None:
    """The page's plan file has a key that is none, or lacks one that its source needs: found."""
    (example,) = blocks(README, "toml")
    path = tmp_path / "plan.toml"
    path.write_text(example, encoding="utf-8")
    config = read_plan_file(path)
    assert (config.source.kind, config.subject.path) == ("connection", "/srv/cutter")


@pytest.mark.parametrize(
    ("shown", "found", "wrong"),
    [
        (["a", "b"], ["a", "b"], ""),
        (["a", "…", "c"], ["a", "b", "b", "c"], ""),
        (["…"], [], ""),
        (["a", "c"], ["a", "b", "c"], "c"),
        (["…", "x"], ["a"], "x"),
        (["a"], ["a", "b"], "nothing more than 'b'"),
    ],
)
def test_a_difference_is_found(shown: list[str], found: list[str], wrong: str) -> None:
    """The comparison passes over lines only where the page has an ellipsis."""
    assert first_difference(shown, found) == wrong
