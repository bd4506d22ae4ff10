"""One object that says how a run ended, for machines: `run --json`, `report --format json`, `status --json`.

Folds the journal and nothing else; what is not known is null, never a guess.
"""

from __future__ import annotations

from typing import Any

import msgspec

from console.evidence import documents
from console.evidence.migration_output import migrations
from console.evidence.recorded import gate_verdicts, scenario_verdicts
from console.model.kept_words import kept_words
from console.model.run_state import RunState
from console.model.sample_words import sample_note, sample_words

__all__ = ["gate_verdicts", "last_rows", "machine_report", "scenario_verdicts", "summary"]

SCHEMA = "drydock-report-1"
"""The name of docs/report.schema.json; it changes when a field goes or changes its meaning."""


def last_rows(state: RunState) -> dict[str, int]:
    """Return the engine's last exact count of each table, empty when it never counted."""
    return dict(next(reversed(state.rows.values()), {}))


def summary(state: RunState, *, evidence: str) -> dict[str, object]:
    """Return the object of design section 8; verdict and closure are null while the run has not ended.

    `gates` and `scenarios` map ids to verdicts, NOT_REACHED and NOT_APPLICABLE included; `copy` says what the copy is
    and `sample` what was taken, null of a whole one; `rows` maps tables to the last count, and `rows_total` is null
    when there was none; `condition` is starting, running, waiting or ended; `evidence` is the run's folder.
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
        "copy": sample_words(state) or "whole",
        "sample": sample_note(state),
        "kept": kept_words(state) or None,
        "rows": rows,
        "rows_total": sum(rows.values()) if rows else None,
        "residue": list(ended.residue) if ended else [],
        "evidence": evidence,
    }


def machine_report(state: RunState) -> dict[str, Any]:
    """Return the whole report as JSON of docs/report.schema.json: the summary and what it rests on.

    It has no path, so that the same journal always gives the same bytes.
    """
    told = summary(state, evidence="")
    del told["evidence"]
    created = state.created
    return {
        "schema": SCHEMA,
        **told,
        "plan": created.plan if created else None,
        "title": created.title if created else None,
        "drydock": created.drydock if created else None,
        "subject": created.config.get("subject_folder") if created else None,
        "began_at": state.created_at or None,
        "last_event_at": state.last_at or None,
        "gates_asked": documents.gates(state),
        "scenarios_run": _scenarios(state),
        "matrix": documents.matrix(state),
        "migrations": migrations(state),
        "steps": _steps(state),
        "decisions": documents.decisions(state),
        "receipts": msgspec.to_builtins(list(state.receipts.values())),
        "shas": documents.shas(state),
        "redactions": msgspec.to_builtins(list(state.redactions)),
        "cannot_claim": list(created.cannot_claim) if created else [],
    }


def _scenarios(state: RunState) -> list[dict[str, Any]]:
    words = {one.id: one for one in state.created.scenarios} if state.created else {}
    found = []
    for scenario, verdict in scenario_verdicts(state).items():
        end = state.scenarios.get(scenario)
        found.append({
            "scenario": scenario, "kind": words[scenario].kind if scenario in words else "",
            "title": words[scenario].title if scenario in words else "", "verdict": verdict,
            "duration_ms": end.duration_ms if end else None, "statements": end.statements if end else None,
            "reason": end.reason if end else "", "findings": list(end.findings) if end else [],
            "culprit": end.culprit if end else "",
        })  # fmt: skip
    return found


def _steps(state: RunState) -> list[dict[str, Any]]:
    planned = state.created.steps if state.created else ()
    found = []
    for step in planned:
        end = state.steps_finished.get(step.id)
        found.append({
            "step": step.id, "does": step.does, "boundary": step.boundary or None,
            "began_at": state.steps_started.get(step.id), "duration_ms": end.duration_ms if end else None,
            "failed": end.failed if end else "",
        })  # fmt: skip
    return found
