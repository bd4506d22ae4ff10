"""docs/faults.md as the matrix makes it: one row a cell, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cells import CELLS
from fault_driver import Played

PAGE = Path(__file__).resolve().parents[2] / "docs" / "faults.md"
BEGIN = "<!-- made by pytest -m faults tests/faults: the table -->"

HEAD = """# Faults

What a run becomes when something dies, fills up or is broken in the middle of it. Each row was played on a real
run: the fault happens at exactly the named moment (before or after the engine has written that event), and
`drydock recover` follows where the run has no CLEAN end.

- *first end*: how the run ended by itself: by its engine, or by the watchdog. "no end": nobody was left to end it,
  or the journal took no more.
- *after recover*: the same after `drydock recover`; a dash where nothing was left to recover.
- *exit*: of `drydock run`, and of `drydock recover`. 5 is a journal that somebody had changed: it holds no end, and
  what its verified beginning names was removed.
- *residue*: what was left in the end, by name. *protected*: whether a protected cluster, a folder with a name like
  a run's and a process that are not the run's were byte for byte the same.

In every row no event that was acknowledged was lost, no half line was read as an event, and nothing of the run was
left in the work folder, in its secrets or in its scratch folder.

"""


def rows(played: Iterable[Played]) -> list[str]:
    """Return one table row for each cell."""
    lines = [
        "| fault | moment | environment | first end | after recover | exit | residue | protected |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in played:
        cell = one.cell
        after = one.last if one.recovered is not None else "–"
        codes = f"{one.exit_code}" + (f", {one.recovered}" if one.recovered is not None else "")
        changed = "changed" if any("protected" in trouble for trouble in one.troubles) else "unchanged"
        left = "; ".join(one.residue) or "none"
        moment = f"{cell.when} {cell.moment}"
        lines.append(
            f"| {cell.act} | {moment} | {cell.environment} | {one.first} | {after} | {codes} | {left} | {changed} |"
        )
    return lines


def page(played: Iterable[Played]) -> str:
    """Return the page."""
    return HEAD + BEGIN + "\n\n" + "\n".join(rows(played)) + "\n"


def replaced(played: Iterable[Played]) -> str:
    """Return the committed page with the rows of some cells made anew; a cell that nobody played yet says so."""
    known = {tuple(row.split(" | ")[:3]): row for row in PAGE.read_text("utf-8").splitlines()}
    known |= {tuple(row.split(" | ")[:3]): row for row in rows(played)[2:]}
    table = rows(())
    for cell in CELLS:
        named = f"| {cell.act} | {cell.when} {cell.moment} | {cell.environment}"
        table.append(known.get(tuple(named.split(" | ")), f"{named} | not played | | | | |"))
    return HEAD + BEGIN + "\n\n" + "\n".join(table) + "\n"


def named_in_page() -> list[tuple[str, str, str]]:
    """Return fault, moment and environment of each row of the committed page."""
    lines = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ")][1:]
    return [(cells[0], cells[1], cells[2]) for line in lines if (cells := line.strip("| ").split(" | "))]


def expected_names() -> list[tuple[str, str, str]]:
    """Return the same as the matrix has them."""
    return [(cell.act, f"{cell.when} {cell.moment}", cell.environment) for cell in CELLS]
