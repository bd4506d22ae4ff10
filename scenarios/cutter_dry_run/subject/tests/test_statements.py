"""The SQL that is sent."""

from __future__ import annotations

import pytest
from cutter_agent import statements
from cutter_agent.principals import INSERTS, UPDATES
from fakes import normalised


def test_insert_names_its_columns() -> None:
    """An INSERT has one placeholder for each named column."""
    made = normalised(statements.insert_row("sweep_log", ("sweep_id", "entry_id")))
    assert made == "insert into public.sweep_log (sweep_id, entry_id) values (%s, %s)"


def test_select_names_its_columns() -> None:
    """A SELECT names every column and never a star."""
    made = normalised(statements.select_rows("sweep_log", ("entry_id",)))
    assert made == (
        "select sweep_id, entry_id, dependencies_seen, outcome, swept_at"
        " from public.sweep_log where entry_id = %s"
    )


def test_update_compares_before_it_sets() -> None:
    """An UPDATE happens only while the column holds what is expected."""
    made = normalised(statements.compare_and_set("decision_backlog_entry", "entry_id", "status"))
    assert made == (
        "update public.decision_backlog_entry set status = %s"
        " where entry_id = %s and status is not distinct from %s returning entry_id"
    )


def test_unknown_column_is_refused() -> None:
    """A name that is no column never reaches SQL."""
    with pytest.raises(ValueError, match="no column"):
        statements.insert_row("sweep_log", ("sweep_id) VALUES (1); --",))


def test_capabilities_name_real_tables() -> None:
    """Every table and column of the capabilities is a table or column of the ledger."""
    assert frozenset().union(*INSERTS.values()) <= statements.COLUMNS.keys()
    for table, column in frozenset().union(*UPDATES.values()):
        assert column in statements.COLUMNS[table]
