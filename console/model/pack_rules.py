"""What a pack's own words may be: names that PostgreSQL can hold, ids that are one word, paths that stay inside.

A pack is somebody else's text. Reads nothing and runs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from console.model.catalogue import Privileges
from console.model.pack import Pack

LONGEST_NAME_BYTES = 63
"""NAMEDATALEN - 1 (PostgreSQL manual, Identifiers and Key Words)."""
LONGEST_TIMEOUT_S = 86_400
SUPERUSER = "postgres"
"""The copy's own superuser, on every environment: what it owned would be restored with all power."""

_PACK_ID = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
_SCENARIO_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")
_PACKAGE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)


def faults(pack: Pack, privileges: Privileges) -> Iterator[str]:
    """Yield a sentence for each word that cannot be what it is for."""
    if _PACK_ID.fullmatch(pack.id) is None:
        yield f"the id {pack.id!r} is not a word of a-z, 0-9, _, . and -, of at most 63"
    for scenario in pack.scenario:
        if _SCENARIO_ID.fullmatch(scenario.id) is None:
            yield f"the scenario id {scenario.id!r} is not a word of letters, digits, _, . and -, of at most 32"
    if not 0 < pack.scenario_timeout_s <= LONGEST_TIMEOUT_S:
        yield f"scenario_timeout_s {pack.scenario_timeout_s} is not between 1 and {LONGEST_TIMEOUT_S}"
    yield from _faults_of_names(pack, privileges)
    yield from _faults_of_subject(pack)
    yield from _faults_of_migration(pack)
    yield from _faults_of_rewind(pack)


def _faults_of_rewind(pack: Pack) -> Iterator[str]:
    asking = [one.id for one in pack.scenario if one.rewind]
    if pack.migration is not None and (asking or pack.rewind != "no"):
        yield "the pack has [migration] and rewind: a migration's way back must find what its way up left"
    for one in pack.scenario:
        if one.rewind and one.kind == "replay":
            yield f"scenario {one.id} is a replay and has rewind: on a fresh copy there is nothing that it repeats"
    if pack.rewind == "allowed" and len(pack.as_the_source) != len(pack.tables):
        yield (
            'rewind = "allowed" and a baseline in numbers: with and without --rewind the rows at the end differ; '
            'write baseline = "source", or rewind = "each"'
        )


def _faults_of_names(pack: Pack, privileges: Privileges) -> Iterator[str]:
    named = {
        "database": [pack.database], "schema": [pack.schema], "owner": [pack.owner], "table": pack.tables,
        "role": [*pack.roles_absent_in_copy, *privileges.roles],
    }  # fmt: skip
    for what, names in named.items():
        for name in names:
            # A table of another schema than the pack's is named schema.table, and either may hold a dot.
            if not _is_name(name, names=2 if what == "table" else 1):
                yield f"the {what} {name!r} is no name of PostgreSQL's: 1 to 63 bytes without control characters"
    if pack.schema.startswith("pg_") or pack.schema == "information_schema":
        yield f"the schema {pack.schema!r} is PostgreSQL's own"
    for what, role in (("owner", pack.owner), *(("role", name) for name in privileges.roles)):
        if role == SUPERUSER or role.startswith("pg_"):
            yield f"the {what} {role!r} is PostgreSQL's own, and the copy has a superuser of that name: name another"


def _is_name(name: str, *, names: int) -> bool:
    longest_bytes = names * LONGEST_NAME_BYTES + names - 1
    return 0 < len(name.encode("utf-8", "replace")) <= longest_bytes and name.isprintable()


def _faults_of_migration(pack: Pack) -> Iterator[str]:
    words = pack.migration
    if words is None:
        return
    if words.longest_block_ms < 1:
        yield f"migration.longest_block_ms {words.longest_block_ms} is no time that somebody may wait: write 1 or more"
    path = PurePosixPath(words.folder)
    if path.is_absolute() or ".." in path.parts or not words.folder.isprintable():
        yield f"migration.folder {words.folder!r} does not stay inside the subject"
    named = {
        "rewrites": [name.removeprefix("index ") for name in words.rewrites], "rows": words.rows,
        "bookkeeping": words.bookkeeping, "sequences": words.sequences, "values": words.values,
    }  # fmt: skip
    for key, names in named.items():
        for name in names:
            if not (all(name.partition(".")) and _is_name(name, names=2)):
                yield f"migration.{key} {name!r} is not schema.name"
    for change in words.changes or ():
        if change[:2] not in ("+ ", "- ") or not change.isprintable():
            yield f"migration.changes {change[:80]!r} is no change as a report writes it: + or -, a blank, a sentence"


def _faults_of_subject(pack: Pack) -> Iterator[str]:
    for key, value in (("folder", pack.subject.folder), ("unit_suite", pack.subject.unit_suite or ".")):
        path = PurePosixPath(value)
        if path.is_absolute() or ".." in path.parts or not value.isprintable():
            yield f"subject.{key} {value!r} does not stay inside the pack: [subject] path of the plan names another"
    if pack.migration is None and _PACKAGE.fullmatch(pack.subject.package) is None:
        yield f"subject.package {pack.subject.package!r} is not the name of a package"
