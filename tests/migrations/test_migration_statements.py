"""What is made of looks and statements, without a server: rewrites, locks and how long they were held."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from console.engine.statements import verbs_of
from console.model.migration_facts import Held, Taken
from console.model.trace import ClientStatement
from console.witness.migration import Look, Looks, Relation, Snapshot, migrated
from console.witness.under_way import UnderWay

PID, TABLE, INDEX, NEW = 7, 20000, 20001, 20002
EXCLUSIVE = "AccessExclusive"


def statement(
    n: int, sql: str, at: float, *, ms: int = 10, transaction: int = 1, rows: int = -1
) -> ClientStatement:
    """Return one answered statement."""
    return ClientStatement(
        n=n, pid=PID, principal="owner", scenario="U1", attempt="migrate", phase="", sql=sql, sent_at=at,
        transaction=transaction, answered=True, duration_us=ms * 1000, rows=rows,
    )  # fmt: skip


def look(
    n: int, when: str, *locks: tuple[int, str], files: Mapping[int, int] | None = None, pause_s: float = 0.0
) -> Look:
    """Return one look at the backend."""
    words = {"before": "before", "after": "after", "during": "during"}
    assert when in words
    return Look(n=n, when=when, locks={PID: frozenset(locks)}, files=files, pause_s=pause_s)  # type: ignore[arg-type]


def relations(table_node: int = 100, **more: Relation) -> dict[int, Relation]:
    """Return the table and its index, and whatever else there is."""
    return {
        TABLE: Relation(name="public.t", kind="r", table="public.t", filenode=table_node, size_bytes=5000),
        INDEX: Relation(name="public.t_pkey", kind="i", table="public.t", filenode=101, size_bytes=10),
        **{int(oid.removeprefix("_")): one for oid, one in more.items()},
    }


IN_ONE_TRANSACTION = [
    statement(1, "BEGIN", 100.0),
    statement(2, "-- wide\nALTER TABLE public.t ALTER a TYPE bigint", 101.0, ms=50),
    statement(3, "COMMIT", 102.0),
]
"""Sent a second apart, of which all but 20 ms are the looks' own time."""


def test_a_lock_is_held_from_its_statement_to_the_end_of_its_transaction() -> None:
    """The time of the looks counts, the time of the statements does not, or the lock ends with its statement."""
    held = ((TABLE, EXCLUSIVE), (INDEX, EXCLUSIVE))
    looks = [
        look(0, "after", files={100: 5000, 101: 10}),
        look(1, "before"), look(1, "after", files={100: 5000, 101: 10}, pause_s=0.98),
        look(2, "before", pause_s=0.5), look(2, "after", *held, files={100: 5000, 101: 10, 102: 6000}, pause_s=0.43),
        look(3, "before", *held), look(3, "after", files={100: 0, 101: 10, 102: 6000}),
    ]  # fmt: skip
    snapshots = [Snapshot(n=0, relations=relations()), Snapshot(n=3, relations=relations(102))]
    found = migrated(IN_ONE_TRANSACTION, Looks(looks, snapshots, {"public.t": 9}), verbs_of=verbs_of)
    assert found.held == (
        Held(
            relation="public.t",
            mode=EXCLUSIVE,
            blocks="reads and writes",
            held_ms=80,
            n=2,
            rows=9,
            bytes=5000,
        ),
    )
    assert [one.open_ms for one in found.transactions] == [100]
    altered = found.statements[1]
    assert (altered.rewritten, altered.built, altered.new_bytes) == (("public.t",), (), 6000)
    assert altered.taken == (
        Taken(relation="public.t", mode=EXCLUSIVE), Taken(relation="public.t_pkey", mode=EXCLUSIVE),
    )  # fmt: skip
    assert altered.sql == "ALTER TABLE public.t ALTER a TYPE bigint"
    assert [(one.looks, one.around) for one in found.statements] == [(2, True)] * 3


