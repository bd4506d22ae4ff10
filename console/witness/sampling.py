"""What a plan takes of a source, found in the source's own catalogue: rows, masks, and the queries that read them.

Reads in the caller's snapshot and judges names only. Never writes, never fetches a row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from console.errors import StepFailed
from console.model.catalogue import full_name
from console.model.config import MaskConfig, SampleConfig
from console.model.sample_facts import Mode
from console.sql import prepare, run
from console.witness.catalogue import leaf_tables
from console.witness.masks import TYPES, Mask, mask_refusal

Connection = psycopg.Connection[Any]

MOST_SELECTS = 128
"""Of one query: with two foreign keys a table it doubles at each one above, on production's server."""


@dataclass(frozen=True, kw_only=True)
class SourceColumn:
    """One column as the source's catalogue has it."""

    name: str
    type: str
    generated: bool
    in_key: bool
    in_partition_key: bool


@dataclass(frozen=True, kw_only=True)
class ForeignKey:
    """One foreign key; tables are schema.table. One that is not `validated` ties masks, and no rows."""

    name: str
    child: str
    child_columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    validated: bool = True

    @property
    def words(self) -> str:
        """Return how a sentence names it."""
        return f"foreign key {self.name} of {self.child}"


@dataclass(frozen=True, kw_only=True)
class SourceTables:
    """The tables of the user schemas: oids of those that hold rows, columns, foreign keys, partitions of the others.

    `heirs` are pairs of a table that inherits and the one that it inherits from.
    """

    parts: Mapping[str, tuple[str, str]]
    oids: Mapping[str, str]
    columns: Mapping[str, tuple[SourceColumn, ...]]
    foreign_keys: tuple[ForeignKey, ...]
    leaves: Mapping[str, tuple[str, ...]]
    of_extensions: tuple[str, ...] = ()
    heirs: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Taking:
    """What is done with one table: `parents` are the foreign keys that its rows are followed by."""

    name: str
    mode: Mode
    where: str = ""
    masks: Mapping[str, Mask] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    parents: tuple[ForeignKey, ...] = ()

    @property
    def by_pg_dump(self) -> bool:
        """Tell whether pg_dump reads it."""
        return self.mode == "whole" and not self.masks

    @property
    def by_copy(self) -> bool:
        """Tell whether the engine reads it with COPY."""
        return self.mode != "none" and not self.by_pg_dump


def read_source_tables(conn: Connection) -> SourceTables:
    """Return the tables of all user schemas; the caller has pinned the session."""
    rows = run(conn, "sample/tables")
    own = {full_name(schema, name): (schema, name) for schema, name, *_rest in rows}
    holding = {
        full_name(schema, name): oid
        for schema, name, oid, parted, extension in rows
        if not (parted or extension)
    }
    columns: dict[str, list[SourceColumn]] = {name: [] for name in holding}
    for schema, table, name, kind, generated, in_key, in_partition_key in run(conn, "sample/columns"):
        if full_name(schema, table) in columns:
            columns[full_name(schema, table)].append(
                SourceColumn(
                    name=name,
                    type=kind,
                    generated=generated,
                    in_key=in_key,
                    in_partition_key=in_partition_key,
                )
            )
    keys = tuple(
        ForeignKey(
            name=row[0], child=full_name(row[1], row[2]), child_columns=tuple(row[3]), parent=full_name(row[4], row[5]),
            parent_columns=tuple(row[6]), validated=row[7],
        )
        for row in run(conn, "sample/foreign_keys")
    )  # fmt: skip
    parted = [
        full_name(schema, name)
        for schema, name, _oid, is_parted, extension in rows
        if is_parted and not extension
    ]
    return SourceTables(
        parts=own, oids=holding, columns={name: tuple(found) for name, found in columns.items()},
        foreign_keys=tuple(key for key in keys if key.child in holding),
        leaves={**{name: (name,) for name in holding}, **leaf_tables(conn, "", parted)},
        of_extensions=tuple(full_name(schema, name) for schema, name, _oid, _parted, extension in rows if extension),
        heirs=tuple((full_name(row[0], row[1]), full_name(row[2], row[3])) for row in run(conn, "sample/inheritance")),
    )  # fmt: skip


