"""Every fact of a run whose copy is rewound between scenarios: its name, its shape, and when it is recorded.

Owns the shapes only; what is the same in every run is in `console.model.facts`. The name that ends in a dot is
completed by a scenario's id.
"""

from __future__ import annotations

from console.model.catalogue import Inventory, Privileges
from console.model.fact import Count, Fact, Sha256, Some, Text
from console.model.facts import Effects, Probes


class Template(Fact, frozen=True, kw_only=True):
    """Which database the template is, who could reach it, and what its files look like.

    `version` is the xmin of its row in pg_database; `grantees` have a privilege on it beside its owner; `settings`
    counts those that a session in it would begin with, `sessions` all that it ever had; `sha256` is over names, sizes,
    modification and change times of its `files`.
    """

    name: Text
    oid: Text
    version: Text
    connectable: bool
    is_template: bool
    of_superuser: bool
    grantees: tuple[str, ...]
    settings: Count
    sessions: Count
    files: Some
    size_bytes: Some
    sha256: Sha256


class TemplateContent(Fact, frozen=True, kw_only=True):
    """C-08 and C-11: every byte of the template's files, when it was made and when nothing is made of it any more."""

    files: Some
    size_bytes: Some
    sha256: Sha256


class Prepared(Fact, frozen=True, kw_only=True):
    """C-08: the copy as every rewound scenario must find it, looked at just before the template was made of it.

    `rewound` are the scenarios before which the plan rewinds the copy, in order; `rows` exact counts of the pack's
    tables; `sequences` "last_value,is_called" of every one; `catalogue` a digest of each catalogue table that holds no
    row for each database; `database` what CREATE DATABASE does not bring along, word by word; `oid` the database's own.
    """

    rewound: tuple[Text, ...]
    rows: dict[str, Count]
    sequences: dict[str, str]
    catalogue: dict[str, str]
    database: dict[str, str]
    oid: Text
    template: Template


class Rewound(Fact, frozen=True, kw_only=True):
    """C-10, once before each rewound scenario: what the scenarios before it left, and the copy that it begins with.

    `ended` are the effects on the copy that was dropped, when nobody could come to it any more, `left` exact counts of
    the pack's tables in it, and `written` how many of those rows were written after the last scenario was counted;
    `began` the effects on the new one before anything of the subject's ran in it; `before` and `after` the template
    before and after it was copied; `dropped` and `made` the oids of both databases; `visitors` who came while nobody
    could have a scenario.
    """

    ended: Effects
    left: dict[str, Count]
    written: dict[str, Count]
    began: Effects
    sequences: dict[str, str]
    database: dict[str, str]
    privileges: Privileges
    probes: Probes
    inventory: Inventory
    before: Template
    after: Template
    dropped: Text
    made: Text
    visitors: tuple[str, ...]


class AfterScenario(Fact, frozen=True, kw_only=True):
    """C-10, once after each scenario: the template, and the oid of the copy's database in which it ran."""

    template: Template
    oid: Text


REWIND_FACTS: dict[str, type] = {
    "prepared": Prepared,
    "content.before": TemplateContent,
    "rewound.": Rewound,
    "template.": AfterScenario,
    "content.after": TemplateContent,
}
"""Fact name, or prefix ending in a dot, to its shape, in the order in which a run records them."""
