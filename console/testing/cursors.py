"""The cursors of one fake session: DECLARE, FETCH, MOVE, CLOSE, and what a transaction's end leaves of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from console.testing.answers import Answer, ServerError
from console.testing.statements import Parsed


@dataclass(kw_only=True)
class _Cursor:
    answer: Answer
    holds: bool
    kept: bool
    at: int = 0


@dataclass(kw_only=True)
class Cursors:
    """By name; `at` is how many rows lie before the cursor."""

    _open: dict[str, _Cursor] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return name in self._open

    def columns(self, name: str) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
        """Return a cursor's columns and rows. Raises ServerError 34000 when there is none."""
        answer = self._the(name).answer
        return answer.columns, answer.rows or ()

    def declare(self, parsed: Parsed, answer: Answer, *, holds: bool, kept: bool) -> None:
        """Open one. Raises ServerError 42P03 when its name is taken."""
        name = parsed.tokens[1].name
        if name in self._open:
            raise ServerError("42P03", f'cursor "{name}" already exists')
        self._open[name] = _Cursor(answer=answer, holds=holds, kept=kept)

    def fetch(self, parsed: Parsed) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
        """Move a cursor and return the rows that it passed; backwards in the order passed."""
        cursor = self._the(parsed.tokens[-1].name)
        rows = cursor.answer.rows or ()
        words = [word for word in parsed.words[1:-1] if word not in ("FROM", "IN")]
        if words and words[0] in ("ABSOLUTE", "RELATIVE"):
            return cursor.answer.columns, _jump(cursor, rows, words)
        backwards = bool(words) and words[0] in ("BACKWARD", "PRIOR", "-")
        numbers = [int(word) for word in words if word.isdecimal()]
        count = len(rows) + 1 if "ALL" in words else numbers[0] if numbers else 1
        if backwards:
            end = min(cursor.at, len(rows) + 1)
            taken = [rows[at - 1] for at in range(end - 1, max(0, end - 1 - count), -1)]
            cursor.at = max(0, end - count)
        else:
            taken = list(rows[cursor.at : cursor.at + count])
            cursor.at = cursor.at + len(taken) + (len(taken) < count)
        return cursor.answer.columns, taken

    def close(self, parsed: Parsed) -> None:
        """Close one, or all."""
        name = parsed.tokens[-1].name
        if name == "all":
            self._open.clear()
            return
        self._the(name)
        del self._open[name]

    def end_transaction(self, *, keep: bool) -> None:
        """Drop what the end of a transaction drops: all that was declared in it, but what holds over a COMMIT."""
        self._open = {name: one for name, one in self._open.items() if one.kept or (keep and one.holds)}
        for one in self._open.values():
            one.kept = True

    def _the(self, name: str) -> _Cursor:
        if name not in self._open:
            raise ServerError("34000", f'cursor "{name}" does not exist')
        return self._open[name]


def _jump(cursor: _Cursor, rows: Sequence[Sequence[Any]], words: Sequence[str]) -> list[Sequence[Any]]:
    """Return the one row that FETCH ABSOLUTE or RELATIVE names, none outside the result."""
    number = int("".join(words[1:]))
    if words[0] == "RELATIVE":
        number += cursor.at
    elif number < 0:
        number += len(rows) + 1
    cursor.at = min(max(number, 0), len(rows) + 1)
    return [rows[number - 1]] if 1 <= number <= len(rows) else []
