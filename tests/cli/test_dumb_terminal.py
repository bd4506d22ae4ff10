"""A terminal that cannot draw is told before anything is drawn on it."""

from __future__ import annotations

import sys

import pytest

from console.cli.attach import prepare_screen
from console.errors import UsageError


def test_a_dumb_terminal_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """On TERM=dumb the screen draws for ever, and only kill -9 ends it."""
    for stream in (sys.stdin, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "dumb")
    with pytest.raises(UsageError, match="TERM is dumb") as refused:
        prepare_screen()
    assert "--plain" in str(refused.value)
