"""What a reason must be that a plan gives for doing without something.

Pure: looks at the words only.
"""

from __future__ import annotations

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
