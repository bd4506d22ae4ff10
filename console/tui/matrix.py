"""The row-count matrix: tables down, scenarios across, from the engine's own counts in the folded state."""

from __future__ import annotations

from dataclasses import dataclass

from console.model.run_state import RunState
from console.tui.spans import Spans, cell_right


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One table after one scenario. `before` and `after` are None until both were counted.

    `so_far` is what the server's statistics say of the scenario that runs; it has no verdict.
    """

    expected: int
    before: int | None = None
    after: int | None = None
    so_far: int | None = None

    @property
    def delta(self) -> int | None:
        """Return how many rows the scenario added, None until it was counted."""
        return None if self.before is None or self.after is None else self.after - self.before

    @property
    def verdict(self) -> str:
        """Return PASS, FAIL or "" (not counted yet)."""
        if self.delta is None:
            return ""
        return "PASS" if self.delta == self.expected else "FAIL"

    def spans(self, width: int) -> Spans:
        """Return the cell: the change, and beside a wrong one the change that was expected."""
        if self.delta is None and self.so_far is not None:
            return ((cell_right(f"≈{_short(self.so_far)}", width), "plain"),)
        if self.delta is None:
            waiting = f"({self.expected:+d})" if self.expected else "·"
            return ((cell_right(waiting, width), "dim"),)
        if self.verdict == "FAIL":
            return ((cell_right(f"{self.delta:+d}≠{self.expected:+d}", width), "fail"),)
        return (
            (
                cell_right(f"{self.delta:+d} ✓" if self.delta else "0 ✓", width),
                "pass" if self.delta else "dim",
            ),
        )

    def words(self) -> str:
        """Return the cell in one sentence."""
        if self.delta is None and self.so_far is not None:
            return (
                f"about {self.so_far:+,d} so far by statistics, expected {self.expected:+d}; exact at the end"
            )
        if self.delta is None:
            return f"not counted yet, expected {self.expected:+d}"
        verdict = "as expected" if self.verdict == "PASS" else "NOT as expected"
        counted = f"before {self.before}, delta {self.delta:+d}, after {self.after}"
        return f"{counted}, expected {self.expected:+d}: {verdict}"


def _short(rows: int) -> str:
    """Return a change in a few columns: from a thousand on in thousands, millions or thousands of millions."""
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if abs(rows) >= size:
            return f"{int(rows / size)}{unit}"
    return f"{rows:+d}"


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """Cells by table and scenario, and the names of both in their order."""

    tables: tuple[str, ...] = ()
    scenarios: tuple[str, ...] = ()
    cells: tuple[tuple[Cell, ...], ...] = ()
    totals: tuple[int | None, ...] = ()

    @property
    def wrong(self) -> int:
        """Return how many cells are not as expected."""
        return sum(cell.verdict == "FAIL" for row in self.cells for cell in row)


def matrix(state: RunState) -> Matrix:
    """Return the matrix of a run; empty before the first event."""
    if state.created is None:
        return Matrix()
    words = state.created.scenarios
    counted = [state.rows.get(one.id) for one in words]
    first = state.rows.get("")
    befores = [
        first if one.id in state.created.rewound else before
        for one, before in zip(words, [first, *counted], strict=False)
    ]
    estimated = state.estimated if state.ended is None else None
    running, meanwhile = (estimated.scenario, estimated.changes) if estimated else ("", {})
    cells = tuple(
        tuple(
            Cell(
                expected=one.rows.get(table, 0),
                before=(before or {}).get(table),
                after=(after or {}).get(table),
                so_far=meanwhile.get(table) if one.id == running else None,
            )
            for one, before, after in zip(words, befores, counted, strict=True)
        )
        for table in state.created.tables
    )
    totals = tuple(sum(rows.values()) if rows is not None else None for rows in counted)
    return Matrix(
        tables=state.created.tables, scenarios=tuple(one.id for one in words), cells=cells, totals=totals
    )
