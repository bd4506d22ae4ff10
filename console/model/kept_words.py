"""How a reader is told that a copy was kept for later rehearsals, or that a kept one was taken.

Pure: looks at a folded journal, whose notes may be of any shape.
"""

from __future__ import annotations

from typing import Any

from console.model.run_state import RunState

KEPT_NOTE = "kept"
"""The note that says where a run's copy was kept, until when, and how its bytes are protected."""

TAKEN_NOTE = "kept.taken_as"
"""The note that says which kept copy a run took, and how its files were copied."""


_MARKS = {"kept": "KEPT afterwards", "reused": "from a KEPT copy"}


def kept_mark(state: RunState) -> str:
    """Return in two words what becomes of the copy or where it came from, "" for one taken anew and thrown away."""
    return _MARKS.get(state.created.copy, "") if state.created is not None else ""


def kept_words(state: RunState) -> str:
    """Return in one sentence what a reader of the verdict must know, "" for a copy taken anew and thrown away."""
    if state.created is None or state.created.copy == "new":
        return ""
    if state.created.copy == "reused":
        return (
            taken_note_words(state.notes.get(TAKEN_NOTE))
            or "taken from what an earlier run kept; production not asked"
        )
    yet = (
        "to be kept for later rehearsals, and not kept yet"
        if state.ended is None
        else "not kept: it came not so far"
    )
    return kept_note_words(state.notes.get(KEPT_NOTE)) or yet


def kept_note_words(value: Any) -> str:
    """Return what the note says of a copy that was kept, "" for a note of another shape."""
    if not isinstance(value, dict) or not isinstance(value.get("size_bytes"), int):
        return ""
    return (
        f"KEPT until {value.get('until')} in {value.get('folder')} ({value['size_bytes']} bytes; "
        f"{value.get('protection')}); drydock kept remove ends it"
    )


def taken_note_words(value: Any) -> str:
    """Return what the note says of a kept copy that was taken, "" for a note of another shape."""
    if not isinstance(value, dict) or not isinstance(value.get("took_ms"), int):
        return ""
    how = "blocks shared" if value.get("shared") is True else "every block copied"
    return (
        f"taken from what run {value.get('run')} kept, read from production at {value.get('read_at')}; laid out in "
        f"{value['took_ms'] / 1000:.2f} s, {how}; production not asked"
    )
