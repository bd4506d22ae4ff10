"""A scenario pack as data: what `pack.toml` and its frozen files say.

A pack is a folder::

    pack.toml                 this module's `Pack`
    pack.py                   scenario functions; imports `console.harness` and the subject only
    frozen/inventory.json     `console.model.catalogue.Inventory` of the pack's tables
    frozen/privileges.json    `console.model.catalogue.Privileges` of the pack's roles
    subject/                  the reference subject
    demo/*.sql                what the demo source is made of, run in the order of their names
    known_bad/<name>/         subject.toml: the reference subject with one planted defect

Expected outcomes live here and are judged by the engine from the witnesses: a scenario function only
does things, and what it reports is a claim.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

import msgspec

Isolation = Literal["read uncommitted", "read committed", "repeatable read", "serializable"]

AsSource = Literal["source"]
AS_SOURCE: AsSource = "source"
"""A baseline that moves with production: the rows of the dump's snapshot and what the scenarios add to them."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing a scenario does, and what must come of it.

    `raises` is the class name of the exception expected out of the subject (None: it returns);
    `message_has` must then occur in its message. `server_errors` are the SQLSTATEs that the server
    must have raised, in order, no more and no fewer. `connects` False means that no session was
    opened; `silent` that not one statement was sent. `commits` counts the committed transactions
    with at least one INSERT or UPDATE; `rolls_back` the transactions that tried a write or met an
    error and were rolled back. `isolation` must hold for each transaction that wrote or tried to.
    `principals` are the only roles that may appear; `needs_retry` asks that the transaction which
    met the error was tried again as a whole. `refused` is short for: the server refuses it once with
    this SQLSTATE, whatever exception then leaves, and that transaction is rolled back. `fails_at` is
    where the harness makes it fail: at its n-th statement of the subject's, or at the first that holds a text;
    `fault` says how (an exception in the place of the statement, or a lost connection as well).
    """

    name: str
    principals: tuple[str, ...] = ()
    raises: str | None = None
    message_has: str | None = None
    server_errors: tuple[str, ...] = ()
    connects: bool | None = None
    silent: bool = False
    commits: int = 0
    rolls_back: int = 0
    isolation: Isolation | None = None
    needs_retry: bool = False
    refused: str = ""
    fails_at: int | str | None = None
    fault: Literal["exception", "connection"] = "exception"


ANY_EXCEPTION = "*"
"""Stands in `raises` for an exception of whatever class."""

AGAIN = "-again"
"""Ends the id of the scenario that `repeatable` adds: the same function once more."""


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One scenario: its attempts in order, and the row-count change of each table (absent: 0).

    `kind` happy scenarios write; negative and replay ones must change nothing (G-17). A `repeatable` one is run
    twice, and the second time is a replay: no row more, and `repeat_commits` transactions with writes. Before one with
    `rewind` the copy is made anew as it was prepared: nothing is left of the scenarios before it.
    """

    id: str
    title: str
    kind: Literal["happy", "negative", "replay"]
    attempt: tuple[Attempt, ...]
    rows: dict[str, int] = {}
    repeatable: bool = False
    repeat_commits: int = 0
    rewind: bool = False


class Rival(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Deliberate interference by the pack itself: a session of `role` that sends these texts and no other.

    Only a session that keeps to them is left out of a scenario's judgement.
    """

    scenario: str
    role: str
    statements: tuple[str, ...]


class PackSubject(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the reference subject is and which package it must hold."""

    folder: str
    package: str
    unit_suite: str | None = None


class ProofWords(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the rollback-only proof looks for in the subject, by name (design section 6).

    `module` is a file of the subject; in it `switch` is the kill-switch, `adapter` the class whose `methods`
    each call `guard` first. `refusal` and `not_the_adapter` are exception classes by name; `look_alikes` the
    attempts of P-3 that must be refused. `writer` and `reader` are roles, `counted` the table that gains a row;
    `secrets` names the entry of each role's password.
    """

    module: str
    adapter: str
    switch: str
    guard: str
    methods: tuple[str, ...]
    refusal: str
    not_the_adapter: str
    look_alikes: tuple[str, ...]
    writer: str
    reader: str
    counted: str
    secrets: dict[str, str]


class MigrationWords(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a migration pack rehearses, and what it declares of it; the pack's `owner` is the role that runs it.

    `kind` says who runs the migrations: Drydock (a `folder` of NAME.up.sql and NAME.down.sql), Alembic (the `folder`
    of alembic.ini) or Django (the `folder` of manage.py, with the module `settings`). `steps` are the migrations in
    order: file names without .up.sql (none: all of the folder), revisions, or "app.name".

    `longest_block_ms` is the longest time for which reads or writes of a table may have to wait. `rewrites` are the
    tables that may be written anew, `rows` the change of a table's rows over all ups, `changes` the differences of
    inventory and privileges, `beyond` those of the whole database, both as a report shows them (none given: they are
    shown and not compared; a plan without a way back needs both). `bookkeeping` are
    the tool's own tables; `sequences` may move, and the `values` of tables may differ, between before and after the
    downs. All tables are schema.name.
    """

    kind: Literal["sql", "alembic", "django"]
    folder: str = "."
    steps: tuple[str, ...] = ()
    settings: str = ""
    longest_block_ms: int = 1000
    rewrites: tuple[str, ...] = ()
    rows: dict[str, int] = {}
    changes: tuple[str, ...] | None = None
    beyond: tuple[str, ...] | None = None
    bookkeeping: tuple[str, ...] = ()
    sequences: tuple[str, ...] = ()
    values: tuple[str, ...] = ()


class Pack(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole pack. `tables` and `baseline` name tables of `schema` without the schema, others as schema.table.

    `baseline` gives each table's rows at the end: a number, or "source" for the source's rows and what the
    scenarios add; "source" alone means that for every table. `rewind` "each" makes the copy anew before every scenario,
    "allowed" only in a run that asks for it; what scenarios add then counts from the last time on.
    """

    id: str
    title: str
    database: str
    schema: str
    owner: str
    tables: tuple[str, ...]
    baseline: dict[str, int | AsSource] | AsSource
    subject: PackSubject
    scenario: tuple[Scenario, ...] = ()
    rival: tuple[Rival, ...] = ()
    roles_absent_in_copy: tuple[str, ...] = ()
    functions_allowed: tuple[str, ...] = ()
    scenario_timeout_s: int = 120
    rewind: Literal["no", "allowed", "each"] = "no"
    proof: ProofWords | None = None
    migration: MigrationWords | None = None

    @property
    def baseline_total_rows(self) -> int | None:
        """Return the expected number of rows over all tables, None where one depends on the source."""
        return None if self.as_the_source else sum(self.expected_rows({}).values())

    @property
    def as_the_source(self) -> tuple[str, ...]:
        """Return the tables whose rows at the end depend on the source's."""
        if isinstance(self.baseline, dict):
            return tuple(table for table, rows in self.baseline.items() if rows == AS_SOURCE)
        return self.tables

    def expected_rows(
        self, source: Mapping[str, int], *, since: Collection[str] | None = None
    ) -> dict[str, int]:
        """Return the rows that each table must have in the end; `source` holds those of the dump's snapshot.

        `since` names the scenarios that the copy has seen, where it was rewound; None: all.
        """
        seen = [one for one in self.scenario if since is None or one.id in since]
        given = self.baseline if isinstance(self.baseline, dict) else dict.fromkeys(self.tables, AS_SOURCE)
        return {
            table: rows
            if isinstance(rows, int)
            else source[table] + sum(scenario.rows.get(table, 0) for scenario in seen)
            for table, rows in given.items()
        }
