"""Which statements the trace shows: one line of words, read into a rule and asked of each record.

A rule names what to look for in a record's bytes first, so that most records are never decoded.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import msgspec

from console.tui.trace_file import Record
from console.tui.trace_row import WITNESSES, row_of

_ERROR_BYTES = re.compile(rb'"sqlstate":"[^"]')
_TIME = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s)?")
_UNIT_US = {"us": 1.0, "ms": 1e3, "s": 1e6, None: 1e3}
Find = Callable[[int], int]
"""Where the next one begins from a place on, -1 when there is none."""

WORDS = "errors, verb:, table:, by:, in:, slower:, from: or a text"


class FilterUnclear(ValueError):
    """A word of a filter that cannot be understood, as one sentence."""


@dataclass(frozen=True, kw_only=True)
class Filter:
    """What a statement must be to be shown; empty fields ask nothing. Texts are matched without case."""

    errors: bool = False
    verbs: tuple[str, ...] = ()
    table: str = ""
    principal: str = ""
    scenario: str = ""
    slower_us: float = 0.0
    witness: str = ""
    texts: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Tell whether every statement is shown."""
        return self == Filter()

    def finder(self, block: bytes) -> Find | None:
        """Return what finds the bytes that every match holds, None when nothing cheap is known."""
        if self.errors:
            return lambda at: hit.start() if (hit := _ERROR_BYTES.search(block, at)) else -1
        for text in (*self.texts, self.table):
            if text and text.isascii():
                lowered, inside = block.lower(), msgspec.json.encode(text)[1:-1]
                return lambda at: lowered.find(inside, at)
        if self.scenario and self.scenario.isascii():
            lowered, inside = block.lower(), b'"scenario":' + msgspec.json.encode(self.scenario)
            return lambda at: lowered.find(inside, at)
        if self.witness:
            mark = b'{"w":"' + self.witness.encode("ascii") + b'"'
            return lambda at: block.find(mark, at)
        return None

    def holds(self, record: Record) -> bool:
        """Tell whether one record is shown."""
        row = row_of(record)
        if (self.errors and not row.sqlstate) or (self.witness and row.witness != self.witness):
            return False
        if self.scenario and row.scenario.lower() != self.scenario:
            return False
        if self.principal and self.principal not in row.principal.lower():
            return False
        if self.slower_us and row.duration_us <= self.slower_us:
            return False
        if self.verbs and row.verb not in self.verbs:
            return False
        return self._texts_hold(f"{row.sql}\n{row.message}\n{row.sqlstate}".lower())

    def _texts_hold(self, told: str) -> bool:
        if self.table and not re.search(rf"(?<![\w]){re.escape(self.table)}(?![\w])", told):
            return False
        return all(text in told for text in self.texts)


def parse_filter(line: str) -> Filter:
    """Return the filter of one line of words. Raises FilterUnclear naming the word."""
    found = Filter()
    for word in line.split():
        name, colon, value = word.partition(":")
        if word == "errors":
            found = replace(found, errors=True)
        elif colon and name in ("verb", "table", "by", "in", "slower", "from"):
            if not value:
                raise FilterUnclear(f"{name}: needs a word after it")
            found = _with(found, name, value)
        else:
            found = replace(found, texts=(*found.texts, word.lower()))
    return found


def _with(found: Filter, name: str, value: str) -> Filter:
    match name:
        case "verb":
            return replace(found, verbs=tuple(verb.upper() for verb in value.split(",") if verb))
        case "table":
            return replace(found, table=value.lower())
        case "by":
            return replace(found, principal=value.lower())
        case "in":
            return replace(found, scenario=value.lower())
        case "slower":
            return replace(found, slower_us=_microseconds(value))
        case _:
            if value not in WITNESSES:
                raise FilterUnclear(f"from: takes client, server or engine, not {value}")
            return replace(found, witness=value)


def _microseconds(value: str) -> float:
    told = _TIME.fullmatch(value)
    if told is None:
        raise FilterUnclear(f"slower: takes a time such as 5ms or 0.2s, not {value}")
    return float(told.group(1)) * _UNIT_US[told.group(2)]
