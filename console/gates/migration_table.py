"""The gates of the plan `migration`: M-1 to M-9 beside the rows of the dry run.

Owns these rows. Places, copy, privileges, identity, secrets and net-zero are the dry run's own rows; those that a
migration cannot keep are NOT_APPLICABLE in `console.plans.migration`, each with the row that stands in its place.
"""

from __future__ import annotations

from console.gates import checks_beside
from console.gates import checks_migration as migration
from console.gates.table import GATES
from console.model.gate import Gate

MIGRATIONS: tuple[Gate, ...] = (
    Gate(
        id="M-1",
        title="every migration ran without an error",
        step="C-11",
        cause="subject",
        rests_on=("migrations.planned", "migrated."),
        check=migration.migrations_ran_without_an_error,
        remedy="read the server's words and the statement that they name; correct the migration",
        each_scenario=True,
    ),
    Gate(
        id="M-2",
        title="inventory and privileges changed as declared, or nothing is declared and the changes are shown",
        step="C-11",
        cause="subject",
        rests_on=("migrations.planned", "state.before", "state.up"),
        check=migration.changes_are_the_declared_ones,
        remedy="decide which is right: correct the migration, or [migration] changes of the pack",
    ),
    Gate(
        id="M-3",
        title="after the way back inventory, privileges, rows, values and sequences are those before",
        step="C-11",
        cause="subject",
        rests_on=("migrations.planned", "state.before", "state.down"),
        check=migration.the_way_back_is_whole,
        remedy="correct the down-migration, or declare in [migration] what it cannot bring back",
    ),
    Gate(
        id="M-4",
        title="no lock that reads or writes of a table wait for was held for longer than allowed",
        step="C-11",
        cause="subject",
        rests_on=("migrations.planned", "migrated."),
        check=migration.no_lock_was_held_too_long,
        remedy="split the migration so that the named lock is short, or allow more in [migration] longest_block_ms",
    ),
    Gate(
        id="M-5",
        title="no relation was rewritten but those declared",
        step="C-11",
        cause="subject",
        rests_on=("migrations.planned", "migrated."),
        check=migration.only_declared_tables_were_rewritten,
        remedy="take the rewrite out of the migration, or name the table in [migration] rewrites",
    ),
    Gate(
        id="M-6",
        title="the witnesses agree, and every statement was looked at before and after, of no superuser",
        step="C-11",
        cause="subject",
        rests_on=("migrations.planned", "migrated.", "witnesses"),
        check=migration.both_witnesses_agree,
        remedy="look for a connection that the migration opens past psycopg of the harness",
    ),
    Gate(
        id="M-7",
        title="no row was lost but those declared",
        step="C-11",
        cause="subject",
        rests_on=("migrations.planned", "state.before", "state.up"),
        check=migration.no_row_was_lost,
        remedy="read which statement deleted or dropped, or declare the change in [migration] rows",
    ),
    Gate(
        id="M-8",
        title="what wrote was committed, by the planned role and to its own, and the whole database is what it was",
        step="C-11",
        cause="subject",
        rests_on=(
            "migrations.planned",
            "owned.elsewhere",
            "state.before",
            "state.up",
            "migrated.",
            "beyond.before",
            "beyond.up",
            "beyond.down",
        ),
        check=migration.nothing_else_differs,
        remedy="read what is left and take it back in the down-migration; without a way back declare it in [migration]",
    ),
    Gate(
        id="M-9",
        title="settings of the role's sessions and publications are on the copy as in the source",
        step="C-11",
        cause="environment",
        rests_on=("migrations.planned", "beside.source", "beside.copy"),
        check=checks_beside.the_copy_has_what_stands_beside,
        remedy="read why the copy's server refused it; beside a dump file write DUMP.beside.json (docs/migrations.md)",
    ),
)

_PLACE = next(number for number, gate in enumerate(GATES) if gate.id == "G-14")

MIGRATION_GATES: tuple[Gate, ...] = (*GATES[:_PLACE], *MIGRATIONS, *GATES[_PLACE:])
"""Every gate of the plan, in the order in which it is asked."""
