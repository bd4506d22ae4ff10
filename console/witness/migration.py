"""What each statement of a migration did, from the client's trace and from looks at the server around it.

Pure: never looks by itself. Storage is attributed to the statement after which its file appeared; a relation that has
it when its transaction is over, and had another before, was rewritten. Locks on what is not committed yet are left
out, since nobody could have waited for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from console.model.migration_facts import Blocks, Held, MigratedStatement, MigratedTransaction, Taken
from console.model.text import one_line
from console.model.trace import ClientStatement
from console.witness.control import controls
from console.witness.lock_clock import LockClock, Span

BLOCKS: Mapping[str, Blocks] = {
    "AccessExclusive": "reads and writes",
    "Exclusive": "writes",
    "ShareRowExclusive": "writes",
    "Share": "writes",
    "ShareUpdateExclusive": "schema changes",
}
"""What must wait for a lock in this mode (PostgreSQL manual, 13.3.1); those of plain reads and writes are left out."""

WRITES = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE", "COPY"})
SHOWN_SQL_CHARS = 600
_WITH_ROWS = ("r", "p", "m")
_NAMED = (*_WITH_ROWS, "v", "f")
_OPAQUE = frozenset({"DO", "CALL", "SELECT"})
"""Verbs of code that may undo something by itself, in a block with an exception handler."""

Lock = tuple[int, str]
VerbsOf = Callable[[str], tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class Look:
    """One look: `locks` by backend as (relation's oid, mode), `files` by filenode in bytes (None: not asked).

    `writing` are the backends whose transaction has written, `waiting` those that waited for their client; `times`
    counts looks in a row that saw the same.
    """

    n: int
    when: Literal["before", "during", "after"]
    locks: Mapping[int, frozenset[Lock]]
    files: Mapping[int, int] | None
    pause_s: float
    writing: frozenset[int] = frozenset()
    waiting: frozenset[int] = frozenset()
    times: int = 1


@dataclass(frozen=True, kw_only=True)
class Relation:
    """One relation of the catalogue: `table` is whose index or TOAST it is, else its own name."""

    name: str
    kind: str
    table: str
    filenode: int
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The committed relations by oid, as they were when statement `n` had ended (0: before all)."""

    n: int
    relations: Mapping[int, Relation]


@dataclass(frozen=True, kw_only=True)
class Found:
    """What one migration did."""

    statements: tuple[MigratedStatement, ...]
    transactions: tuple[MigratedTransaction, ...]
    held: tuple[Held, ...]
    replaced: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Storage:
    """What became of the new files of one statement; the unattributed are those that no relation had in the end."""

    rewritten: tuple[str, ...]
    built: tuple[str, ...]
    new_bytes: int
    unattributed_bytes: int
    unattributed_files: int


class Looks:
    """The looks of one migration, the snapshots among them, and the rows of each table when it began.

    `earliest` is the snapshot before the first migration in the same direction.
    `over_at` is when the migration was over (seconds since the epoch): a transaction without an end lasted until then.
    """

    def __init__(
        self,
        looks: Sequence[Look],
        snapshots: Sequence[Snapshot],
        rows: Mapping[str, int],
        over_at: float = 0.0,
        earliest: Snapshot | None = None,
    ) -> None:
        self._earliest = earliest
        self.over_at = over_at
        self._by_statement: dict[int, list[Look]] = {}
        for look in looks:
            self._by_statement.setdefault(look.n, []).append(look)
        self._snapshots = snapshots
        self._rows = rows
        self._new_files = self._new_storage(looks)

    def of(self, n: int) -> list[Look]:
        """Return the looks that belong to a statement."""
        return self._by_statement.get(n, [])

    def times(self, n: int) -> int:
        """Return how often a statement was looked at."""
        return sum(look.times for look in self.of(n))

    def around(self, n: int) -> bool:
        """Tell whether a statement was looked at before it was sent and after it was answered."""
        return {"before", "after"} <= {look.when for look in self.of(n)}

    def span(self, one: ClientStatement) -> Span:
        """Return from when to when a statement was under way: after the look before it, until its answer."""
        began = one.sent_at + sum(look.pause_s for look in self.of(one.n) if look.when == "before")
        return began, began + one.duration_us / 1_000_000

    def clock(self, group: Sequence[ClientStatement]) -> tuple[LockClock, list[Span]]:
        """Return the clock of one transaction's session, and from when to when each statement was under way."""
        busy: list[Span] = []
        pauses: dict[bool, list[Span]] = {True: [], False: []}
        for one in group:
            began, ended = self.span(one)
            busy.append((began, ended))
            for look in self.of(one.n):
                if look.when != "during":
                    at = one.sent_at if look.when == "before" else ended
                    pauses[one.pid in look.waiting].append((at, at + look.pause_s))
        return LockClock(idle=pauses[True], others=pauses[False], busy=busy), busy

    def taken(self, one: ClientStatement) -> frozenset[Lock]:
        """Return the locks that a statement's backend held after or during it, and not before."""
        before: set[Lock] = set()
        seen: set[Lock] = set()
        for look in self.of(one.n):
            (before if look.when == "before" else seen).update(look.locks.get(one.pid, frozenset()))
        return frozenset(seen - before)

    def held(self, one: ClientStatement) -> frozenset[Lock]:
        """Return every lock that a statement's backend held at any of its looks."""
        return frozenset().union(*(look.locks.get(one.pid, frozenset()) for look in self.of(one.n)))

    def wrote(self, one: ClientStatement) -> bool:
        """Tell whether a statement's backend was seen in a transaction that had written."""
        return any(one.pid in look.writing for look in self.of(one.n) if look.when != "before")

    def replaced(self) -> tuple[str, ...]:
        """Return the tables and materialized views whose names other relations have in the end, views too.

        A name that was given up by an earlier migration in the same direction, and taken now, counts as well.
        """
        if not self._snapshots:
            return ()
        last, began = _oids(self._snapshots[-1], _NAMED), _oids(self._snapshots[0], _NAMED)
        found: set[str] = set()
        for earlier in (self._snapshots[0], self._earliest or self._snapshots[0]):
            found |= {
                name
                for name, oid in _oids(earlier, _WITH_ROWS).items()
                if last.get(name, oid) != oid and last[name] != began.get(name)
            }
        return tuple(sorted(found))

    def relation(self, oid: int) -> Relation | None:
        """Return a relation as the newest snapshot that has it knows it."""
        found = (snapshot.relations.get(oid) for snapshot in reversed(self._snapshots))
        return next((one for one in found if one is not None), None)

    def known_before(self, oid: int, n: int) -> Relation | None:
        """Return a relation as it was committed before statement `n` was sent, None where it was not."""
        found = [one.relations.get(oid) for one in self._snapshots if one.n < n]
        return found[-1] if found else None

    def rows(self, table: str) -> int:
        """Return a table's rows when the migration began."""
        return self._rows.get(table, 0)

    def size_bytes(self, table: str, n: int) -> int:
        """Return a table's size, with indexes and TOAST, as it was before statement `n`."""
        newest = [one for one in self._snapshots if one.n < n][-1:]
        return max(
            (it.size_bytes for one in newest for it in one.relations.values() if it.name == table), default=0
        )

    def _new_storage(self, looks: Sequence[Look]) -> dict[int, dict[int, int]]:
        new: dict[int, dict[int, int]] = {}
        known: set[int] = set()
        for look in looks:
            if look.files is not None:
                new[look.n] = {node: size for node, size in look.files.items() if node not in known}
                known |= look.files.keys()
        return new

    def storage(self, one: ClientStatement, *, taken_back: bool, opaque: bool) -> Storage:
        """Return what a statement rewrote and built, and its new storage, kept and not attributed.

        Storage that nobody has in the end is a scratch table's, or one of several that a table had: the last of them
        tells of its rewrite. It settles nothing only where the transaction took something back. What code undid by
        itself has let go of its locks and holds no bytes any more: there every such file counts. Indexes are told
        where their table was not rewritten.
        """
        rewritten: dict[str, str] = {}
        built: set[str] = set()
        total, left = 0, []
        for node, size_bytes in self._new_files.get(one.n, {}).items():
            total += size_bytes
            owner = self._owner(node, one.n)
            if owner is None:
                left.append(size_bytes)
            elif self.known_before(owner[0], one.n) is not None:
                rewritten[_storage_name(owner[1])] = owner[1].table
            elif owner[1].kind != "t" and not owner[1].name.startswith("pg_toast."):
                built.add(_storage_name(owner[1]))
        tables = {name for name, table in rewritten.items() if name == table}
        if not opaque and (tables or not taken_back or not self._may_have_rewritten(one)):
            left = []
        told = tables | {name for name, table in rewritten.items() if table not in tables}
        return Storage(
            rewritten=tuple(sorted(told)), built=tuple(sorted(built)), new_bytes=total,
            unattributed_bytes=sum(left), unattributed_files=len(left),
        )  # fmt: skip

    def _owner(self, node: int, n: int) -> tuple[int, Relation] | None:
        for snapshot in self._snapshots:
            if snapshot.n >= n:
                for oid, relation in snapshot.relations.items():
                    if relation.filenode == node:
                        return oid, relation
        return None

    def _may_have_rewritten(self, one: ClientStatement) -> bool:
        return any(
            mode == "AccessExclusive" and self.known_before(oid, one.n) for oid, mode in self.held(one)
        )


def _oids(snapshot: Snapshot, kinds: Sequence[str]) -> dict[str, int]:
    return {one.name: oid for oid, one in snapshot.relations.items() if one.kind in kinds}


def _storage_name(relation: Relation) -> str:
    if relation.kind in ("i", "I") and not relation.name.startswith("pg_toast."):
        return f"index {relation.name}"
    return relation.table


def migrated(statements: Sequence[ClientStatement], looks: Looks, *, verbs_of: VerbsOf) -> Found:
    """Return what each statement, each transaction and each lasting lock of a migration came to."""
    told: list[MigratedStatement] = []
    transactions: list[MigratedTransaction] = []
    held: dict[tuple[str, str], Held] = {}
    for number, group in enumerate(_transactions(statements), 1):
        began, over_s = _clock(group, looks)
        verbs = [verbs_of(one.sql) for one in group]
        taken_back = _takes_back(group)
        for one, words in zip(group, verbs, strict=True):
            alone = len(group) == 1
            storage = looks.storage(one, taken_back=taken_back, opaque=bool(_OPAQUE & set(words)))
            told.append(_statement(one, number, looks, alone=alone, verb=" ".join(words), storage=storage))
        transactions.append(
            MigratedTransaction(
                number=number, statements=len(group), open_ms=round(over_s * 1000),
                rows_written=sum(max(one.rows, 0) for one, words in zip(group, verbs, strict=True)
                                 if WRITES & set(words)),
            )
        )  # fmt: skip
        for one, start_s in zip(group, began, strict=True):
            for lock in _lasting(one, looks, group[0].n, held_ms=round((over_s - start_s) * 1000)):
                known = held.get((lock.relation, lock.mode))
                if known is None or known.held_ms < lock.held_ms:
                    held[lock.relation, lock.mode] = lock
    told.sort(key=lambda one: one.n)
    return Found(
        statements=tuple(told), transactions=tuple(transactions),
        held=tuple(sorted(held.values(), key=lambda one: (-one.held_ms, one.relation, one.mode))),
        replaced=looks.replaced(),
    )  # fmt: skip


def _takes_back(group: Sequence[ClientStatement]) -> bool:
    """Tell whether something in a transaction was, or may have been, undone: by a savepoint, an error, or no COMMIT."""
    deeds = [{control.deed for control in controls(one.sql)} for one in group]
    whole = not _is_block(group) or "commit" in deeds[-1]
    return not whole or any("rollback_to" in one for one in deeds) or any(one.sqlstate for one in group)


def _transactions(statements: Sequence[ClientStatement]) -> list[list[ClientStatement]]:
    """Return the statements of each transaction, in the order in which the transactions began."""
    ordered = sorted(statements, key=lambda one: (one.pid, one.transaction, one.n))
    groups = [list(group) for _key, group in groupby(ordered, key=lambda one: (one.pid, one.transaction))]
    return sorted(groups, key=lambda group: group[0].n)


def _clock(group: Sequence[ClientStatement], looks: Looks) -> tuple[list[float], float]:
    """Return when each statement began and when all was over, in seconds of a clock that stands still while we look."""
    clock, spans = looks.clock(group)
    zero = clock.at(spans[0][0])
    over = max(end for _start, end in spans)
    if not _ends(group):
        over = max(over, looks.over_at)
    return [clock.at(start) - zero for start, _end in spans], clock.at(over) - zero


def _ends(group: Sequence[ClientStatement]) -> bool:
    """Tell whether a transaction ended with its last statement: with a COMMIT or ROLLBACK, or as one of its own."""
    last = {control.deed for control in controls(group[-1].sql)}
    return bool(last & {"commit", "rollback", "prepare"}) or not _is_block(group)


def _is_block(group: Sequence[ClientStatement]) -> bool:
    return any(one.tx != "idle" for one in group) or any(
        control.deed == "begin" for one in group for control in controls(one.sql)
    )


def _statement(
    one: ClientStatement, transaction: int, looks: Looks, *, alone: bool, verb: str, storage: Storage
) -> MigratedStatement:
    taken = {
        Taken(relation=relation.name, mode=mode)
        for oid, mode in looks.taken(one)
        if (relation := looks.relation(oid)) is not None
    }
    return MigratedStatement(
        n=one.n, transaction=transaction, sql=_shown(one.sql), verb=verb, duration_us=one.duration_us, rows=one.rows,
        sqlstate=one.sqlstate, looks=looks.times(one.n), around=looks.around(one.n), alone=alone,
        taken=tuple(sorted(taken, key=lambda it: (it.relation, it.mode))), rewritten=storage.rewritten,
        built=storage.built, new_bytes=storage.new_bytes, unattributed_bytes=storage.unattributed_bytes,
        unattributed_files=storage.unattributed_files,
    )  # fmt: skip


def _shown(sql: str) -> str:
    """Return a statement on one line, without the comments before it."""
    lines = sql.split("\n")
    while len(lines) > 1 and lines[0].lstrip().startswith("--"):
        lines.pop(0)
    return one_line("\n".join(lines), limit_chars=SHOWN_SQL_CHARS)


def _lasting(one: ClientStatement, looks: Looks, first: int, *, held_ms: int) -> list[Held]:
    """Return the locks that a statement took on what others could use, and for which others would have waited."""
    found = []
    for oid, mode in looks.taken(one):
        relation = looks.known_before(oid, first)
        if relation is not None and mode in BLOCKS:
            found.append(
                Held(
                    relation=relation.table, mode=mode, blocks=BLOCKS[mode], held_ms=held_ms, n=one.n,
                    rows=looks.rows(relation.table), bytes=looks.size_bytes(relation.table, first),
                )
            )  # fmt: skip
    return found
