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

from collections.abc import Mapping
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
    met the error was tried again as a whole.
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


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One scenario: its attempts in order, and the row-count change of each table (absent: 0).

    `kind` happy scenarios write; negative and replay ones must change nothing (G-17).
    """

    id: str
    title: str
    kind: Literal["happy", "negative", "replay"]
    attempt: tuple[Attempt, ...]
    rows: dict[str, int] = {}


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


class Pack(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole pack. `tables` and `baseline` name tables of `schema` without the schema, others as schema.table.

    `baseline` gives each table's rows at the end: a number, or "source" for the source's rows and what the
    scenarios add; "source" alone means that for every table.
    """

    id: str
    title: str
    database: str
    schema: str
    owner: str
    tables: tuple[str, ...]
    baseline: dict[str, int | AsSource] | AsSource
    subject: PackSubject
    scenario: tuple[Scenario, ...]
    rival: tuple[Rival, ...] = ()
    roles_absent_in_copy: tuple[str, ...] = ()
    functions_allowed: tuple[str, ...] = ()
    scenario_timeout_s: int = 120
    proof: ProofWords | None = None

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

    def expected_rows(self, source: Mapping[str, int]) -> dict[str, int]:
        """Return the rows that each table must have in the end; `source` holds those of the dump's snapshot."""
        given = self.baseline if isinstance(self.baseline, dict) else dict.fromkeys(self.tables, AS_SOURCE)
        return {
            table: rows
            if isinstance(rows, int)
            else source[table] + sum(scenario.rows.get(table, 0) for scenario in self.scenario)
            for table, rows in given.items()
        }