def takings(source: SourceTables, sample: SampleConfig, mask: MaskConfig) -> dict[str, Taking]:
    """Return what is done with each table that holds rows.

    Raises StepFailed (source), with the plan's word and its remedy, for names that the source does not have and masks
    that it cannot have.
    """
    whole = set(_leaves(source, sample.tables, "[sample] tables"))
    where: dict[str, str] = {}
    for name, text in sample.where.items():
        for leaf in _leaves(source, [name], "[sample] where"):
            if leaf in where:
                raise _refused(
                    f"[sample] where names {leaf} twice, by itself or by what it is a part of", "name one"
                )
            where[leaf] = text
    masks = _masks(source, mask)
    rest: Mode = "whole" if sample.rows == "all" else "none"
    found = {
        name: Taking(
            name=name, mode="where" if name in where else "whole" if name in whole else rest, where=where.get(name, ""),
            masks=masks.get(name, {}),
            columns=tuple(column.name for column in source.columns[name] if not column.generated),
        )
        for name in source.oids
    }  # fmt: skip
    return _followed(source, found, whole) if sample.follow else found


def _leaves(source: SourceTables, names: Sequence[str], words: str) -> list[str]:
    for name in names:
        if name not in source.leaves:
            raise _refused(
                f"{words} names {name}, and the source has no such table", "mend the name, schema.table"
            )
    return [leaf for name in names for leaf in source.leaves[name]]


def _refused(what: str, remedy: str) -> StepFailed:
    return StepFailed(f"{what}: {remedy}", cause="source")


def _masks(source: SourceTables, mask: MaskConfig) -> dict[str, dict[str, Mask]]:
    found: dict[str, dict[str, Mask]] = {}
    for whole_name, sort in mask.columns.items():
        table, _dot, name = whole_name.rpartition(".")
        for leaf in _leaves(source, [table], "[mask] columns"):
            column = next((one for one in source.columns[leaf] if one.name == name), None)
            _require_maskable(whole_name, column, sort, declared=whole_name in mask.keys)
            assert column is not None
            if name in found.get(leaf, {}):
                raise _refused(
                    f"[mask] columns names {leaf}.{name} twice, by itself or by what it is a part of",
                    "name one",
                )
            found.setdefault(leaf, {})[name] = Mask(column=name, type=column.type, sort=sort)
    _require_alike(source, found)
    return found


def _require_alike(source: SourceTables, found: Mapping[str, Mapping[str, Mask]]) -> None:
    """Refuse a mask that a foreign key or an inheriting table would make worthless."""
    for heir, parent in source.heirs:
        open_ones = sorted(found.get(parent, {}).keys() - found.get(heir, {}).keys())
        if open_ones:
            raise _refused(
                f"{heir} inherits from {parent}, and its own column {open_ones[0]} is not masked",
                "mask it as well",
            )
    for key in source.foreign_keys:
        for child, parent in zip(key.child_columns, key.parent_columns, strict=True):
            for leaf in source.leaves.get(key.parent, ()):
                one, other = found.get(key.child, {}).get(child), found.get(leaf, {}).get(parent)
                if (one and (one.type, one.sort)) != (other and (other.type, other.sort)):
                    raise _refused(
                        f"the {key.words} ties {key.child}.{child} to {leaf}.{parent}, which are not masked alike",
                        "mask both with the same sort and type, or none",
                    )


def _require_maskable(name: str, column: SourceColumn | None, sort: str, *, declared: bool) -> None:
    if column is None:
        raise _refused(f"[mask] columns names {name}, and the source has no such column", "mend the name")
    if column.generated:
        raise _refused(f"{name} is a generated column", "mask the columns that it is generated from")
    if column.in_partition_key:
        raise _refused(f"{name} is in the key of a partitioned table", "leave its rows out")
    if why := mask_refusal(column.type, sort):
        raise _refused(f"{name} cannot be masked: {why}", f"of {TYPES} one can; leave the table's rows out")
    if column.in_key and not declared:
        raise _refused(f"{name} is in a key, and [mask] keys does not name it", f'add "{name}" to keys')


