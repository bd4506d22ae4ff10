"""What differs between two states of a whole database, in sentences, and whose objects those are.

Pure: never asks a database. A sentence names the catalogue, the object, and each cell that is another one; what was too
long to be shown ends in a digest of the whole, so that two sentences are equal only when they say the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec

from console.model.text import one_line
from console.witness.whole_database import ABOUT, BESIDE, LARGE_OBJECT, WholeDatabase

SHOWN_CHARS = 300
CREATE_IN = "CREATE in"
THE_DATABASE = "the database"

_OWNING: dict[str, tuple[tuple[str, str], ...]] = {
    "pg_attribute": (("pg_class", "attrelid"),),
    "pg_attrdef": (("pg_class", "adrelid"),),
    "pg_index": (("pg_class", "indrelid"),),
    "pg_constraint": (("pg_class", "conrelid"), ("pg_type", "contypid")),
    "pg_trigger": (("pg_class", "tgrelid"),),
    "pg_policy": (("pg_class", "polrelid"),),
    "pg_rewrite": (("pg_class", "ev_class"),),
    "pg_sequence": (("pg_class", "seqrelid"),),
    "pg_inherits": (("pg_class", "inhrelid"), ("pg_class", "inhparent")),
    "pg_statistic_ext": (("pg_class", "stxrelid"),),
    "pg_partitioned_table": (("pg_class", "partrelid"),),
    "pg_foreign_table": (("pg_class", "ftrelid"),),
    "pg_publication_rel": (("pg_class", "prrelid"), ("pg_publication", "prpubid")),
    "pg_enum": (("pg_type", "enumtypid"),),
    "pg_db_role_setting": (("pg_database", "setdatabase"),),
    "pg_range": (("pg_type", "rngtypid"),),
}
"""The cells that name the object to whose owner a row belongs."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One row that is new, gone or another; `touches` are the objects that only their owner may change so."""

    sentence: str
    touches: tuple[str, ...]


def changes(before: WholeDatabase, after: WholeDatabase) -> tuple[Change, ...]:
    """Return every difference, by catalogue and object."""
    found: list[Change] = []
    for catalogue in sorted(before.rows.keys() | after.rows.keys()):
        earlier, later = before.rows.get(catalogue, {}), after.rows.get(catalogue, {})
        for name in sorted(earlier.keys() | later.keys()):
            old, new = earlier.get(name), later.get(name)
            if old != new:
                found.append(_change(catalogue, name, old, new))
    return tuple(found)


def _change(catalogue: str, name: str, old: dict[str, Any] | None, new: dict[str, Any] | None) -> Change:
    what = name if catalogue == BESIDE else f"{catalogue} {name}"
    touches = {touched for cells in (old, new) if cells for touched in _touched(catalogue, name, cells)}
    if old is None and new is not None:
        touches |= set(_created_in(catalogue, new))
    if old is None or new is None:
        return Change(
            sentence=_shown(f"{'+' if old is None else '-'} {what}"), touches=tuple(sorted(touches))
        )
    cells = [
        f"{cell} {_cell(old, cell)}, then {_cell(new, cell)}"
        for cell in sorted(old.keys() | new.keys())
        if old.get(cell) != new.get(cell)
    ]
    return Change(sentence=_shown(f"{what}: {'; '.join(cells)}"), touches=tuple(sorted(touches)))


def _cell(cells: dict[str, Any], name: str) -> str:
    value = cells.get(name)
    return (
        "nothing"
        if value in (None, "")
        else value
        if isinstance(value, str)
        else msgspec.json.encode(value).decode()
    )


def _shown(sentence: str) -> str:
    whole = one_line(sentence, limit_chars=0)
    if len(whole) <= SHOWN_CHARS and whole == sentence:
        return whole
    digest = hashlib.sha256(sentence.encode()).hexdigest()
    return f"{one_line(sentence, limit_chars=SHOWN_CHARS)} (sha256 {digest[:16]})"


def _touched(catalogue: str, name: str, cells: dict[str, Any]) -> Iterator[str]:
    owners = [f"{it} {cells[cell]}" for it, cell in _OWNING.get(catalogue, ()) if cells.get(cell, "0") != "0"]
    if ABOUT in cells:
        owners = [cells[ABOUT]]
    elif catalogue == BESIDE and name.startswith(LARGE_OBJECT):
        owners = [f"pg_largeobject_metadata {name.removeprefix(LARGE_OBJECT)}"]
    yield from owners or [f"{catalogue} {name}"]


def _created_in(catalogue: str, cells: dict[str, Any]) -> Iterator[str]:
    """Yield where somebody must be allowed to create for this row to be."""
    if catalogue in ("pg_namespace", "pg_publication", "pg_extension", "pg_language"):
        yield f"{CREATE_IN} {THE_DATABASE}"
    for cell in (
        "relnamespace",
        "pronamespace",
        "typnamespace",
        "oprnamespace",
        "collnamespace",
        "stxnamespace",
    ):
        if isinstance(cells.get(cell), str):
            yield f"{CREATE_IN} {cells[cell]}"
