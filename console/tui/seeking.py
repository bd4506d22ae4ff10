"""From a gate or a scenario that failed to the statement that failed: which one to look for in the trace.

Pure: the folded state in, a rule for the trace out. Never guesses a statement that nothing recorded names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from console.model.run_state import RunState
from console.model.text import visible
from console.model.trace import ClientStatement
from console.tui.trace_file import Record
from console.tui.trace_filter import Filter, Find

_NUMBERED = re.compile(r"\bstatement (\d{1,9})\b")


@dataclass(frozen=True, kw_only=True)
class Numbered(Filter):
    """Holds for the client's statement of one number."""

    number: int = 0

    def finder(self, block: bytes) -> Find:
        """Return what finds the number's bytes."""
        wanted = b'"n":%d,' % self.number
        return lambda at: block.find(wanted, at)

    def holds(self, record: Record) -> bool:
        """Tell whether a record is that statement."""
        return isinstance(record, ClientStatement) and record.n == self.number


@dataclass(frozen=True, kw_only=True)
class Seeking:
    """What to look for, and in which words; `number` is a record's place where that is known already."""

    rule: Filter
    what: str
    number: int = -1


def statement_behind(state: RunState, kind: str, name: str) -> Seeking | None:
    """Return the statement behind a gate, a scenario or a whole run; None where nothing failed there.

    The number that the reason names comes first, then the last error of the scenario in which it was.
    """
    reasons, scenario = _reasons(state, kind, name)
    if not reasons:
        return None
    for reason in reasons:
        numbered = _NUMBERED.search(reason)
        if numbered:
            number = int(numbered[1])
            return Seeking(rule=Numbered(number=number), what=f"statement {number} of {visible(name)}")
    where = scenario or name
    if scenario:
        return Seeking(
            rule=Filter(errors=True, witness="client", scenario=scenario.lower()),
            what=visible(f"the failing statement of {where}"),
        )
    return Seeking(rule=Filter(errors=True), what="the last failed statement")


def _reasons(state: RunState, kind: str, name: str) -> tuple[list[str], str]:
    """Return every sentence about a failure, the nearest first, and the scenario that it belongs to."""
    if kind == "scenario":
        done = state.scenarios.get(name)
        return ([done.reason, *done.findings], name) if done and done.verdict != "PASS" else ([], name)
    if kind == "gate":
        asked = [
            one for one in (*state.gates_after_scenario.values(), *state.gates.values()) if one.gate == name
        ]
        failed = [one for one in asked if one.verdict != "PASS"]
        scenario = next((one.scenario for one in failed if one.scenario), "")
        inside = state.scenarios.get(scenario)
        more = [inside.reason, *inside.findings] if inside else []
        return [*(one.reason for one in failed), *more], scenario
    failed_scenarios = [one for one in state.scenarios.values() if one.verdict != "PASS"]
    if kind == "step" and failed_scenarios:
        return _reasons(state, "scenario", failed_scenarios[0].scenario)
    return [], ""
