"""One trace record as the screen shows it: the three witnesses brought to the same columns."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import NamedTuple

from console.model.text import visible
from console.model.trace import ClientStatement, ServerLine
from console.tui.spans import Spans, cell, cell_right, milliseconds
from console.tui.trace_file import Record

WITNESSES = ("client", "server", "engine")
_WIDE_COLUMNS = 90
_SHOWN_CHARS = 400
_WORD = re.compile(r"[A-Za-z_]+")
_LEAD = re.compile(r"(?:\s+|\(|--[^\n]*(?:\n|\Z)|/\*.*?\*/)+", re.DOTALL)


class Row(NamedTuple):
    """A record's columns; `duration_us` 0 and `rows` -1 when the witness does not know them."""

    witness: str
    at: float
    scenario: str
    principal: str
    sql: str
    duration_us: int
    rows: int
    sqlstate: str
    message: str
    answered: bool

    @property
    def verb(self) -> str:
        """Return the first word of the statement, upper case, after comments and parentheses."""
        lead = _LEAD.match(self.sql)
        word = _WORD.match(self.sql, lead.end() if lead else 0)
        return word.group().upper() if word else ""


def row_of(record: Record) -> Row:
    """Return the columns of one record."""
    if isinstance(record, ClientStatement):
        return Row(
            "client",
            record.sent_at,
            record.scenario,
            record.principal,
            record.sql,
            record.duration_us,
            record.rows,
            record.sqlstate,
            record.message,
            record.answered,
        )
    if isinstance(record, ServerLine):
        return Row(
            "server",
            record.at,
            record.scenario,
            record.user,
            record.sql or record.message,
            0,
            -1,
            record.sqlstate,
            record.message if record.sql else "",
            True,
        )
    return Row(
        "engine",
        record.at,
        "",
        f"on {record.target}",
        record.name,
        record.duration_us,
        record.rows,
        "",
        "",
        True,
    )


def row_spans(number: int, record: Record | None, width: int) -> Spans:
    """Return the line of record `number` (from 0) in `width` columns; only what fits is made visible."""
    if record is None:
        return ((cell_right(str(number + 1), 7), "dim"), (" this record cannot be read", "fail"))
    row = row_of(record)
    state, role = _state(row)
    sql = visible(" ".join(row.sql[:_SHOWN_CHARS].split()))
    sql_role = "fail" if row.sqlstate else "dim" if row.witness != "client" else "plain"
    if row.sqlstate and row.message:
        sql = f"{visible(' '.join(row.message[:_SHOWN_CHARS].split()))} ← {sql}"
    head: list[tuple[str, str]] = [(cell_right(str(number + 1), 7) + " ", "dim")]
    if width >= _WIDE_COLUMNS:
        head.append((datetime.fromtimestamp(row.at, UTC).strftime("%H:%M:%S.%f")[:12] + " ", "dim"))
    head.append((cell(row.witness, 6) + " ", "dim"))
    head.append((cell(visible(row.scenario), 4) + " ", "name"))
    if width >= _WIDE_COLUMNS:
        head.append((cell(visible(row.principal), 13) + " ", "plain"))
        head.append((cell_right(milliseconds(row.duration_us), 9) + " ", "dim"))
    head.append((cell(state, 8) + " ", role))
    return (*head, (sql, sql_role))


def _state(row: Row) -> tuple[str, str]:
    if row.sqlstate:
        return f"✗ {visible(row.sqlstate, limit_chars=6)}", "fail"
    if not row.answered:
        return "… open", "wait"
    return (f"{row.rows} row{'' if row.rows == 1 else 's'}", "dim") if row.rows >= 0 else ("", "dim")