def test_a_statement_without_its_answer_was_not_looked_at_around() -> None:
    """Looks before and while a statement ran stand for one after it."""
    looks = [look(0, "after", files={}), look(2, "before"), look(2, "during", (TABLE, EXCLUSIVE))]
    found = migrated(
        IN_ONE_TRANSACTION, Looks(looks, [Snapshot(n=0, relations=relations())], {}), verbs_of=verbs_of
    )
    assert [(one.looks, one.around) for one in found.statements] == [(0, False), (2, False), (0, False)]


def test_a_new_table_blocks_nobody_and_is_built() -> None:
    """A lock on what is not committed yet is told as one that others wait for, or its storage as a rewrite."""
    made = Relation(name="public.n", kind="r", table="public.n", filenode=103, size_bytes=0)
    looks = [
        look(0, "after", files={100: 5000}), look(2, "before"),
        look(2, "after", (NEW, EXCLUSIVE), files={100: 5000, 103: 8192}), look(3, "before", (NEW, EXCLUSIVE)),
        look(3, "after", files={100: 5000, 103: 8192}),
    ]  # fmt: skip
    snapshots = [Snapshot(n=0, relations=relations()), Snapshot(n=3, relations=relations(_20002=made))]
    found = migrated(IN_ONE_TRANSACTION, Looks(looks, snapshots, {}), verbs_of=verbs_of)
    assert found.held == ()
    assert (found.statements[1].rewritten, found.statements[1].built) == ((), ("public.n",))
    assert found.statements[1].taken == (Taken(relation="public.n", mode=EXCLUSIVE),)


@pytest.mark.parametrize(
    ("sent", "unattributed_bytes"),
    [
        (IN_ONE_TRANSACTION, 0),
        (
            [
                *IN_ONE_TRANSACTION[:2],
                statement(3, "ROLLBACK TO before", 102.0),
                statement(4, "COMMIT", 103.0),
            ],
            6000,
        ),
        ([*IN_ONE_TRANSACTION[:2], statement(3, "ROLLBACK", 102.0)], 6000),
        (IN_ONE_TRANSACTION[:2], 6000),
        ([IN_ONE_TRANSACTION[0], statement(2, "DO $$ BEGIN END $$", 101.0), IN_ONE_TRANSACTION[2]], 6000),
    ],
    ids=["a scratch table", "savepoint", "rolled back", "left open", "a block that may undo"],
)
def test_storage_that_nobody_has_kept_is_told(sent: list[ClientStatement], unattributed_bytes: int) -> None:
    """A rewrite that was undone is overlooked, or a scratch table's storage settles nothing."""
    known = {100: 5000}
    looks = [
        look(0, "after", files=known), look(2, "before"),
        look(2, "after", (TABLE, EXCLUSIVE), files={**known, 102: 6000}), look(3, "before", (TABLE, EXCLUSIVE)),
        look(3, "after", files={**known, 102: 0}),
    ]  # fmt: skip
    same = [Snapshot(n=0, relations=relations()), Snapshot(n=3, relations=relations())]
    found = migrated(sent, Looks(looks, same, {}), verbs_of=verbs_of)
    assert found.statements[1].unattributed_bytes == unattributed_bytes


def test_a_lock_is_held_until_its_transaction_really_ends() -> None:
    """A transaction that nobody ended lets go of its locks with its last statement."""
    looks = [look(0, "after", files={}), look(2, "before"), look(2, "after", (TABLE, EXCLUSIVE), files={})]
    known = [Snapshot(n=0, relations=relations())]
    found = migrated(IN_ONE_TRANSACTION[:2], Looks(looks, known, {}, 104.0), verbs_of=verbs_of)
    assert [one.held_ms for one in found.held] == [3000]


