"""The documents of a pack that are derived from the journal: what people look up without reading events.

Pure folds; the journal stays the truth and `drydock verify` reads nothing else.
"""

from __future__ import annotations

from typing import Any

import msgspec

from console.evidence.recorded import gate_verdicts, mapping, scenario_verdicts
from console.model.run_state import RunState


def before_teardown(state: RunState) -> dict[str, Any]:
    """Return the documents of the first seal by file name; what was never found is null."""
    return {
        "plan.json": msgspec.to_builtins(state.created),
        "facts.json": {
            name: {"source": state.fact_sources.get(name, ""), "value": value}
            for name, value in state.facts.items()
        },
        "inventory.json": {
            "frozen": state.facts.get("inventory.frozen"), "found": state.facts.get("inventory.copy"),
        },
        "privileges.json": {
            "frozen": state.facts.get("privileges.frozen"), "source": state.facts.get("privileges.source"),
            "found": state.facts.get("privileges.copy"), "found_after": state.facts.get("privileges.after"),
        },
    }  # fmt: skip


def at_the_end(state: RunState) -> dict[str, Any]:
    """Return the documents of the final seal by file name."""
    return {
        "gates.json": gates(state),
        "matrix.json": matrix(state),
        "receipts.json": msgspec.to_builtins(list(state.receipts.values())),
        "decisions.json": decisions(state),
        "shas.json": shas(state),
    }


def gates(state: RunState) -> list[dict[str, Any]]:
    """Return every gate with verdict, reason and the names of the facts that it rests on.

    The table is loaded late: its checks bring the driver along, which a list of runs must not wait for.
    """
    from console.evidence.gates_again import PLAN_GATES

    words = {one.id: one for one in state.created.gates} if state.created else {}
    plan = state.created.plan if state.created else ""
    rests = {gate.id: gate.rests_on for gate in PLAN_GATES.get(plan, ())}
    return [
        {
            "gate": gate, "title": words[gate].title if gate in words else "",
            "step": words[gate].step if gate in words else "", "verdict": verdict, "reason": reason,
            "facts": _facts_of(state, rests.get(gate, ())),
        }
        for gate, (verdict, reason) in gate_verdicts(state).items()
    ]  # fmt: skip


def _facts_of(state: RunState, rests_on: tuple[str, ...]) -> list[str]:
    return [
        name for name in state.facts
        if any(name.startswith(one) if one.endswith(".") else name == one for one in rests_on)
    ]  # fmt: skip


def matrix(state: RunState) -> dict[str, Any]:
    """Return expected and found changes of each table by scenario; found is null where nothing was counted."""
    planned = state.created.scenarios if state.created else ()
    verdicts = scenario_verdicts(state)
    found: dict[str, Any] = {}
    for one in planned:
        fact = mapping(state.facts.get(f"rows.{one.id}"))
        before, after = mapping(fact.get("before")), mapping(fact.get("after"))
        changes = {name: after.get(name, 0) - count for name, count in before.items()} if fact else None
        found[one.id] = {"verdict": verdicts[one.id], "expected": one.rows, "found": changes}
    return {"tables": list(state.created.tables) if state.created else [], "scenarios": found}


def decisions(state: RunState) -> list[dict[str, Any]]:
    """Return each boundary's answer: who, how, when and over which digest."""
    return [
        {**msgspec.to_builtins(made), "decided_at": state.decided_at.get(boundary, "")}
        for boundary, made in state.decisions.items()
    ]


def shas(state: RunState) -> dict[str, Any]:
    """Return the sha256 of everything that decided what ran, and of the dump, which is not kept."""
    return {
        "digest": state.created.digest if state.created else None,
        "parts": state.created.parts if state.created else {},
        "in_place": mapping(mapping(state.facts.get("contents.found")).get("digests")),
        "dump": state.notes.get("dump"),
        "trace_heads": {step: end.trace_head for step, end in state.steps_finished.items() if end.trace_head},
    }
