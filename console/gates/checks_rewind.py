"""Checks of a run whose copy is rewound: each fresh copy is the prepared one, and its template is nobody's but ours.

Asked after each scenario over the rewinds so far, and again in C-11 over all. Pure functions over recorded facts: None
when the truth holds, otherwise the sentence that says why not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from console.gates.checks_copy import inventory_differences
from console.gates.checks_privileges import matrix_faults
from console.gates.sentences import said, unequal
from console.model.catalogue import Inventory, Privileges
from console.model.facts import Effects, ScenariosPlanned
from console.model.gate import Facts
from console.model.rewind_facts import AfterScenario, Prepared, Rewound, Template, TemplateContent

ROWS, REWOUND, TEMPLATE = "rows.", "rewound.", "template."

PER_DATABASE = frozenset(
    {"pg_database", "pg_db_role_setting", "pg_shdepend", "pg_shdescription", "pg_shseclabel"}
)
"""Catalogues with rows for each database: another one in the old one's place changes them. What they say of the copy
is compared word by word, and between two rewinds their digests are compared like all others."""


def without_those_per_database(catalogue: Mapping[str, str]) -> dict[str, str]:
    """Return the digests that must be the same in every copy of one template."""
    return {name: digest for name, digest in catalogue.items() if name not in PER_DATABASE}


def fresh_copies_are_the_prepared_one(facts: Facts) -> str | None:
    """The first scenario and each rewound one began on a copy that is, its rows aside, what was prepared."""
    prepared = facts.need("prepared", Prepared)
    order = list(facts.need("scenarios.planned", ScenariosPlanned).scenarios)
    began = facts.need("effects.before", Effects)
    frozen = facts.need("privileges.frozen", Privileges), facts.need("inventory.frozen", Inventory)
    phrases = _plan_faults(prepared, order)
    if not prepared.catalogue or not prepared.database:
        phrases.append("no catalogue or no word of the prepared copy's database was looked at")
    known = {name: at for name, at in prepared.sequences.items() if name in began.sequences}
    phrases += [f"at the first scenario sequence {it}" for it in unequal(known, began.sequences)]
    phrases += [f"at the first scenario {it}" for it in _of_catalogue(prepared, began)]
    phrases += [
        f"the copy was rewound before {it}, which the plan does not say"
        for it in _recorded(facts, REWOUND)
        if it not in prepared.rewound
    ]
    seen, unproven = [prepared.oid], list[str]()
    last: Rewound | None = None
    due, ran = _due(facts, prepared, order), _ran(facts, order)
    for scenario in order:
        if scenario in due:
            rewound = facts.need(REWOUND + scenario, Rewound)
            if last is None or _proven(last) != _proven(rewound):
                unproven = _unproven(rewound, *frozen)
            last = rewound
            found = [*_faults(prepared, rewound, seen), *unproven]
            phrases += [f"before {scenario} {it}" for it in found]
            seen.append(rewound.made)
        if scenario in ran and (oid := facts.need(TEMPLATE + scenario, AfterScenario).oid) != seen[-1]:
            phrases.append(f"{scenario} ended in database {oid}, and its copy was {seen[-1]}")
    return said(phrases)


def template_is_untouched(facts: Facts) -> str | None:
    """No session can reach the template, none ever has, and at every look it was the one that was made."""
    prepared = facts.need("prepared", Prepared)
    order = list(facts.need("scenarios.planned", ScenariosPlanned).scenarios)
    made = prepared.template
    phrases = _ways_in(made)
    looks = [
        (f"after {scenario}", facts.need(TEMPLATE + scenario, AfterScenario).template)
        for scenario in _ran(facts, order)
    ]
    for scenario in _due(facts, prepared, order):
        rewound = facts.need(REWOUND + scenario, Rewound)
        looks += [(f"before {scenario}", rewound.before), (f"when {scenario} had its copy", rewound.after)]
    for when, found in looks:
        phrases += [f"{when} the template's {it}" for it in unequal(_words(made), _words(found))]
    return said(phrases)


def template_has_its_content(facts: Facts) -> str | None:
    """Every byte of the template is the same when nothing is made of it any more as when it was made."""
    before = facts.need("content.before", TemplateContent)
    after = facts.need("content.after", TemplateContent)
    made = facts.need("prepared", Prepared).template
    phrases = [f"at the end the content's {it}" for it in unequal(_words(before), _words(after))]
    if before.files != made.files - 1:
        phrases.append(f"{before.files} of the template's {made.files - 1} files were read")
    return said(phrases)


def _plan_faults(prepared: Prepared, order: Sequence[str]) -> list[str]:
    if not prepared.rewound:
        return ["no scenario is to be rewound"]
    if [one for one in order[1:] if one in prepared.rewound] != list(prepared.rewound):
        return ["the rewound scenarios are not scenarios of the plan in its order, each behind another one"]
    return []


def _recorded(facts: Facts, prefix: str) -> list[str]:
    return [name.removeprefix(prefix) for name in facts.names(prefix)]


def _ran(facts: Facts, order: Sequence[str]) -> list[str]:
    """Return the scenarios up to the last one that left its counts: each must have been looked at afterwards."""
    seen = _recorded(facts, ROWS)
    last = max((place for place, one in enumerate(order) if one in seen), default=-1)
    return list(order[: last + 1])


def _due(facts: Facts, prepared: Prepared, order: Sequence[str]) -> list[str]:
    """Return the rewinds that must be recorded: those of scenarios that ran, or before one that ran, or recorded."""
    seen = {*_recorded(facts, ROWS), *_recorded(facts, REWOUND)}
    last = max((place for place, one in enumerate(order) if one in seen), default=-1)
    return [one for one in prepared.rewound if one in order[: last + 1]]


def _faults(prepared: Prepared, rewound: Rewound, seen: Sequence[str]) -> list[str]:
    """Return what is wrong with one rewind; `seen` are the databases before it, each dropped for the next one."""
    phrases = [f"{visitor} came while the copy was rewound" for visitor in rewound.visitors]
    if rewound.dropped != seen[-1]:
        phrases.append(f"database {rewound.dropped} was dropped, and the scenarios had run in {seen[-1]}")
    if rewound.made in seen:
        phrases.append(f"database {rewound.made} is none that was made anew")
    phrases += [f"the sequence {it}" for it in unequal(prepared.sequences, rewound.sequences)]
    phrases += _of_catalogue(prepared, rewound.began)
    return phrases + [f"the database's {it}" for it in unequal(prepared.database, rewound.database)]


def _proven(rewound: Rewound) -> tuple[object, ...]:
    """Return what is the same at every rewind as a rule: asked after each scenario, it is judged once."""
    return rewound.privileges, rewound.probes, rewound.inventory


def _unproven(rewound: Rewound, privileges: Privileges, inventory: Inventory) -> list[str]:
    phrases = matrix_faults(privileges, rewound.privileges, inventory, rewound.probes)
    return phrases + inventory_differences(inventory, rewound.inventory)


def _of_catalogue(prepared: Prepared, effects: Effects) -> list[str]:
    found = without_those_per_database(effects.catalogue)
    return [f"the digest of catalogue {it}" for it in unequal(prepared.catalogue, found)]


def _ways_in(made: Template) -> list[str]:
    phrases = ["the template takes connections"] if made.connectable else []
    phrases += ["whoever may create databases can copy the template"] if made.is_template else []
    phrases += [] if made.of_superuser else ["the template does not belong to the copy's superuser"]
    phrases += [f"{name} has a privilege on the template" for name in made.grantees]
    phrases += [f"the template has {made.settings} settings of its own"] if made.settings else []
    return phrases + ([f"the template has had {made.sessions} sessions"] if made.sessions else [])


def _words(template: Template | TemplateContent) -> dict[str, object]:
    return msgspec.structs.asdict(template)
