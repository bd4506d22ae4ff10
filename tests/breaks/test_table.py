"""The table of breaks itself: whole, true to the tests that it names, and written down."""

from __future__ import annotations

import ast

import pytest
from table import DOCUMENT, ENVIRONMENTS, Cell, cells, document, functions

from console.gates.kept_table import with_kept_rows
from console.gates.rewind_table import with_rewind_rows
from console.gates.sample_table import with_sample_gates
from console.gates.table import GATES


def test_every_gate_stands_in_the_table_for_every_environment() -> None:
    """A gate or an environment that the table lacks is found, and so is one that it has twice."""
    expected = [
        (gate.id, environment)
        for gate in with_kept_rows(with_rewind_rows(with_sample_gates(GATES)))
        for environment in ENVIRONMENTS
    ]
    assert expected == [(cell.gate, cell.environment) for cell in cells()]


@pytest.mark.parametrize("cell", cells(), ids=lambda cell: f"{cell.gate} {cell.environment}")
def test_no_cell_is_empty(cell: Cell) -> None:
    """A cell has tests or a reason, and never both."""
    assert bool(cell.tests) != bool(cell.reason)


@pytest.mark.parametrize("cell", [cell for cell in cells() if cell.tests], ids=lambda cell: cell.gate)
def test_named_tests_exist_and_assert_their_gate(cell: Cell) -> None:
    """A test that a cell names is there, says what it shows, and speaks of that gate."""
    known = functions()
    for test in cell.tests:
        assert test in known, f"{test} is named for {cell.gate} and does not exist"
        assert ast.get_docstring(known[test])
        words = {node.value for node in ast.walk(known[test]) if isinstance(node, ast.Constant)}
        assert cell.gate in words, f"{test} never asks about {cell.gate}"


def test_document_is_up_to_date() -> None:
    """docs/breaks.md is what the table writes."""
    assert document() == DOCUMENT.read_text("utf-8"), "python -m tests.breaks.table > docs/breaks.md"
