"""What a rollback-only proof found, row by row: a pure function of the folded journal.

Owns the fields and their order. What was not recorded is "not measured" with the reason, never a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from console.evidence.page import code, shown
from console.evidence.recorded import at, gate_verdicts, gate_word, listed, mapping, not_measured
from console.model.run_state import RunState
from console.model.verdict import GateVerdict

_SHOWN = 40


def proofs(state: RunState) -> str:
    """Return how many of the nine hold, and each verdict."""
    verdicts = {
        name: verdict for name, (verdict, _why) in gate_verdicts(state).items() if name.startswith("P-")
    }
    held = sum(verdict == GateVerdict.PASS for verdict in verdicts.values())
    each = ", ".join(f"{shown(name)} {shown(verdict)}" for name, verdict in verdicts.items())
    return f"**{held} of {len(verdicts)}**: {each}"


def certificate(state: RunState) -> str:
    """Return what the server said of each transaction, and of what it could have left."""
    found = mapping(state.facts.get("proof.certificate"))
    if not found:
        return not_measured(state, "C-06")
    statuses = mapping(found.get("statuses"))
    said = ", ".join(
        f"{code(str(xid))} {shown(str(status) or 'forgotten')}" for xid, status in statuses.items()
    )
    rows = mapping(found.get("rows"))
    of_ours = sum(count for count in rows.values() if isinstance(count, int))
    return (
        f"transactions: {said or 'none was seen'}; rows of theirs in {len(rows)} tables: {of_ours}; "
        f"{_sequences(found)}; {gate_word(state, 'A-1')}"
    )


def _sequences(found: Mapping[str, Any]) -> str:
    before, after = mapping(found.get("sequences_before")), mapping(found.get("sequences_after"))
    moved = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    locked = set(listed(found.get("locked")))
    if not moved:
        return f"{len(before)} sequences as before"
    told = ", ".join(
        f"{code(name)} ({'ours' if name in locked else 'not ours: we never had it locked'})" for name in moved
    )
    return f"{len(moved)} of {len(before)} sequences moved: {told}"


def counts(state: RunState) -> str:
    """Return how many rows the tables had before and after, and what was shown of those that moved."""
    before = mapping(at(state.facts.get("proof.before"), "rows"))
    if not before:
        return not_measured(state, "C-05")
    after = mapping(at(state.facts.get("proof.after"), "rows"))
    moved = mapping(state.notes.get("proof.moved"))
    told = "; ".join(f"{code(name)}: {shown(str(words))}" for name, words in moved.items())
    same = (
        f"{sum(after.get(name) == rows for name, rows in before.items())} of {len(before)} tables unchanged"
    )
    decides = " (the certificate decides)" if moved else ""
    return f"{same}{decides}{'; ' + told if told else ''}; {gate_word(state, 'P-7', 'P-8')}"


def hazards(state: RunState) -> str:
    """Return what the statements can reach, and every hazard, accepted or not."""
    reached = mapping(state.notes.get("proof.reached"))
    if not reached:
        return not_measured(state, "C-04")
    found = [str(at(one, "what")) for one in listed(reached.get("hazards"))]
    parts = [f"{len(listed(reached.get(name)))} {name}" for name in ("functions", "relations")]
    written = ", ".join(code(str(name)) for name in listed(reached.get("written"))[:_SHOWN])
    said = "; ".join(shown(one) for one in found[:_SHOWN]) or "none"
    return f"{', '.join(parts)} reached; written: {written or 'nothing'}; hazards: {said}; {gate_word(state, 'H-1')}"


def statements(state: RunState) -> str:
    """Return the exact texts between BEGIN and ROLLBACK."""
    planned = mapping(state.notes.get("proof.statements"))
    if not planned:
        return not_measured(state, "C-02")
    texts = [str(one) for name in ("writes", "reads") for one in listed(planned.get(name))]
    return f"{' · '.join(code(one) for one in texts)}; {gate_word(state, 'P-5', 'P-6')}"


def server(state: RunState) -> str:
    """Return which server it was."""
    found = mapping(state.facts.get("source.before"))
    if not found:
        return not_measured(state, "C-03")
    sysid, since = str(found.get("system_identifier")), str(found.get("started_at"))
    return f"system_identifier {code(sysid)}, running since {shown(since)}; {gate_word(state, 'G-06', 'G-21', 'G-25')}"


ROWS: tuple[tuple[str, Callable[[RunState], str]], ...] = (
    ("proofs", proofs),
    ("database", server),
    ("statements", statements),
    ("hazards", hazards),
    ("abort certificate", certificate),
    ("counts", counts),
)


def proof_output(state: RunState) -> list[tuple[str, str]]:
    """Return every field with its value as finished Markdown."""
    return [(name, row(state)) for name, row in ROWS]
