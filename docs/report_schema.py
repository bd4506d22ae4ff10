"""Prints docs/report.schema.json: what `drydock report --format json` and report.json hold, for programs.

`python docs/report_schema.py > docs/report.schema.json`. A field is never removed nor given another meaning
without another name of the schema.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from console.evidence.summary import SCHEMA

VERDICTS = ["PASS", "FAIL", "UNKNOWN", "NOT_REACHED", "NOT_APPLICABLE"]
TEXT: dict[str, Any] = {"type": "string"}
TEXT_OR_NULL: dict[str, Any] = {"type": ["string", "null"]}
COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}
COUNT_OR_NULL: dict[str, Any] = {"type": ["integer", "null"], "minimum": 0}
SHA256S: dict[str, Any] = {"type": "object", "additionalProperties": {"type": "string"}}


def listed(items: dict[str, Any]) -> dict[str, Any]:
    """Return an array of one kind."""
    return {"type": "array", "items": items}


def record(**fields: dict[str, Any]) -> dict[str, Any]:
    """Return an object with exactly these fields."""
    return {
        "type": "object",
        "properties": fields,
        "required": list(fields),
        "additionalProperties": False,
    }


def one_of(*words: str | None) -> dict[str, Any]:
    """Return one of some words; None is null."""
    return {"enum": list(words)}


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12)."""
    verdict = one_of(*VERDICTS)
    changes = {"type": "object", "additionalProperties": {"type": "integer"}}
    gate = record(gate=TEXT, title=TEXT, step=TEXT, verdict=verdict, reason=TEXT, facts=listed(TEXT))
    scenario = record(
        scenario=TEXT, kind=TEXT, title=TEXT, verdict=verdict, duration_ms=COUNT_OR_NULL,
        statements=COUNT_OR_NULL, reason=TEXT, findings=listed(TEXT), culprit=TEXT,
    )  # fmt: skip
    cell = record(verdict=verdict, expected=changes, found={"anyOf": [changes, {"type": "null"}]})
    facts = {"type": ["object", "null"]}
    migrations = record(
        planned=facts,
        migrated={"type": "object", "additionalProperties": {"type": "object"}},
        changes=listed(record(after=TEXT, change=TEXT)),
        whole=listed(record(after=TEXT, change=TEXT)),
    )
    step = record(
        step=TEXT,
        does=TEXT,
        boundary=TEXT_OR_NULL,
        began_at=TEXT_OR_NULL,
        duration_ms=COUNT_OR_NULL,
        failed=TEXT,
    )
    receipt = record(kind=TEXT, name=TEXT, part=TEXT, identity=TEXT_OR_NULL, closed=TEXT, trouble=TEXT)
    whole = record(
        schema={"const": SCHEMA}, run=TEXT, condition=one_of("starting", "running", "waiting", "ended", "dead"),
        verdict=one_of("PASS", "FAIL", "ABORTED", None), closure=one_of("CLEAN", "UNCLEAN", None),
        cause=one_of("subject", "source", "environment", "drydock", None), failed_gate=TEXT_OR_NULL,
        failed_scenario=TEXT_OR_NULL, reason=TEXT, gates={"type": "object", "additionalProperties": verdict},
        scenarios={"type": "object", "additionalProperties": verdict},
        rows={"type": "object", "additionalProperties": COUNT}, rows_total=COUNT_OR_NULL,
        copy=TEXT, sample={"type": ["object", "null"]}, kept={"type": ["string", "null"]}, residue=listed(TEXT),
        plan=TEXT_OR_NULL, title=TEXT_OR_NULL, drydock=TEXT_OR_NULL, subject=TEXT_OR_NULL, began_at=TEXT_OR_NULL,
        last_event_at=TEXT_OR_NULL, gates_asked=listed(gate), scenarios_run=listed(scenario),
        matrix=record(tables=listed(TEXT), scenarios={"type": "object", "additionalProperties": cell}),
        migrations={"anyOf": [migrations, {"type": "null"}]},
        steps=listed(step), decisions=listed({"type": "object"}), receipts=listed(receipt),
        shas=record(digest=TEXT_OR_NULL, parts=SHA256S, in_place=SHA256S, dump={"type": ["object", "null"]},
                    trace_heads=SHA256S),
        redactions=listed({"type": "object"}), cannot_claim=listed(TEXT),
    )  # fmt: skip
    whole["properties"]["evidence"] = TEXT | {"description": "the run's folder; only from the command"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Drydock's report of a run",
        **whole,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(schema(), indent=1) + "\n")
