"""The check of a copy that is not the whole source: it holds what the plan takes, and no masked value.

A pure function over recorded facts: None when the truth holds, otherwise the sentence that says why not.
"""

from __future__ import annotations

from console.gates.sentences import said, unequal, unlisted
from console.model.gate import Facts
from console.model.sample_facts import (
    LoadedTable,
    PlannedTable,
    SampleLoaded,
    SamplePlanned,
    SampleSent,
    SentTable,
)


def copy_is_what_the_plan_takes(facts: Facts) -> str | None:
    """The archive holds only whole tables; of the others the copy has the rows sent, and of masked columns fakes."""
    planned = facts.need("sample.planned", SamplePlanned).tables
    sent = facts.need("sample.sent", SampleSent)
    loaded = facts.need("sample.loaded", SampleLoaded).tables
    if not planned:
        return "the plan names no table of the source"
    phrases = [
        f"{orphans} rows of {key} have no parent in the copy"
        for key, orphans in sent.orphans.items()
        if orphans
    ]
    if sent.large_objects:
        phrases.append(f"the archive holds {sent.large_objects} large objects, which nobody looks into")
    whole = [name for name, table in planned.items() if table.mode == "whole" and not table.masked]
    phrases += unlisted("in pg_dump's archive, table", whole, sent.dumped)
    if not phrases and len(sent.dumped) != len(whole):
        phrases.append("pg_dump's archive names a table twice")
    phrases += _counts(planned, sent)
    read = [name for name, table in planned.items() if table.mode in ("where", "followed") or _read(table)]
    phrases += unlisted("of those read by COPY, table", read, sent.sent)
    phrases += unlisted("of those loaded by COPY, table", read, loaded)
    for name in sorted(set(read) & sent.sent.keys() & loaded.keys()):
        phrases += [f"table {name}: {it}" for it in _table(planned[name], sent.sent[name], loaded[name])]
        phrases += [
            f"table {name} {it}"
            for it in unequal({"taken": sent.taken.get(name)}, {"taken": sent.sent[name].rows})
        ]
    return said(phrases)


def _read(table: PlannedTable) -> bool:
    return table.mode == "whole" and bool(table.masked)


def _counts(planned: dict[str, PlannedTable], sent: SampleSent) -> list[str]:
    phrases = unlisted("of those counted, table", planned, sent.there)
    phrases += unlisted("of those taken, table", planned, sent.taken)
    for name in sorted(planned.keys() & sent.there.keys() & sent.taken.keys()):
        there, taken, mode = sent.there[name], sent.taken[name], planned[name].mode
        if (mode == "where") != bool(planned[name].where):
            phrases.append(f"the plan has an expression for {name} and takes its rows as {mode}, or has none")
        if mode == "none" and taken:
            phrases.append(f"{taken} rows of {name} were taken, the plan takes none")
        elif mode == "whole" and taken != there:
            phrases.append(f"{taken} rows of {name} were taken of {there}, the plan takes all")
        elif taken > there:
            phrases.append(f"{taken} rows of {name} were taken, and only {there} are there")
    return phrases


def _table(planned: PlannedTable, sent: SentTable, loaded: LoadedTable) -> list[str]:
    phrases: list[str] = []
    if sent.where != planned.where:
        phrases.append("the rows were taken by another expression than the plan's")
    if loaded.sha256 != sent.sha256:
        phrases.append(f"what was loaded has sha256 {loaded.sha256}, the source sent {sent.sha256}")
    if loaded.rows != sent.rows:
        phrases.append(f"{loaded.rows} rows are in the copy, the source sent {sent.rows}")
    phrases += unlisted("the mask of column", planned.masked, sent.masked)
    phrases += unlisted("in the copy, the look at masked column", planned.masked, loaded.masked)
    for column in sorted(planned.masked.keys() & sent.masked.keys() & loaded.masked.keys()):
        made, found = sent.masked[column], loaded.masked[column]
        if made.sort != planned.masked[column]:
            phrases.append(
                f"column {column} was masked as {made.sort}, the plan says {planned.masked[column]}"
            )
        if made.unchanged:
            phrases.append(f"the mask left {made.unchanged} values of column {column} as they were")
        if (found.values, found.digest) != (made.values, made.digest):
            phrases.append(f"column {column} does not hold in the copy what the source's server made of it")
    return phrases
