"""One object that says how a run ended, for machines: `run --json`, `report --format json`, `status --json`.

Folds the journal and nothing else; what is not known is null, never a guess.
"""

from __future__ import annotations

from console.evidence.recorded import gate_verdicts, scenario_verdicts
from console.model.run_state import RunState

__all__ = ["gate_verdicts", "last_rows", "scenario_verdicts", "summary"]


def last_rows(state: RunState) -> dict[str, int]:
    """Return the engine's last exact count of each table, empty when it never counted."""
    return dict(next(reversed(state.rows.values()), {}))


def summary(state: RunState, *, evidence: str) -> dict[str, object]:
    """Return the object of design section 8; verdict and closure are null while the run has not ended.

    `gates` and `scenarios` map ids to verdicts, NOT_REACHED and NOT_APPLICABLE included; `rows` maps
    tables to the last count, and `rows_total` is null when there was none; `condition` is starting,
    running, waiting or ended; `evidence` is the run's folder.
    """
    ended = state.ended
    rows = last_rows(state)
    return {
        "run": state.run,
        "condition": state.condition,
        "verdict": ended.verdict if ended else None,
        "closure": ended.closure if ended else None,
        "cause": ended.cause if ended else None,
        "failed_gate": ended.failed_gate if ended else None,
        "failed_scenario": ended.failed_scenario if ended else None,
        "reason": ended.reason if ended else "",
        "gates": {gate: verdict for gate, (verdict, _reason) in gate_verdicts(state).items()},
        "scenarios": scenario_verdicts(state),
        "rows": rows,
        "rows_total": sum(rows.values()) if rows else None,
        "residue": list(ended.residue) if ended else [],
        "evidence": evidence,
    }
