"""The questions of init: a default, why it is asked, and one sentence where nobody answers."""

from __future__ import annotations

import io

import pytest

from console.cli.init_questions import Questions
from console.errors import PlanError


def typed(monkeypatch: pytest.MonkeyPatch, text: str) -> Questions:
    """Return questions that are answered with `text`."""
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    return Questions(asks=True)


def test_a_question_shows_default_and_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An empty answer is not the default, or the question does not say why it is asked."""
    questions = typed(monkeypatch, "\n  db.example.org \n")
    assert questions.text("host", None, "localhost", "where the server listens") == "localhost"
    assert questions.text("host", None, "localhost", "where the server listens") == "db.example.org"
    assert capsys.readouterr().err.startswith("where the server listens\n  host [localhost]: ")


def test_an_option_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an option says is asked all the same."""
    assert typed(monkeypatch, "").text("host", "given", "localhost", "why") == "given"


@pytest.mark.parametrize(("asks", "text"), [(False, ""), (True, ""), (True, "\n")])
def test_no_answer_is_one_sentence(monkeypatch: pytest.MonkeyPatch, asks: bool, text: str) -> None:
    """Without an answer and a default something is made up."""
    typed(monkeypatch, text)
    with pytest.raises(PlanError) as refused:
        Questions(asks=asks).text("database", None, "", "the database that your code writes to")
    assert "--database" in refused.value.remedy


def test_another_word_is_no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A word that is none of the known ones is taken, or shown raw."""
    with pytest.raises(PlanError, match="no source"):
        typed(monkeypatch, "\x1b[2J\n").choice("source", None, ("connection", "demo"), "demo", "where it is")
