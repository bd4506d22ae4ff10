"""Checks of the source: it was only read, it is the one that was meant, and it is the same afterwards.

Pure functions over recorded facts: None when the truth holds, otherwise the sentence that says why not.
"""

from __future__ import annotations

from console.gates.sentences import said
from console.model.facts import Identifier, SourceIdentity, SourceReading
from console.model.gate import Facts


def source_was_only_read(facts: Facts) -> str | None:
    """pg_dump and the shipped read-only queries ran in one read-only snapshot; nothing was staged there."""
    reading = facts.need("source.reading", SourceReading)
    phrases: list[str] = []
    if reading.read_only != "on":
        phrases.append(f"transaction_read_only was {reading.read_only} in the session on the source, not on")
    if reading.isolation != "repeatable read":
        phrases.append(f"the session on the source was {reading.isolation}, not repeatable read")
    if reading.dump_snapshot != reading.snapshot:
        phrases.append(f"pg_dump read snapshot {reading.dump_snapshot}, the queries read {reading.snapshot}")
    if reading.dump_exit_code != 0:
        phrases.append(f"pg_dump ended with exit code {reading.dump_exit_code}, not 0")
    if not reading.queries:
        phrases.append("no statement on the source was recorded")
    phrases += [
        f"the text of {name} sent to the source is not the shipped one"
        for name, query in reading.queries.items()
        if query.sent_sha256 != query.shipped_sha256
    ]
    phrases += [f"{name} is not a pure read" for name in reading.not_reads]
    phrases += [f"{path} was written inside the source" for path in reading.staged]
    return said(phrases)


def source_is_the_configured_one(facts: Facts) -> str | None:
    """The source's system_identifier is recorded, and is the configured one where one is configured."""
    configured = facts.need("source.configured", Identifier).system_identifier
    found = facts.need("source.before", SourceIdentity)
    if configured not in ("", found.system_identifier):
        return f"the source has system_identifier {found.system_identifier}, the plan expects {configured}"
    if not found.read_only:
        return "the source's identity was read in a session that was not read-only"
    return None


def source_is_untouched(facts: Facts) -> str | None:
    """Before the teardown the source has the system_identifier and the start time of C-03."""
    return _changed_source(facts, "source.after")


def source_is_the_same_after_teardown(facts: Facts) -> str | None:
    """After the teardown the source has the system_identifier and the start time of C-03."""
    return _changed_source(facts, "source.closing")


def _changed_source(facts: Facts, later: str) -> str | None:
    before = facts.need("source.before", SourceIdentity)
    after = facts.need(later, SourceIdentity)
    phrases: list[str] = []
    if after.system_identifier != before.system_identifier:
        phrases.append(
            f"the source has system_identifier {after.system_identifier}, in C-03 {before.system_identifier}"
        )
    if not before.started_at:
        phrases.append("the source did not run in C-03")
    elif not after.started_at:
        phrases.append(f"the source does not run, in C-03 it ran since {before.started_at}")
    elif after.started_at != before.started_at:
        phrases.append(f"the source started at {after.started_at}, in C-03 at {before.started_at}")
    if not after.read_only:
        phrases.append("the source's identity was read in a session that was not read-only")
    return said(phrases)
