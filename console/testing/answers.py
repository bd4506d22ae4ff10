"""What the fake server answers: scripts by statement, rows as values, errors by SQLSTATE."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from console.testing.statements import Parsed, parse


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One statement as it reached the server.

    `sql` has $1 where the subject wrote %s; `values` are the parameters as Python values. `transaction` is the
    state it met: idle, intrans or inerror. `backend` numbers the connection, `user` is who opened it.
    """

    sql: str
    values: tuple[Any, ...] = ()
    transaction: str = "idle"
    isolation: str = ""
    backend: int = 0
    user: str = ""

    @property
    def normal(self) -> str:
        """Return the text in lower case on one line, without comments."""
        return "; ".join(one.normal for one in parse(self.sql))


class ServerError(Exception):
    """An error that the server raises: its SQLSTATE and message; a `fatal` one ends the connection."""

    def __init__(self, sqlstate: str, message: str = "the server's words", *, fatal: bool = False) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.message = message
        self.fatal = fatal


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a statement comes to: rows with their columns, or None and a count of touched rows."""

    rows: Sequence[Sequence[Any]] | None = None
    columns: Sequence[str] = ()
    rowcount: int | None = None


Rows = Sequence[Mapping[str, Any]] | Sequence[Sequence[Any]]
Told = Answer | Rows | None
Callback = Callable[[Statement], Told]


def answer_of(told: Told, columns: Sequence[str] = (), rowcount: int | None = None) -> Answer:
    """Return rows, given as dictionaries or sequences, as an answer; None is a statement without rows.

    Raises ValueError for rows whose columns nobody named, and for a row of another width.
    """
    if isinstance(told, Answer):
        return told
    if told is None:
        return Answer(rowcount=rowcount)
    names = list(columns)
    made: list[Sequence[Any]] = []
    for row in told:
        if isinstance(row, Mapping):
            names = names or [str(name) for name in row]
            made.append([row[name] for name in names])
        else:
            made.append(list(row))
    if not names:
        raise ValueError('rows without names need columns: columns=("id", "name")')
    if any(len(row) != len(names) for row in made):
        raise ValueError(f"a row has not exactly the columns {', '.join(names)}")
    return Answer(rows=made, columns=names, rowcount=rowcount)


@dataclass(kw_only=True)
class Script:
    """Which statements it is for, and what comes of them; `times` 0 is used up, None never."""

    match: str | re.Pattern[str]
    callback: Callback
    times: int | None = None

    def fits(self, statement: Statement) -> bool:
        """Tell whether it is for this statement and not used up."""
        if self.times == 0:
            return False
        if isinstance(self.match, str):
            return " ".join(self.match.lower().split()) in statement.normal
        return self.match.search(statement.sql) is not None

    def use(self, statement: Statement) -> Answer:
        """Return the answer and count down."""
        if self.times is not None:
            self.times -= 1
        return answer_of(self.callback(statement))


@dataclass(kw_only=True)
class Scripts:
    """All scripts of a server; the newest that fits answers."""

    known: list[Script] = field(default_factory=list)

    def find(self, statement: Statement) -> Script | None:
        """Return the newest script for a statement."""
        return next((one for one in reversed(self.known) if one.fits(statement)), None)


def writes(parsed: Parsed) -> bool:
    """Tell whether a read-only transaction would refuse the statement, by its words."""
    verbs = {"INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE", "CREATE", "DROP", "ALTER", "GRANT", "REVOKE"}
    return parsed.verb in verbs or (
        parsed.verb == "WITH" and bool({"INSERT", "UPDATE", "DELETE"} & {*parsed.words})
    )
