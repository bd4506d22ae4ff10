"""What one run takes of its source where that is not everything: values that C-03 finds and C-05 needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from console.model.catalogue import Manifest
from console.witness.sampling import SourceTables, Taking

NO_LARGE_OBJECTS = "-B"
"""pg_dump's word for it in every version (--no-blobs was renamed in 16)."""

NO_STATISTICS = "--no-statistics"
"""Statistics hold common values as they are; pg_dump knows them since 18 and leaves them out unless it is asked."""

_STATISTICS_SINCE = 18


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """What is taken of one source, as its catalogue has it, and where what was sent lies until it is loaded."""

    tables: SourceTables
    takings: Mapping[str, Taking]
    files: Mapping[str, Path]
    encoding: str
    major: int

    @property
    def leave_out(self) -> tuple[str, ...]:
        """Return pg_dump's words for what it must not read: every table that is not taken whole and as it is."""
        left = [name for name, one in self.takings.items() if not one.by_pg_dump]
        names = [self.tables.parts[name] for name in (*left, *self.tables.of_extensions)]
        words = (NO_LARGE_OBJECTS, *((NO_STATISTICS,) if self.major >= _STATISTICS_SINCE else ()))
        return (*words, *(f"--exclude-table-data={_quoted(*name)}" for name in names))

    @property
    def heirs(self) -> dict[str, frozenset[str]]:
        """Return for each table from which others inherit all that do, over any number of steps."""
        found: dict[str, set[str]] = {}
        pairs = [pair for pair in self.tables.heirs if set(pair) <= self.takings.keys()]
        for _step in pairs:
            for heir, parent in pairs:
                found.setdefault(parent, set()).update({heir, *found.get(heir, ())})
        return {name: frozenset(below) for name, below in found.items()}

    def dumped(self, manifest: Manifest) -> dict[str, int]:
        """Return the rows of the tables that pg_dump reads."""
        return {name: manifest.rows.get(name, 0) for name, one in self.takings.items() if one.by_pg_dump}

    def counted(self, manifest: Manifest) -> Manifest:
        """Return the manifest without the rows of what is no table: a view is made anew from what was taken."""
        rows = {name: count for name, count in manifest.rows.items() if name in self.takings}
        return msgspec.structs.replace(manifest, rows=rows)


def _quoted(schema: str, table: str) -> str:
    """Return a pattern of pg_dump's that is one name and nothing else (psql, Patterns)."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in (schema, table))
