"""What a reason must be that a plan gives for doing without something.

Pure: looks at the words only.
"""

from __future__ import annotations

from collections.abc import Iterator

from console.model.problem import Problem

LONGEST_REASON_CHARS = 500


def fault_of_reason(why: str) -> str:
    """Return what is wrong with why there is no way back, "" where nothing is, or where none is given."""
    if why and not why.strip():
        return "irreversible is blank: it would excuse the way back and say no reason"
    if not why.isprintable():
        return "irreversible has a control character"
    if len(why) > LONGEST_REASON_CHARS:
        return f"irreversible has {len(why)} characters"
    return ""


def migration_problems(irreversible: str) -> Iterator[Problem]:
    """Yield what is wrong with [migration] of a plan file."""
    if fault := fault_of_reason(irreversible):
        yield Problem(
            section="migration", key="irreversible", what=fault,
            expected=f"one printable sentence of at most {LONGEST_REASON_CHARS} characters",
            remedy="write in a sentence why there is no way back, or remove the line and write the down-migrations",
        )  # fmt: skip
