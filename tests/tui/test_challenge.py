"""Who can answer a question: the machine without a terminal."""

from __future__ import annotations

import random

import pytest

from console.tui.challenge import LETTERS, Challenge, Choice, Pace, Phase

CHOICES = (
    Choice(id="approve", words="go on"),
    Choice(id="abort", words="end"),
    Choice(id="stay", words="no", fixed="escape"),
)
PACE = Pace(fence_s=5.0, quiet_s=0.6, alone_s=0.2)


def new() -> Challenge:
    """Return a question that has just been painted at time 0."""
    return Challenge(choices=CHOICES, pace=PACE, now=0.0, chance=random.Random(7))


def armed() -> Challenge:
    """Return a question whose letters are readable at time 1."""
    asked = new()
    asked.fence_back(0.1)
    asked.tick(0.8)
    asked.fence_back(1.0)
    assert asked.phase is Phase.ARMED
    return asked


def test_the_letter_alone_answers() -> None:
    """The displayed letter, after fence and quiet, with nothing beside it, is the answer."""
    asked = armed()
    asked.key(asked.marks["abort"], 2.0, pressed=2.0)
    asked.tick(2.1)
    assert asked.answer is None
    asked.tick(2.3)
    assert asked.answer is not None and asked.answer.id == "abort"


def test_letters_are_random_and_apart() -> None:
    """No letter is y or q, no two answers share one, and another question shows others."""
    seen = {
        tuple(Challenge(choices=CHOICES, pace=PACE, now=0.0).chance.sample(LETTERS, 2)) for _ in range(50)
    }
    assert len(seen) > 10
    asked = armed()
    assert set(asked.marks) == {"approve", "abort"} and len(set(asked.marks.values())) == 2
    assert not set("yqn \r") & set(LETTERS)


@pytest.mark.parametrize("phase", [Phase.FENCE, Phase.QUIET, Phase.SHOWING])
def test_a_key_before_the_letters_are_readable_is_early(phase: Phase) -> None:
    """Every letter pressed before the last fence came back is counted and answers nothing."""
    asked = new()
    if phase is not Phase.FENCE:
        asked.fence_back(0.1)
    if phase is Phase.SHOWING:
        asked.tick(0.8)
    assert asked.phase is phase
    for letter in LETTERS:
        asked.key(letter, 0.9, pressed=0.9)
    asked.tick(1.3)
    assert asked.answer is None and asked.early_keys == len(LETTERS)


def test_a_key_pressed_before_arming_and_handled_after_is_early() -> None:
    """What counts is when a key was pressed, not when the program came to it."""
    asked = armed()
    asked.key(asked.marks["approve"], 1.5, pressed=0.9)
    asked.tick(2.0)
    assert asked.answer is None and asked.early_keys == 1


@pytest.mark.parametrize("beside", ["a", "", "y"])
def test_a_letter_with_another_key_beside_it_is_none(beside: str) -> None:
    """A letter in a burst (a paste without brackets, a cat) answers nothing and other letters are drawn."""
    asked = armed()
    before = dict(asked.marks)
    asked.key(asked.marks["approve"], 2.0, pressed=2.0)
    asked.key(beside, 2.01, pressed=2.01)
    asked.tick(2.5)
    assert asked.answer is None and asked.early_keys == 2 and asked.phase is Phase.QUIET
    asked.tick(2.8)
    assert asked.marks != before


def test_a_paste_never_answers() -> None:
    """A bracketed paste that is the letter itself is counted, not taken."""
    asked = armed()
    asked.pasted(asked.marks["approve"], 2.0)
    asked.tick(2.4)
    assert asked.answer is None and asked.early_keys == 1


def test_only_the_answer_to_the_last_fence_counts() -> None:
    """After the question was hidden, a late answer to its first fence arms nothing."""
    asked = new()
    asked.restart(0.5)
    asked.fence_back(0.6)
    first = asked.phase
    asked.fence_back(0.7)
    assert (first, asked.phase) == (Phase.FENCE, Phase.QUIET)


