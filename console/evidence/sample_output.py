"""What a report says of a copy that is not the whole source: each table, by which words, how many rows, which fakes.

Folds the journal and nothing else; texts are the operator's and the source's own, and the reader escapes them.
"""

from __future__ import annotations

from console.evidence.recorded import at, mapping, number
from console.model.run_state import RunState
from console.model.sample_words import sample_note

SAMPLE_HEADER = ("table", "rows taken", "of", "how", "masked columns")
_HOW = {"none": "no row", "followed": "rows whose parents are taken", "whole": "every row"}


def sample_rows(state: RunState) -> list[tuple[str, ...]]:
    """Return one row for each table that is not taken whole and as it is, and one for the key; none of a whole copy."""
    note = sample_note(state)
    if note is None:
        return []
    found: list[tuple[str, ...]] = []
    for name, one in mapping(note.get("other_than_whole")).items():
        taken, there = number(at(one, "taken")), number(at(one, "there"))
        where = at(one, "where")
        mode = str(at(one, "mode"))
        how = f"WHERE {where}" if where else _HOW.get(mode, mode)
        masked = ", ".join(f"{column}: {sort}" for column, sort in mapping(at(one, "masked")).items())
        found.append((
            name, "not fetched" if taken is None else str(taken), "not known" if there is None else str(there), how,
            masked or "none",
        ))  # fmt: skip
    if any(row[4] != "none" for row in found):
        found.append(("the key of the fakes", "", "", str(note.get("key")), ""))
    return found
