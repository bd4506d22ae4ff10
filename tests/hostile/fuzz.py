"""Coverage-guided fuzzing of what reads hostile bytes: the journal, plan files, the sanitiser.

Optional and for developers: pip install atheris, then python tests/hostile/fuzz.py journal|plan|text [libFuzzer's
words, such as -max_total_time=300]. Ends with a traceback and the bytes of what was found. CI does not run it;
the same properties are tested with random values in test_properties.py.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path

atheris = importlib.import_module("atheris")

with atheris.instrument_imports():
    import properties

FOLDER = Path(tempfile.mkdtemp(prefix="drydock-fuzz-"))


def journal(data: bytes) -> None:
    """Whatever a journal holds, reading it gives entries or JournalBroken, and both readers agree."""
    properties.journal_is_read_or_broken(data, FOLDER / "journal.jsonl")
    properties.chained_bodies_are_read_or_broken(data.split(b"\n"), FOLDER / "journal.jsonl")


def plan(data: bytes) -> None:
    """Whatever a plan file holds, it is a configuration or one printable sentence."""
    properties.plan_is_read_or_refused(data, FOLDER / "plan.toml")


def text(data: bytes) -> None:
    """Whatever text comes, what is shown cannot move a terminal."""
    properties.shown_text_is_harmless(data.decode("utf-8", "surrogateescape"))


if __name__ == "__main__":
    target = {"journal": journal, "plan": plan, "text": text}[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()
