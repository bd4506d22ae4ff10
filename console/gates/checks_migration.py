"""Checks of the plan `migration`: errors, changes, the way back, locks, rewrites, witnesses, rows.

Pure functions over recorded facts: None when the truth holds, otherwise the sentence that says why not. A planned
migration without its fact is a missing fact, never one that did nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from console.errors import FactMissing, Unsettled
from console.gates.sentences import said, unequal, unlisted
from console.model.facts import Witnesses
from console.model.gate import Facts
from console.model.migration_facts import (
    Beyond,
    BeyondAfter,
    Migrated,
    MigrationsPlanned,
    OwnedElsewhere,
    SchemaState,
)

MIGRATED, ELSEWHERE = "migrated.", "owned.elsewhere"
_BLOCKING = ("reads and writes", "writes")
_READING = ("AccessShare", "RowShare")
"""Locks of reading: they change nothing of what somebody else owns."""

_ENOUGH_LOOKS = 5
"""Of so many looks at one statement some fell into the middle of it: before, at its beginning, while it ran, after."""


def migrations_ran_without_an_error(facts: Facts) -> str | None:
    """Each migration so far returned, and the server raised no error in it."""
    planned = facts.need("migrations.planned", MigrationsPlanned)
    phrases: list[str] = []
    for name, found in _ran(facts, planned):
        phrases += [f"{name}: {error}" for error in found.server_errors]
        if found.outcome != "returned":
            phrases.append(f"{name}: it {found.outcome} {found.error}".rstrip())
        if not found.statements:
            phrases.append(f"{name}: not one statement was sent")
    return said(phrases)


def changes_are_the_declared_ones(facts: Facts) -> str | None:
    """Inventory and privileges differ after the ups exactly as the pack declares; undeclared, they are only shown."""
    planned = facts.need("migrations.planned", MigrationsPlanned)
    before, after = facts.need("state.before", SchemaState), facts.need("state.up", SchemaState)
    found = [*_differences(before.objects, after.objects), *_differences(before.privileges, after.privileges)]
    if planned.changes is None:
        return None
    return said(unlisted("the change", planned.changes, found))


def the_way_back_is_whole(facts: Facts) -> str | None:
    """After the downs inventory, privileges, rows, values and sequences equal those before the ups."""
    planned = facts.need("migrations.planned", MigrationsPlanned)
    before, after = facts.need("state.before", SchemaState), facts.need("state.down", SchemaState)
    free = set(planned.bookkeeping) & set(planned.values)
    phrases = _differences(before.objects, after.objects) + _differences(before.privileges, after.privileges)
    phrases += [
        f"the rows of {it}" for it in unequal(_without(_rows(before), free), _without(_rows(after), free))
    ]
    free = set(planned.values)
    phrases += [
        f"the values in {table} are not what they were"
        for table in sorted((before.values.keys() | after.values.keys()) - free)
        if before.values.get(table) != after.values.get(table)
    ]
    sequences = unequal(*_of_others(planned, before, after))
    return said(phrases + [f"the sequence {it}" for it in sequences])


def nothing_else_differs(facts: Facts) -> str | None:
    """The whole database is after the downs what it was, and what wrote was committed, by the role, to its own.

    Without a way back each difference, each table whose values changed and each moved sequence must be declared.
    """
    planned = facts.need("migrations.planned", MigrationsPlanned)
    before, after = facts.need("beyond.before", Beyond), facts.need("beyond.up", BeyondAfter)
    phrases = [*_ends(facts, planned)]
    if not before.digests:
        raise Unsettled("no catalogue was read before the migrations")
    if planned.beyond is not None:
        phrases += unlisted("the change beyond", planned.beyond, after.changes)
        if after.unlisted:
            phrases.append(f"{after.unlisted} more changes are not recorded one by one")
    if planned.irreversible:
        phrases += _without_a_way_back(facts, planned, after)
    else:
        phrases += _not_taken_back(before, facts.need("beyond.down", BeyondAfter))
    if facts.names(ELSEWHERE):
        phrases += _of_others_in_the_source(facts, planned, after)
    elif not phrases:
        raise Unsettled(
            f"nobody told what {planned.role} owns in the source: write DUMP.owners.json (docs/migrations.md)"
        )
    return said(phrases)


def _ends(facts: Facts, planned: MigrationsPlanned) -> Iterator[str]:
    for name, found in _all(facts, planned):
        yield from (f"{name}: {one} wrote and was not committed" for one in found.uncommitted)
        yield from (f"{name}: {one}" for one in found.others)
        if found.booked == ():
            yield (f"{name} left the tool's own bookkeeping as it was: either the migration was applied already, and "
                   "nothing was rehearsed, or [migration] bookkeeping does not name that table")  # fmt: skip


def _of_others_in_the_source(facts: Facts, planned: MigrationsPlanned, after: BeyondAfter) -> Iterator[str]:
    """Yield what the migrations changed and production's owner could not: the copy's owner owns everything."""
    elsewhere = facts.need(ELSEWHERE, OwnedElsewhere)
    state, up = facts.need("state.before", SchemaState), facts.need("state.up", SchemaState)
    touched = set(after.not_owned)
    for _name, found in _all(facts, planned):
        touched |= set(found.not_allowed)
        for one in found.statements:
            touched |= {it.relation for it in one.taken if it.mode not in _READING} | set(one.rewritten)
    for before, now in ((state.rows, up.rows), (state.sequences, up.sequences)):
        touched |= {name for name in before.keys() & now.keys() if before[name] != now[name]}
    touched |= after.values.keys()
    others = set(elsewhere.relations) | set(elsewhere.objects)
    for whose in sorted(touched & others):
        if whose.startswith("CREATE in "):
            yield f"something was made that takes {whose}, which {planned.role} may not do in the source"
        else:
            yield f"{whose} was changed, which {planned.role} does not own in the source, or may not do there"


def _without_a_way_back(facts: Facts, planned: MigrationsPlanned, after: BeyondAfter) -> Iterator[str]:
    if planned.changes is None or planned.beyond is None:
        yield "there is no way back, and the pack's [migration] does not declare both changes and beyond"
    free = set(planned.bookkeeping) | set(planned.values)
    yield from (f"{table} {how}" for table, how in sorted(after.values.items()) if table not in free)
    before, now = facts.need("state.before", SchemaState), facts.need("state.up", SchemaState)
    earlier, later = _of_others(planned, before, now)
    for one in unequal(earlier, {name: value for name, value in later.items() if name in earlier}):
        yield f"the sequence {one}"


def _not_taken_back(before: Beyond, down: BeyondAfter) -> Iterator[str]:
    """Yield what is left of the migrations: each difference, and each catalogue of which none is listed."""
    yield from (f"left: {one}" for one in down.changes)
    if down.unlisted:
        yield f"{down.unlisted} more are left"
    if not down.changes:
        yield from (f"{one} differs" for one in sorted(before.digests.keys() | down.digests.keys())
                    if before.digests.get(one) != down.digests.get(one))  # fmt: skip


def no_lock_was_held_too_long(facts: Facts) -> str | None:
    """No lock that reads or writes of a table wait for was held for longer than the pack allows."""
    planned = facts.need("migrations.planned", MigrationsPlanned)
    limit_ms = planned.longest_block_ms
    phrases: list[str] = []
    for name, found in _all(facts, planned):
        for one in found.held:
            if one.blocks in _BLOCKING and one.held_ms > limit_ms:
                phrases.append(
                    f"{name}: {one.mode} on {one.relation} ({one.rows} rows, {one.bytes} bytes) was held for "
                    f"{one.held_ms} ms from statement {one.n} on, {one.blocks} would have waited; the limit is "
                    f"{limit_ms} ms"
                )
        for statement in found.statements:
            unseen = statement.alone and not statement.taken and statement.looks < _ENOUGH_LOOKS
            if unseen and statement.duration_us > limit_ms * 1000:
                took_ms = statement.duration_us // 1000
                phrases.append(
                    f"{name}: nobody saw the locks of statement {statement.n}, which took {took_ms} ms"
                )
    return said(phrases)


def only_declared_tables_were_rewritten(facts: Facts) -> str | None:
    """No relation got new storage but those that the pack declares."""
    planned = facts.need("migrations.planned", MigrationsPlanned)
    phrases: list[str] = []
    unsettled: list[str] = []
    for name, found in _all(facts, planned):
        phrases += [
            f"{name} put another relation in the place of {relation}"
            for relation in found.replaced
            if relation not in planned.rewrites
        ]
        for one in found.statements:
            place = f"{name}, statement {one.n}"
            phrases += [
                f"{place} rewrote {relation} ({one.new_bytes} bytes of new storage)"
                for relation in one.rewritten
                if relation not in planned.rewrites
            ]
            if one.unattributed_bytes or one.unattributed_files:
                unsettled.append(
                    f"{place} wrote {one.unattributed_bytes} bytes in {one.unattributed_files} files that no relation "
                    "has kept"
                )
    if unsettled and not phrases:
        raise Unsettled(f"{unsettled[0]}: a table may have been written twice")
    return said(phrases)


def both_witnesses_agree(facts: Facts) -> str | None:
    """Client and server saw the same statements, each was looked at before and after, and nobody was a superuser."""
    planned = facts.need("migrations.planned", MigrationsPlanned)
    seen = facts.need("witnesses", Witnesses)
    phrases = [f"only the server saw: {it}" for it in seen.only_server]
    phrases += [f"only the client claims: {it}" for it in seen.only_client]
    phrases += [*seen.differences, *(f"unexplained session: {it}" for it in seen.unexplained_sessions)]
    if seen.client_statements != seen.server_statements + seen.explained:
        phrases.append(
            f"the client sent {seen.client_statements} statements, the server logged "
            f"{seen.server_statements} and {seen.explained} are explained"
        )
    looked_at = 0
    for name, found in _all(facts, planned):
        looked_at += len(found.statements)
        phrases += [
            f"{name}: statement {one.n} was not looked at before and after"
            for one in found.statements
            if not one.around
        ]
        if found.superuser:
            phrases.append(f"{name}: {planned.role} is a superuser or may become one")
    if looked_at != seen.client_statements:
        phrases.append(f"{looked_at} of {seen.client_statements} statements were sent by a migration")
    return said(phrases)


def no_row_was_lost(facts: Facts) -> str | None:
    """After the ups each table has the rows that it had, changed as declared; without a word it may only gain."""
    planned = facts.need("migrations.planned", MigrationsPlanned)
    before, after = facts.need("state.before", SchemaState), facts.need("state.up", SchemaState)
    earlier, later = _rows(before), _rows(after)
    phrases = [f"{table} is declared and was no table before or after" for table in
               sorted(set(planned.rows) - earlier.keys() - later.keys())]  # fmt: skip
    for table in sorted(earlier.keys() | later.keys()):
        change = later.get(table, 0) - earlier.get(table, 0)
        if table in planned.bookkeeping:
            continue
        if table in planned.rows and change != planned.rows[table]:
            phrases.append(f"{table} changed by {change:+d} rows, declared {planned.rows[table]:+d}")
        elif table not in planned.rows and change < 0:
            phrases.append(f"{table} lost {-change} of {earlier[table]} rows, and nothing is declared of it")
    return said(phrases)


def _differences(before: Sequence[str], after: Sequence[str]) -> list[str]:
    """Return "- gone" and "+ new" sentences, as a report shows and a pack declares them."""
    gone, new = set(before) - set(after), set(after) - set(before)
    pairs = [(text, f"- {text}") for text in gone] + [(text, f"+ {text}") for text in new]
    return [line for _text, line in sorted(pairs)]


def _without(values: dict[str, int] | dict[str, str], names: set[str]) -> dict[str, object]:
    return {name: value for name, value in values.items() if name not in names}


def _of_others(
    planned: MigrationsPlanned, before: SchemaState, after: SchemaState
) -> tuple[dict[str, object], dict[str, object]]:
    """Return the sequences of both states but those that are named or belong to a column of the tool's own tables.

    Whose a sequence was before the ups counts, where it was there: no migration excuses one by giving it away.
    """
    owners = {
        **{name: one for name, one in after.owners.items() if name not in before.sequences},
        **before.owners,
    }
    free = {name for name, owner in owners.items() if owner in planned.bookkeeping} | set(planned.sequences)
    return _without(before.sequences, free), _without(after.sequences, free)


def _rows(state: SchemaState) -> dict[str, int]:
    """Return the rows of each table, a partitioned one's included: those of the partitions that it has."""
    return {**state.rows, **state.below}


def _ran(facts: Facts, planned: MigrationsPlanned) -> Iterator[tuple[str, Migrated]]:
    """Yield the migrations so far, in order; one before the last that left no fact is a missing one."""
    known = [name.removeprefix(MIGRATED) for name in facts.names(MIGRATED)]
    order = list(planned.migrations)
    if not known or not order:
        raise FactMissing(MIGRATED)
    last = max((order.index(name) for name in known if name in order), default=0)
    for name in order[: last + 1]:
        yield name, facts.need(MIGRATED + name, Migrated)


def _all(facts: Facts, planned: MigrationsPlanned) -> Iterator[tuple[str, Migrated]]:
    """Yield every planned migration; one without a fact is a missing fact."""
    if not planned.migrations:
        raise FactMissing(MIGRATED)
    for name in planned.migrations:
        yield name, facts.need(MIGRATED + name, Migrated)
