"""One thing that is wrong in a file that the operator wrote: where, what was found, what was expected, what to do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """A problem with its place; `line` counts from 1, 0 where no line can be told, `key` is dotted ("" for none)."""

    file: str
    line: int = 0
    key: str = ""
    found: str
    expected: str
    remedy: str

    @property
    def place(self) -> str:
        """Return "FILE, line N", without the line where none can be told."""
        return f"{self.file}, line {self.line}" if self.line else self.file

    @property
    def what(self) -> str:
        """Return place and what was found, the first half of an error's sentence."""
        return f"{self.place}: {self.found}"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong: where it stands, what it is, what was expected and what to do.

    `item` is the key below the key where it is one of a table's. `rests_on` names keys (section.key) without which
    nothing is known: where one of them cannot be read, the problem may be none.
    """

    section: str
    key: str
    what: str
    expected: str
    remedy: str
    rests_on: tuple[str, ...] = ()
    item: str = ""
