"""Tests of what the harness takes out: the engine's forms, held together with the engine's own registry."""

from __future__ import annotations

import pytest

from console.harness.redaction import Redactor, forms_of
from console.secrets import forms_of as engine_forms_of

VALUES = ("correct horse battery", "q'uo\"te\\back", "päss-wörd-→", "a+b/c=d?e&f g", "tab\tand\nline")


@pytest.mark.parametrize("value", VALUES)
def test_the_harness_knows_every_form_of_the_engine(value: str) -> None:
    """A form that the engine's registry searches for is not searched for in the harness."""
    assert set(engine_forms_of(value).values()) <= forms_of(value)


@pytest.mark.parametrize("value", VALUES)
def test_every_form_is_taken_out_and_counted(value: str) -> None:
    """A form stays in the text, or a find is not told with its role."""
    redactor = Redactor({"writer": value})
    for form in forms_of(value):
        clean, found = redactor.redact(f"before {form} after")
        assert "[redacted:writer]" in clean, form
        assert not any(needle in clean for needle in forms_of(value)), form
        assert found == ["writer"] * len(found) != [], form


def test_other_text_is_left_alone() -> None:
    """Text without a password is changed, or an empty password takes everything out."""
    assert Redactor({"writer": "", "reader": "correct horse"}).redact("battery") == ("battery", [])