def _followed(source: SourceTables, found: dict[str, Taking], whole: set[str]) -> dict[str, Taking]:
    """Let every table that is not named whole follow its parents that are not taken whole, and say so of its mode."""
    partial = {name for name, one in found.items() if one.mode != "whole"}
    while True:
        children = {
            key.child for key in source.foreign_keys
            if key.child not in partial and key.child not in whole and _is_partial(source, key, partial)
        }  # fmt: skip
        if not children:
            break
        partial |= children
    changed = dict(found)
    for name, one in found.items():
        keys = tuple(
            key for key in source.foreign_keys
            if key.child == name and name not in source.leaves.get(key.parent, ()) and _is_partial(source, key, partial)
        )  # fmt: skip
        if keys and one.mode != "none" and name not in whole:
            mode: Mode = "followed" if one.mode == "whole" else one.mode
            changed[name] = Taking(
                name=name, mode=mode, where=one.where, masks=one.masks, columns=one.columns, parents=keys
            )
    return changed


def _is_partial(source: SourceTables, key: ForeignKey, partial: set[str]) -> bool:
    return key.validated and any(leaf in partial for leaf in source.leaves.get(key.parent, ()))


class TakenRows:
    """The SELECT of the rows that are taken of each table, parents and all."""

    def __init__(self, source: SourceTables, found: Mapping[str, Taking]) -> None:
        self._source = source
        self._found = found
        self._selects = 0

    def of(self, name: str, below: tuple[str, ...] = ()) -> sql.Composed:
        """Return the SELECT; StepFailed (source) where foreign keys go round in a circle."""
        if name in below:
            circle = " to ".join((*below[below.index(name) :], name))
            raise _refused(
                f"follow cannot follow foreign keys in a circle, from {circle}",
                "leave follow out and write a where for each",
            )
        self._selects += 1
        if self._selects > MOST_SELECTS:
            raise _refused(
                f"follow would read more than {MOST_SELECTS} tables and partitions for one foreign key or table",
                "leave follow out and write a where for each",
            )
        one, table = self._found[name], sql.Identifier(*self._source.parts[name])
        if one.mode == "none":
            return prepare("sample/no_row", {"table": table}).query
        rows = prepare("sample/every", {"table": table}).query
        if one.where:
            condition = sql.SQL(one.where + "\n")  # judged by the grammar as one expression, where_text
            rows = prepare("sample/taken", {"table": table, "condition": condition}).query
        for key in one.parents:
            rows = self._tied("sample/followed", key, rows, (*below, name))
        return rows

    def orphans(self, key: ForeignKey) -> Mapping[str, sql.Composable]:
        """Return the places of sample/orphans for one foreign key."""
        return self._places(key, self.of(key.child), ())

    def _tied(self, file: str, key: ForeignKey, rows: sql.Composed, below: tuple[str, ...]) -> sql.Composed:
        return prepare(file, self._places(key, rows, below)).query

    def _places(
        self, key: ForeignKey, rows: sql.Composed, below: tuple[str, ...]
    ) -> dict[str, sql.Composable]:
        leaves = self._source.leaves[key.parent]
        names = sql.SQL(", ").join([sql.Identifier(column) for column in key.parent_columns])
        parents = self.of(leaves[0], below)
        for leaf in leaves[1:]:
            two = {"columns": names, "first_rows": parents, "second_rows": self.of(leaf, below)}
            parents = prepare("sample/both", two).query
        return {
            "child_rows": rows, "parent_rows": parents,
            "child_key": _columns("child", key.child_columns), "parent_key": _columns("parent", key.parent_columns),
        }  # fmt: skip


def _columns(alias: str, names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join([sql.Identifier(alias, name) for name in names])


def orphans_of(
    source: SourceTables,
    found: Mapping[str, Taking],
    ask: Callable[[ForeignKey, Mapping[str, sql.Composable]], int],
) -> dict[str, int]:
    """Return the rows without a parent by foreign key, of each whose parent is not taken whole."""
    partial = {name for name, one in found.items() if one.mode != "whole"}
    return {
        f"{key.child} (foreign key {key.name})": ask(key, TakenRows(source, found).orphans(key))
        for key in source.foreign_keys
        if found[key.child].mode != "none"
        and source.leaves.get(key.parent)
        and _is_partial(source, key, partial)
    }
