"""Every fact of the plan `migration` that a gate rests on.

Owns the shapes only. Durations are the client witness's, locks and storage are what the engine saw from a session of
its own while the migration waited; sizes are those before the migration in question.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from console.model.beside_facts import BESIDE_FACTS
from console.model.fact import Count, Fact, Text

Direction = Literal["up", "down"]
Blocks = Literal["reads and writes", "writes", "schema changes"]

MOST_CHANGES = 1000
"""So many differences of the whole database are recorded one by one; a longer list is counted."""


class PlannedMigration(Fact, frozen=True, kw_only=True):
    """One migration in one direction."""

    direction: Direction
    name: Text


class MigrationsPlanned(Fact, frozen=True, kw_only=True):
    """C-09, M-1 to M-6: the migrations by scenario, in order, the role that runs them, and what is declared.

    `rows` maps schema.table to the change that all ups together make; tables without an entry may gain rows and
    lose none. `changes` are the declared differences of inventory and privileges, `beyond` those of everything else,
    null where nothing is declared. `bookkeeping` are the tool's own tables: the ups may change their rows, and their
    sequences may move; after the downs they hold what they held, unless they are in `values` too.
    `irreversible` says why there is no way back, "" where there is one.
    """

    migrations: dict[str, PlannedMigration]
    role: Text
    longest_block_ms: int
    rewrites: tuple[Text, ...]
    rows: dict[str, int]
    changes: tuple[Text, ...] | None
    beyond: tuple[Text, ...] | None
    irreversible: str
    bookkeeping: tuple[Text, ...]
    sequences: tuple[Text, ...]
    values: tuple[Text, ...]


class SchemaState(Fact, frozen=True, kw_only=True):
    """Before the ups, after them, and after the downs: what all user schemas hold.

    `objects` and `privileges` are sorted sentences; `rows` and `values` by schema.table: exact counts, and sums over
    hashes of every row's columns as text, blind to the order of rows and columns. `below` are the rows of partitioned
    tables: all those of the partitions that they have. `sequences`: "last_value,is_called"; `owners` tells of each
    sequence that belongs to a column whose table that is.
    """

    objects: tuple[str, ...]
    privileges: tuple[str, ...]
    rows: dict[str, Count]
    below: dict[str, Count]
    values: dict[str, str]
    sequences: dict[str, str]
    owners: dict[str, Text]


class Taken(Fact, frozen=True, kw_only=True):
    """One lock that a statement took: `mode` as pg_locks has it without "Lock" at its end."""

    relation: Text
    mode: Text


class MigratedStatement(Fact, frozen=True, kw_only=True):
    """One statement as it ran, and what the engine saw of it from outside.

    `looks` counts the looks at the server's locks that belong to it, `around`: one was before it and one after it.
    `alone`: the statement was its own transaction, so that only the looks while it ran could see its locks.
    `rewritten` are relations that were there before and have new storage since, `built` new ones;
    `unattributed_bytes` is new storage that no relation had in the end, in `unattributed_files`: what a handler of
    exceptions undid is empty by the time that somebody can look.
    """

    n: Count
    transaction: Count
    sql: str
    verb: str
    duration_us: Count
    rows: int
    sqlstate: str
    looks: Count
    around: bool
    alone: bool
    taken: tuple[Taken, ...] = ()
    rewritten: tuple[str, ...] = ()
    built: tuple[str, ...] = ()
    new_bytes: Count = 0
    unattributed_bytes: Count = 0
    unattributed_files: Count = 0


class Held(Fact, frozen=True, kw_only=True):
    """The longest time that a lock in one mode was held on a relation that others could use.

    From the beginning of the statement `n` that took it to the end of its transaction, in real time without the looks
    for which the backend had to wait. `blocks` says whose statements would have waited.
    """

    relation: Text
    mode: Text
    blocks: Blocks
    held_ms: Count
    n: Count
    rows: Count
    bytes: Count


class MigratedTransaction(Fact, frozen=True, kw_only=True):
    """One transaction: how long it was open, how many rows it wrote (each of them locked until its end)."""

    number: Count
    statements: Count
    open_ms: Count
    rows_written: Count


class Migrated(Fact, frozen=True, kw_only=True):
    """C-10, once a scenario, M-1, M-4 to M-6 and M-8: what one migration did.

    `outcome` is the harness's claim (returned or raised), `error` its words; `server_errors` the server's own.
    `superuser` tells what the role was while it ran. `replaced` are tables whose name another relation has now,
    in the place of one that had it before this migration or before all in its direction;
    `uncommitted` the transactions that wrote and were not committed, `others` the sessions of another role or in
    another database, as the server logged them. `booked` are the tool's own tables that are others than before, null
    where no tool keeps any (SQL files). `not_allowed` is what its own statements ask a right for that the role does not
    have in the source, in the words of `OwnedElsewhere.objects`.
    """

    outcome: str
    error: str
    server_errors: tuple[str, ...]
    superuser: bool
    duration_ms: Count
    statements: tuple[MigratedStatement, ...]
    transactions: tuple[MigratedTransaction, ...]
    held: tuple[Held, ...]
    replaced: tuple[Text, ...]
    uncommitted: tuple[Text, ...]
    others: tuple[Text, ...]
    booked: tuple[Text, ...] | None
    not_allowed: tuple[Text, ...]


class OwnedElsewhere(Fact, frozen=True, kw_only=True):
    """C-03, M-8: what the planned role does not own in the source, or where it may not create there.

    `relations` by schema.name, `objects` in the words of `BeyondAfter.not_owned`.
    """

    relations: tuple[Text, ...]
    objects: tuple[Text, ...]


class Beyond(Fact, frozen=True, kw_only=True):
    """M-8: everything that PostgreSQL keeps about the database before the ups: a digest by catalogue, without oids."""

    digests: dict[str, Text]


class BeyondAfter(Fact, frozen=True, kw_only=True):
    """M-8: the same after the ups or after the downs, and what is different from before.

    `changes` are sentences, cut off after the first `MOST_CHANGES`; `unlisted` counts the others. `not_owned` is what
    they touch and the role does not own in the source. `values` are the tables that were there before and whose rows
    differ in the columns that they had then, with the word for how.
    """

    digests: dict[str, Text]
    changes: tuple[Text, ...]
    unlisted: Count
    not_owned: tuple[Text, ...]
    values: dict[str, Text]


MIGRATION_FACTS: dict[str, type[msgspec.Struct]] = {
    "migrations.planned": MigrationsPlanned,
    "owned.elsewhere": OwnedElsewhere,
    "state.before": SchemaState,
    "migrated.": Migrated,
    "state.up": SchemaState,
    "state.down": SchemaState,
    "beyond.before": Beyond,
    "beyond.up": BeyondAfter,
    "beyond.down": BeyondAfter,
    **BESIDE_FACTS,
}
"""Fact name, or prefix ending in a dot, to its shape; the others are in `console.model.facts`."""
