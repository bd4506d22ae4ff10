"""The facts of a migration run in which everything holds, as they stand in a journal."""

from __future__ import annotations

import json

import msgspec

from console.model import migration_facts as shapes
from console.model.beside_facts import BesideCopy, BesideSource
from console.model.facts import Witnesses

ROLE = "owner"
CHANGE = "+ column public.t.b integer"
OTHER = "+ app may SELECT on table public.t"


def _state(*, up: bool) -> shapes.SchemaState:
    extra = ("column public.t.b integer",) if up else ()
    grant = ("app may SELECT on table public.t",) if up else ()
    return shapes.SchemaState(
        objects=("column public.t.a integer", *extra), privileges=("app may USAGE on schema public", *grant),
        rows={"public.t": 10 if not up else 8, "public.version": 1 if not up else 2},
        below={"public.p": 6}, values={"public.t": "17", "public.version": "3" if not up else "4"},
        sequences={"public.t_a_seq": "10,true", "public.version_id_seq": "1,true" if not up else "2,true"},
        owners={"public.t_a_seq": "public.t", "public.version_id_seq": "public.version"},
    )  # fmt: skip


def _beyond(*, up: bool) -> shapes.BeyondAfter:
    return shapes.BeyondAfter(
        digests={"pg_policy": "bb" if up else "aa"}, changes=("pg_policy p: b",) if up else (), unlisted=0,
        not_owned=(), values={"public.t": "has other values"} if up else {},
    )  # fmt: skip


def _migrated(n: int, *, rewritten: tuple[str, ...] = ()) -> shapes.Migrated:
    statement = shapes.MigratedStatement(
        n=n, transaction=1, sql="ALTER TABLE public.t", verb="ALTER TABLE", duration_us=90_000, rows=-1, sqlstate="",
        looks=2, around=True, alone=False, taken=(shapes.Taken(relation="public.t", mode="AccessExclusive"),),
        rewritten=rewritten, new_bytes=8192,
    )  # fmt: skip
    held = shapes.Held(
        relation="public.t",
        mode="AccessExclusive",
        blocks="reads and writes",
        held_ms=100,
        n=n,
        rows=10,
        bytes=8192,
    )
    return shapes.Migrated(
        outcome="returned", error="", server_errors=(), superuser=False, duration_ms=90, statements=(statement,),
        transactions=(shapes.MigratedTransaction(number=1, statements=1, open_ms=100, rows_written=0),), held=(held,),
        replaced=(), uncommitted=(), others=(), booked=("public.version",), not_allowed=(),
    )  # fmt: skip


def passing_migration() -> dict[str, object]:
    """Return name to JSON value of every fact of a migration run that passes all rows."""
    found: dict[str, msgspec.Struct] = {
        "migrations.planned": shapes.MigrationsPlanned(
            migrations={
                "U1": shapes.PlannedMigration(direction="up", name="one"),
                "D1": shapes.PlannedMigration(direction="down", name="one"),
            },
            role=ROLE, longest_block_ms=100, rewrites=("public.t",), rows={"public.t": -2}, changes=(CHANGE, OTHER),
            beyond=None, irreversible="", bookkeeping=("public.version",), sequences=(), values=(),
        ),
        "state.before": _state(up=False),
        "migrated.U1": _migrated(1, rewritten=("public.t",)),
        "state.up": _state(up=True),
        "migrated.D1": _migrated(2),
        "state.down": msgspec.structs.replace(_state(up=False), sequences={"public.t_a_seq": "10,true"}),
        "owned.elsewhere": shapes.OwnedElsewhere(relations=("public.u",), objects=("pg_class public.u",)),
        "beyond.before": shapes.Beyond(digests={"pg_policy": "aa"}),
        "beyond.up": _beyond(up=True),
        "beyond.down": _beyond(up=False),
        "beside.source": BesideSource(
            settings=("search_path",), witnessed=("log_statement",), connection_limit=-1, publications=("pub",),
            roles=("owner",),
        ),
        "beside.copy": BesideCopy(settings=("search_path",), connection_limit=-1, publications=("pub",), refused={}),
        "witnesses": Witnesses(
            client_statements=2, server_statements=2, explained=0, only_client=(), only_server=(), differences=(),
            unexplained_sessions=(), errors_expected={}, errors_raised={},
        ),
    }  # fmt: skip
    return {name: json.loads(msgspec.json.encode(fact)) for name, fact in found.items()}
