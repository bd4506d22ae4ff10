"""The plan `migration`: C-01 to C-13 as in the dry run, with a scenario for each migration up and down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from console.gates.migration_table import MIGRATION_GATES, MIGRATIONS
from console.gates.sample_table import with_sample_gates
from console.model.config import RunConfig
from console.model.plan import Plan, Step
from console.plans import dry_run
from console.plans.sampling import sampling_words

_STANDS_IN = {
    "G-15": "a migration changes tables as well as rows: M-3 and M-7 compare the rows of all tables",
    "G-16": "the pack's baseline is what is there before the migrations: M-3 asks for it after the way back",
    "G-17": "a migration pack has no negative and no replay scenario",
    "G-19": "a migration is DDL, which the surface refuses: M-2 compares what it changed",
    "G-20": "a migration changes the catalogue: M-6 asks the witnesses, M-2 and M-3 compare the catalogue",
}
_NO_WAY_BACK = "the plan says that there is no way back: {why}"
_OF_THE_WAY_BACK = ("G-14", "G-18", "M-3")


def steps(config: RunConfig) -> tuple[Step, ...]:
    """Return the dry run's steps with the migrations' gates in C-11."""
    found = []
    for step in dry_run.steps(config):
        if step.id == "C-10":
            step = replace(step, does="the migrations up, then down again")
            if config.migration.irreversible:
                step = replace(step, does="the migrations up; there is no way back")
        elif step.id == "C-11":
            own = [gate.id for gate in MIGRATIONS]
            step = replace(step, gates=(*own[:-2], *step.gates, *own[-2:]))
        found.append(step)
    return tuple(found)


def not_applicable(config: RunConfig) -> dict[str, str]:
    """Return the gates that do not apply to this kind of plan, each with its reason."""
    found = {**dry_run.not_applicable(config), **_STANDS_IN}
    if config.migration.irreversible:
        why = _NO_WAY_BACK.format(why=config.migration.irreversible)
        found |= dict.fromkeys(_OF_THE_WAY_BACK, why)
    return found


def cannot_claim(config: RunConfig) -> tuple[str, ...]:
    """Return what the evidence of this kind of plan does not show."""
    claims = [
        *dry_run.cannot_claim(config),
        "durations are this copy's, on this machine, with nobody else at work: production's differ, and a lock that "
        "is waited for there lasts longer",
        "locks are what the looks before and after each statement saw; of a statement that is its own transaction only "
        "the looks while it ran (20 ms apart, of a long one 2 % of its time), so that a shorter lock of it is not seen",
        "rewrites are seen in the database's own folder; relations in other tablespaces are restored into it",
        "the whole database is compared as PostgreSQL's catalogue and the tables' sums tell it: statistics that were "
        "gathered, the place of rows in their files, and the server's settings beyond its files are not",
        "settings in the source's configuration files, its database's connection limit, and the role's attributes and "
        "memberships are not on the copy; its databases but Django's default one, and exit handlers of Python's own "
        "library, are not rehearsed",
        "the role runs on the copy as the owner of everything: whether it may do in the source what it needs beside "
        "owning and creating (privileges to read or refer to others' tables) is not shown",
    ]
    if config.migration.irreversible:
        claims.append("no way back was tried, so nothing is said about one")
    return tuple(claims)


def migration(
    config: RunConfig,
    *,
    scenarios: Sequence[str],
    supervise: Literal["boundary", "step", "scenario"] = "boundary",
) -> Plan:
    """Return the plan for one configuration and the migrations of its pack and subject."""
    return Plan(
        kind="migration",
        title=f"migrations on an isolated copy{sampling_words(config)}",
        steps=steps(config),
        gates=MIGRATION_GATES if config.takes_all else with_sample_gates(MIGRATION_GATES),
        scenario_step="C-10",
        scenarios=tuple(scenarios),
        not_applicable=not_applicable(config),
        supervise=supervise,
    )
