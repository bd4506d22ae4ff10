"""M-9: the copy has what the source has beside its dump. A pure function over recorded facts."""

from __future__ import annotations

from console.errors import Unsettled
from console.gates.sentences import said
from console.model.beside_facts import BesideCopy, BesideSource
from console.model.gate import Facts
from console.model.migration_facts import MigrationsPlanned

SOURCE = "beside.source"


def the_copy_has_what_stands_beside(facts: Facts) -> str | None:
    """Sessions of the role begin on the copy with the source's settings, and the publications are there."""
    role = facts.need("migrations.planned", MigrationsPlanned).role
    if not facts.names(SOURCE):
        raise Unsettled(
            f"nobody told what sessions of {role} begin with in the source: write DUMP.beside.json (docs/migrations.md)"
        )
    source, copy = facts.need(SOURCE, BesideSource), facts.need("beside.copy", BesideCopy)
    missing = [f"the setting {name}" for name in source.settings if name not in copy.settings]
    missing += [f"the publication {name}" for name in source.publications if name not in copy.publications]
    phrases = [
        f"{what}, which {role} meets in the source, is not on the copy"
        + (f": {copy.refused[what]}" if what in copy.refused else "")
        for what in missing
    ]
    if source.connection_limit != copy.connection_limit:
        phrases.append(
            f"{role} may have {source.connection_limit} sessions in the source, {copy.connection_limit} on the copy"
        )
    return said(phrases)
