"""Checks of what the scenarios did: rows, baseline, nothing where nothing was expected, SQL surface.

Asked after each scenario over those that ran, and again in C-11 over all. Pure functions over recorded
facts: None when the truth holds, otherwise the sentence that says why not.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from console.errors import FactMissing
from console.gates.sentences import said, unequal, unlisted
from console.model.facts import Baseline, ScenarioRows, ScenariosPlanned, ScenarioSurface
from console.model.gate import Facts
from console.model.rewind_facts import Prepared, Rewound

ROWS, SURFACE = "rows.", "surface."


def row_changes_are_the_expected_ones(facts: Facts) -> str | None:
    """Each scenario that ran changed each table's row count as the pack's matrix has it."""
    return said(_row_changes(facts, {}))


def row_changes_are_the_expected_ones_on_each_copy(facts: Facts) -> str | None:
    """The same where the copy is rewound: a rewound scenario, and the first, began with the prepared copy's rows.

    What another one left was still there, no more and not written anew, when the copy was dropped.
    """
    prepared = facts.need("prepared", Prepared)
    planned = facts.need("scenarios.planned", ScenariosPlanned)
    fresh = (*list(planned.scenarios)[:1], *prepared.rewound)
    phrases = _row_changes(facts, dict.fromkeys(fresh, prepared.rows))
    ran = _ran(facts, planned)
    for previous, scenario in pairwise(ran):
        if scenario in prepared.rewound:
            rewound = facts.need(f"rewound.{scenario}", Rewound)
            phrases += rows_left(previous, ran[previous][0].after, rewound.left)
            phrases += rows_written(previous, rewound.left, rewound.written)
    return said(phrases)


def rows_left(previous: str, after: Mapping[str, int], left: Mapping[str, int]) -> list[str]:
    """Say what is not as it was counted after the last scenario of a copy, when that copy was to be dropped."""
    return [f"after {previous}, before the copy was rewound: {it}" for it in unequal(after, left)]


def rows_written(previous: str, left: Mapping[str, int], written: Mapping[str, int]) -> list[str]:
    """Say which rows were written after a copy's last scenario was counted; each table must have been looked at."""
    late = unequal(dict.fromkeys(left, 0), written)
    return [f"after {previous} was counted, before the copy was rewound: rows written in {it}" for it in late]


def _row_changes(facts: Facts, fresh: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Say what is unexpected; `fresh` has the rows with which a scenario must begin that follows on no other."""
    planned = facts.need("scenarios.planned", ScenariosPlanned)
    phrases = _undeclared(planned)
    previous: Mapping[str, int] | None = None
    for scenario, (rows, _surface) in _ran(facts, planned).items():
        phrases += [f"{scenario}: {phrase}" for phrase in _row_faults(planned, scenario, rows)]
        previous = fresh.get(scenario, previous)
        if previous is not None and previous != rows.before:
            phrases += [f"before {scenario}: {phrase}" for phrase in unequal(previous, rows.before)]
        previous = rows.after
    return phrases


def baseline_is_reached(facts: Facts) -> str | None:
    """Every scenario ran, and each table has exactly the rows that the pack expects at the end."""
    planned = facts.need("scenarios.planned", ScenariosPlanned)
    baseline = facts.need("baseline", Baseline)
    phrases = unlisted("scenario", planned.scenarios, baseline.ran)
    if not phrases and list(planned.scenarios) != list(baseline.ran):
        phrases.append("the scenarios ran in another order")
    if not baseline.expected:
        phrases.append("the pack expects no rows of any table")
    phrases += unlisted("in the baseline, table", planned.tables, baseline.expected)
    return said(phrases + [f"the row count of {it}" for it in unequal(baseline.expected, baseline.found)])


def nothing_changed_where_nothing_may(facts: Facts) -> str | None:
    """Negative and replay scenarios left every row count as it was."""
    planned = facts.need("scenarios.planned", ScenariosPlanned)
    quiet = planned.change_nothing
    phrases = [f"scenario {it} is not in the plan" for it in sorted(set(quiet) - planned.scenarios.keys())]
    if len(set(quiet)) != len(quiet):
        phrases.append("a scenario that may change nothing is listed twice")
    for scenario, (rows, _surface) in _ran(facts, planned).items():
        if scenario in quiet:
            phrases += [f"{scenario} changed rows: {it}" for it in unequal(rows.before, rows.after)]
    return said(phrases)


def sql_surface_is_kept(facts: Facts) -> str | None:
    """Every statement of every scenario that ran was judged, and none was refused."""
    planned = facts.need("scenarios.planned", ScenariosPlanned)
    phrases: list[str] = []
    for scenario, (_rows, surface) in _ran(facts, planned).items():
        if surface.judged != surface.statements:
            phrases.append(f"{scenario}: {surface.judged} of {surface.statements} statements were judged")
        phrases += [f"{scenario}: refused {refused}" for refused in surface.refused]
        phrases += [f"{scenario}: transaction control does not pair up, {it}" for it in surface.unpaired]
    return said(phrases)


def _ran(facts: Facts, planned: ScenariosPlanned) -> dict[str, tuple[ScenarioRows, ScenarioSurface]]:
    """Return the scenarios with recorded facts and both of these, in the plan's order.

    A scenario that left one of its two facts only, or one before the last that left none, is a missing
    fact, and so is a run without any: silence is never taken for a scenario that did nothing.
    """
    order = list(planned.scenarios)
    known = {name.removeprefix(prefix) for prefix in (ROWS, SURFACE) for name in facts.names(prefix)}
    last = max((place for place, scenario in enumerate(order) if scenario in known), default=0)
    ran = {
        scenario: (facts.need(ROWS + scenario, ScenarioRows), facts.need(SURFACE + scenario, ScenarioSurface))
        for scenario in (*order[: last + 1], *sorted(known - set(order)))
    }
    if not ran:
        raise FactMissing(ROWS)
    return ran


def _undeclared(planned: ScenariosPlanned) -> list[str]:
    phrases = [] if planned.tables else ["the pack names no table"]
    for scenario, rows in planned.scenarios.items():
        unknown = sorted(rows.keys() - set(planned.tables))
        phrases += [f"{scenario} expects rows of {table}, no table of the pack" for table in unknown]
    return phrases


def _row_faults(planned: ScenariosPlanned, scenario: str, rows: ScenarioRows) -> list[str]:
    if scenario not in planned.scenarios:
        return ["the scenario is not in the plan"]
    changes = planned.scenarios[scenario]
    wanted = {**rows.before, **{table: rows.before.get(table, 0) + by for table, by in changes.items()}}
    if (
        rows.before.keys() == set(planned.tables)
        and wanted == rows.after
        and wanted.keys() == rows.before.keys()
    ):
        return []  # asked of every scenario after each: most are as expected, and this costs a tenth
    phrases = unlisted("table", planned.tables, rows.before) + unlisted("table", planned.tables, rows.after)
    for table in planned.tables:
        expected = changes.get(table, 0)
        found = rows.after.get(table, 0) - rows.before.get(table, 0)
        if found != expected:
            phrases.append(f"{table} changed by {found:+d} rows, expected {expected:+d}")
    return phrases