def test_another_relation_of_the_same_name_is_told() -> None:
    """A table that was copied, dropped and replaced by its copy passes for the one that was there."""
    copied = Relation(name="public.t", kind="r", table="public.t", filenode=300, size_bytes=1)
    last = {oid: one for oid, one in relations().items() if oid != TABLE} | {NEW: copied}
    looks = [look(0, "after", files={})]
    known = [Snapshot(n=0, relations=relations()), Snapshot(n=3, relations=last)]
    assert migrated(IN_ONE_TRANSACTION, Looks(looks, known, {}), verbs_of=verbs_of).replaced == ("public.t",)
    same = [Snapshot(n=0, relations=relations()), Snapshot(n=3, relations=relations(300))]
    assert migrated(IN_ONE_TRANSACTION, Looks(looks, same, {}), verbs_of=verbs_of).replaced == ()


def test_batches_are_transactions_of_their_own() -> None:
    """Rows of several transactions are added up, or a statement alone is not seen to be alone."""
    batches = [
        statement(n, "UPDATE public.t SET a = 1", 100.0 + n, transaction=n, rows=50) for n in (1, 2, 3)
    ]
    seen = (TABLE, "RowExclusive")
    looks = [look(0, "after", files={})]
    for n in (1, 2, 3):
        looks += [look(n, "before"), look(n, "during", seen), look(n, "after", files={})]
    found = migrated(batches, Looks(looks, [Snapshot(n=0, relations=relations())], {}), verbs_of=verbs_of)
    assert [(one.rows_written, one.open_ms) for one in found.transactions] == [(50, 10)] * 3
    assert all(
        one.alone and one.taken == (Taken(relation="public.t", mode="RowExclusive"),)
        for one in found.statements
    )
    assert found.held == ()


def pipelined(*, waits: bool) -> tuple[list[ClientStatement], list[Look]]:
    """Return a pipeline of 50 statements in one transaction, each answered behind all others, and its looks.

    The second locks the table; they are sent within one second and answered within a half, 10 ms of looks each.
    """
    sent = [statement(1, "BEGIN", 99.0, ms=1)]
    seen = [look(1, "before"), look(1, "after")]
    idle = frozenset({PID} if waits else ())
    for n in range(2, 52):
        began = 100.0 + n / 50
        sent.append(statement(n, "ALTER TABLE public.t ADD b text" if n == 2 else "SELECT 1", began,
                              ms=round((101.5 + n / 100 - began - 0.01) * 1000)))  # fmt: skip
        held = ((TABLE, EXCLUSIVE),)
        before = Look(n=n, when="before", locks={PID: frozenset()}, files=None, pause_s=0.01, waiting=idle)
        seen += [before, replace(before, when="after", locks={PID: frozenset(held)})]
    sent.append(statement(52, "COMMIT", 102.1, ms=5))
    return sent, [*seen, look(52, "before"), look(52, "after")]


@pytest.mark.parametrize(("waits", "held_ms"), [(False, 2045), (True, 1065)], ids=["it works", "it waits"])
def test_statements_under_way_at_once_count_once(*, waits: bool, held_ms: int) -> None:
    """The times of a pipeline's statements are added up, or a look is taken out in which the backend went on."""
    sent, seen = pipelined(waits=waits)
    found = migrated(sent, Looks(seen, [Snapshot(n=0, relations=relations())], {}), verbs_of=verbs_of)
    [lock] = found.held
    assert (lock.n, lock.mode) == (2, EXCLUSIVE)
    assert abs(lock.held_ms - held_ms) <= 1


def test_each_backend_s_statement_is_looked_at() -> None:
    """A statement of another connection hides the one that is under way, or an older one of its own does."""
    under_way = UnderWay()
    out = {1, 2, 3}
    under_way.begin(1, 7, 10.0)
    under_way.begin(2, 8, 11.0)
    assert under_way.statements(out.__contains__) == (1, 2)
    assert under_way.statements(out.__contains__, but=8) == (1,)
    under_way.end(2, 11.1)
    under_way.begin(3, 7, 12.0)
    assert under_way.statements(out.__contains__) == (1,)
    out.remove(1)
    assert under_way.statements(out.__contains__) == (3,)
    under_way.end(3, 12.1)
    under_way.end(3, 12.2)
    assert under_way.statements(out.__contains__) == ()


