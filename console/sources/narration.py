"""What pg_dump says while it works (--verbose): which tables it has begun, apart from what it complains about.

Its words are the source's: names may be hostile, and a forged line can move the progress and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_BEGINS = re.compile(rb'pg_dump: dumping contents of table "(.*)"')
_TOLD = re.compile(rb"(Password: ?)?pg_dump: (?!error:|warning:|detail:|hint:|fatal:)")
_MOST_COMPLAINTS_BYTES = 1 << 16
_LONGEST_LINE_BYTES = 1 << 14


class Narration:
    """Hears stderr piece by piece."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self._rest = b""
        self._complaints = bytearray()

    def hear(self, data: bytes) -> None:
        """Take one piece; a line counts when it is whole."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._line(line)
        if len(self._rest) > _LONGEST_LINE_BYTES:
            self._line(self._rest)
            self._rest = b""

    def _line(self, line: bytes) -> None:
        begins = _BEGINS.search(line)
        if begins is not None:
            self.begun.append(begins[1].decode("utf-8", "replace"))
        elif _TOLD.match(line) is None:
            self._complaints += line + b"\n"
            del self._complaints[:-_MOST_COMPLAINTS_BYTES]

    def complaints(self, limit_bytes: int = 4000) -> bytes:
        """Return the end of what is no narration, the unfinished last line included."""
        rest = self._rest if _TOLD.match(self._rest) is None else b""
        return bytes(self._complaints + rest)[-limit_bytes:]


def rows_dumped(begun: list[str], rows: Mapping[str, int], reading: Mapping[str, int]) -> int:
    """Return the rows that are through: of the tables that were begun all, of one that is still read what was read.

    `reading` has these by the server's word. The last one that was begun counts only there.
    """
    ended = sum(rows.get(table, 0) for table in begun[:-1] if table not in reading)
    running = {table for table in begun if table in reading}
    return ended + sum(min(reading[table], rows.get(table, 0)) for table in running)
