"""What a copy is that is not the whole source, in one sentence: beside every verdict, so that none is taken for more.

Reads a folded journal, whose notes may be of any shape; says nothing where the copy is whole.
"""

from __future__ import annotations

from typing import Any

from console.model.run_state import RunState

SAMPLE_NOTE = "sample"
_MODES = {"none": "without rows", "where": "by WHERE", "followed": "by their parents"}


def sample_note(state: RunState) -> dict[str, Any] | None:
    """Return what was taken as the run recorded it, None of a whole copy."""
    note = state.notes.get(SAMPLE_NOTE)
    return note if isinstance(note, dict) else None


def sample_words(state: RunState) -> str:
    """Return "sampled copy: 3 of 9 tables whole, …, 2 columns masked", "" where the copy is the whole source.

    Before the source was looked at it is what the plan asked for, without numbers.
    """
    note = sample_note(state)
    if note is None:
        return _asked_for(state)
    tables = note.get("other_than_whole")
    found = [one for one in tables.values() if isinstance(one, dict)] if isinstance(tables, dict) else []
    modes = [one.get("mode") for one in found]
    counted = [f"{modes.count(mode)} {words}" for mode, words in _MODES.items() if mode in modes]
    masked = sum(len(one["masked"]) for one in found if isinstance(one.get("masked"), dict))
    whole = f"{note.get('whole')} of {note.get('tables')} tables whole"
    kind = "sampled copy" if counted else "masked copy"
    return f"{kind}: " + ", ".join([whole, *counted, *([f"{masked} columns masked"] if masked else [])])


def sample_kind(state: RunState) -> str:
    """Return in two words what the copy is, "" of a whole one."""
    return sample_words(state).partition(":")[0]


def sample_mark(sample: object, mask: object) -> str:
    """Return "sample" or "masks" for what a recorded plan asks for, "" where it takes the whole source."""
    if isinstance(sample, dict) and any(_said(sample)):
        return "sample"
    return "masks" if isinstance(mask, dict) and mask.get("columns") else ""


def _asked_for(state: RunState) -> str:
    config = state.created.config if state.created is not None else {}
    sample, mask = config.get("sample"), config.get("mask")
    marks = {sample_mark(sample, None): "a sample of the rows", sample_mark(None, mask): "masked columns"}
    words = [said for mark, said in marks.items() if mark]
    return f"not the whole source: {' and '.join(words)}" if words else ""


def _said(sample: dict[str, Any]) -> list[bool]:
    return [sample.get("rows") == "none", *(bool(sample.get(key)) for key in ("tables", "where", "follow"))]
