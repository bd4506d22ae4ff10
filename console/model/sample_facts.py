"""The facts of a copy that is not the whole source: what the plan says, what the source sent, what the copy holds.

Shapes only. Tables are schema.table; a value of production stands in none of them.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from console.model.fact import Count, Fact, Sha256, Text

Mode = Literal["whole", "none", "where", "followed"]
"""Every row, no row, the rows for which an expression is true, or those whose parents are taken."""


class PlannedTable(Fact, frozen=True, kw_only=True):
    """What the plan says about one table: `where` is its own text, `masked` the sort of each masked column."""

    mode: Mode
    where: str
    masked: dict[str, Text]


class SamplePlanned(Fact, frozen=True, kw_only=True):
    """C-03, G-26: every table of the source that holds rows, by what the plan says about it."""

    tables: dict[str, PlannedTable]


class MadeColumn(Fact, frozen=True, kw_only=True):
    """One masked column as the source's server made it, in the dump's snapshot.

    `sort` is what was asked for, `values` counts those that are not null, `unchanged` those that the mask left as they
    were (of booleans: fakes that are true, where all must be false), `digest` is a sum over the fakes.
    """

    sort: Text
    values: Count
    unchanged: Count
    digest: Text


class SentTable(Fact, frozen=True, kw_only=True):
    """One table that pg_dump did not read: what was sent of it, and the hash of that as it came."""

    where: str
    rows: Count
    sha256: Sha256
    masked: dict[str, MadeColumn]


class SampleSent(Fact, frozen=True, kw_only=True):
    """C-03, G-26: the tables that were read by COPY, those whose rows pg_dump's archive holds, and who is an orphan.

    `there` are the rows of each table in the snapshot, `taken` those that the copy must have; `orphans` maps each
    foreign key whose parent is not whole ("table (foreign key name)") to its rows without a parent; `large_objects`
    counts those in the archive.
    """

    there: dict[str, Count]
    taken: dict[str, Count]
    sent: dict[str, SentTable]
    dumped: tuple[Text, ...]
    orphans: dict[str, Count]
    large_objects: Count


class LoadedColumn(Fact, frozen=True, kw_only=True):
    """One masked column as it stands in the copy."""

    values: Count
    digest: Text


class LoadedTable(Fact, frozen=True, kw_only=True):
    """One table that was loaded by COPY: the hash of what was loaded, and what stands there now."""

    rows: Count
    sha256: Sha256
    masked: dict[str, LoadedColumn]


class SampleLoaded(Fact, frozen=True, kw_only=True):
    """C-05, G-26: the tables that pg_restore did not fill."""

    tables: dict[str, LoadedTable]


SAMPLE_FACTS: dict[str, type[msgspec.Struct]] = {
    "sample.planned": SamplePlanned,
    "sample.sent": SampleSent,
    "sample.loaded": SampleLoaded,
}
"""Fact name to its shape; the others are in `console.model.facts`."""