def test_the_youngest_statement_says_when_to_look() -> None:
    """A long statement lets a short one go unseen, or is itself looked at without a pause."""
    under_way = UnderWay()
    under_way.begin(1, 7, 0.0)
    under_way.looked(100.0)
    assert not under_way.due([1], 101.0)
    assert under_way.due([1], 102.1)
    under_way.begin(2, 8, 102.2)
    assert under_way.due([1, 2], 102.21)
    assert not under_way.due([], 200.0)


def test_what_code_undid_by_itself_is_told() -> None:
    """A rewrite that an exception handler undid, with its lock and its bytes, passes for none."""
    looks = [
        look(0, "after", files={100: 5000}),
        look(2, "before"),
        look(2, "after", files={100: 5000, 102: 0}),
    ]
    same = [Snapshot(n=0, relations=relations()), Snapshot(n=3, relations=relations())]
    told = {}
    for text in ("DO $$ BEGIN END $$", "CALL p()", "SELECT f()", "UPDATE public.t SET a = 1"):
        [done] = migrated([statement(2, text, 101.0)], Looks(looks, same, {}), verbs_of=verbs_of).statements
        told[text] = (done.unattributed_files, done.unattributed_bytes)
    assert list(told.values()) == [(1, 0), (1, 0), (1, 0), (0, 0)]


def test_another_table_s_index_is_told_beside_a_rewrite() -> None:
    """A rewrite of one table hides that an index of another one was written anew, or its own index is told."""
    other = Relation(name="public.u_pkey", kind="i", table="public.u", filenode=400, size_bytes=10)
    anew = replace(other, filenode=401)
    before = relations(_20002=other)
    after = relations(102, _20002=anew) | {INDEX: replace(before[INDEX], filenode=103)}
    looks = [
        look(0, "after", files={100: 5000, 101: 10, 400: 10}), look(2, "before"),
        look(2, "after", (TABLE, EXCLUSIVE), files={100: 0, 101: 0, 400: 0, 102: 5000, 103: 10, 401: 10}),
    ]  # fmt: skip
    snapshots = [Snapshot(n=0, relations=before), Snapshot(n=2, relations=after)]
    for text in ("DO $$ BEGIN END $$", "ALTER TABLE public.t ALTER a TYPE bigint"):
        [done] = migrated(
            [statement(2, text, 101.0)], Looks(looks, snapshots, {}), verbs_of=verbs_of
        ).statements
        assert done.rewritten == ("index public.u_pkey", "public.t")


def test_a_name_that_two_migrations_hand_over_is_told() -> None:
    """A table that one migration renames away and the next one replaces passes, or each later migration tells it."""
    old = Relation(name="public.t", kind="r", table="public.t", filenode=1, size_bytes=1)
    before = Snapshot(n=0, relations={TABLE: old})
    away = Snapshot(
        n=0, relations={TABLE: replace(old, name="public.t_old"), NEW: replace(old, name="public.t_new")}
    )
    swapped = Snapshot(n=9, relations={TABLE: replace(old, name="public.t_old"), NEW: old})
    view = Snapshot(n=9, relations={TABLE: replace(old, name="public.t_old"), NEW: replace(old, kind="v")})
    looks = [look(0, "after", files={})]

    def replaced(*snapshots: Snapshot, earliest: Snapshot) -> tuple[str, ...]:
        seen = Looks(looks, snapshots, {}, earliest=earliest)
        return migrated(IN_ONE_TRANSACTION, seen, verbs_of=verbs_of).replaced

    assert replaced(before, away, earliest=before) == ()
    assert replaced(away, swapped, earliest=before) == ("public.t",)
    assert replaced(swapped, replace(swapped, n=12), earliest=before) == ()
    assert replaced(before, view, earliest=before) == ("public.t",)
    assert replaced(away, before, earliest=away) == ()
    assert replaced(Snapshot(n=0, relations={}), swapped, earliest=Snapshot(n=0, relations={})) == ()