def test_a_silent_terminal_gets_a_code() -> None:
    """Without a fence for 5 s a code of four letters is drawn, and only the whole of it answers."""
    asked = new()
    asked.tick(4.9)
    assert not asked.coded
    asked.tick(5.0)
    asked.tick(5.7)
    assert asked.phase is Phase.ARMED and asked.coded
    code = asked.marks["approve"]
    assert len(code) == 4
    for letter in code[:3]:
        asked.key(letter, 6.0, pressed=6.0)
    assert asked.answer is None
    asked.key(code[3], 6.1, pressed=6.1)
    assert asked.answer is not None and asked.answer.id == "approve"


def test_a_wrong_code_is_forgotten() -> None:
    """One wrong letter empties the code, counts it, and another code is drawn."""
    asked = new()
    asked.tick(5.0)
    asked.tick(5.7)
    first = dict(asked.marks)
    asked.key(first["approve"][0], 6.0, pressed=6.0)
    asked.key("q", 6.1, pressed=6.1)
    assert asked.early_keys == 2 and asked.typed == ""
    asked.tick(6.8)
    assert asked.marks != first


def test_a_harmless_key_waits_for_the_fence_only() -> None:
    """A fixed key answers as soon as the question was painted, and not before."""
    asked = new()
    asked.key("escape", 0.05, pressed=0.05)
    assert asked.answer is None
    asked.fence_back(0.1)
    asked.key("escape", 0.2, pressed=0.2)
    assert asked.answer is not None and asked.answer.id == "stay"


NAMED = (Choice(id="approve", words="open it", name="direct us"), Choice(id="abort", words="end"))


def armed_with_name() -> Challenge:
    """Return a question that asks for a name, readable at time 1."""
    asked = Challenge(choices=NAMED, pace=PACE, now=0.0, chance=random.Random(7))
    asked.fence_back(0.1)
    asked.tick(0.8)
    asked.fence_back(1.0)
    assert asked.phase is Phase.ARMED
    return asked


def test_a_name_is_typed_out() -> None:
    """Where a name is asked for nothing shorter approves, and the other answer is a code that begins otherwise."""
    asked = armed_with_name()
    assert asked.marks["approve"] == "direct us"
    assert len(asked.marks["abort"]) == 4 and asked.marks["abort"][0] != "d"
    for place, character in enumerate("direct us"):
        assert asked.answer is None
        asked.key(character, 2.0 + place, pressed=2.0 + place)
    assert asked.answer is not None and asked.answer.id == "approve"


def test_a_wrong_letter_in_a_name_begins_again() -> None:
    """One wrong letter throws away what was typed, and counts it."""
    asked = armed_with_name()
    for place, character in enumerate("dirx"):
        asked.key(character, 2.0 + place, pressed=2.0 + place)
    assert (asked.answer, asked.phase, asked.early_keys) == (None, Phase.QUIET, 4)


@pytest.mark.parametrize("name", ["directus", "db2"])
def test_a_paste_that_does_not_say_so_types_no_name(name: str) -> None:
    """A name that comes faster than hands press keys (a paste without brackets) opens a transaction."""
    asked = Challenge(choices=(Choice(id="approve", words="go on", name=name),), pace=PACE, now=0.0)
    asked.fence_back(0.1)
    asked.tick(0.8)
    asked.fence_back(1.0)
    for number, letter in enumerate(name):
        asked.key(letter, 2.0, pressed=2.0 + number * 0.001)
    assert asked.answer is None and asked.early_keys >= len(name) and asked.phase is not Phase.ANSWERED
    asked.tick(3.0)
    asked.fence_back(3.1)
    for number, letter in enumerate(name):
        asked.key(letter, 4.0 + number * 0.06, pressed=4.0 + number * 0.06)
    assert asked.answer is not None and asked.answer.id == "approve"


def test_no_drawn_letter_is_a_key_of_another_answer() -> None:
    """The letter that aborts is the key that detaches."""
    choices = (Choice(id="detach", words="go away", fixed="d"), Choice(id="abort", words="end"))
    for seed in range(200):
        asked = Challenge(choices=choices, pace=PACE, now=0.0, chance=random.Random(seed))
        asked.fence_back(0.1)
        asked.tick(0.8)
        assert asked.marks["abort"] not in "db"
