"""Prints docs/plan.schema.json: the JSON schema of a plan file, from console/model/config.py, for editors.

`python docs/plan_schema.py > docs/plan.schema.json`. `drydock check --schema` prints the same file. It says what a
schema can; `drydock check` knows the rest.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec

from console.plans.checks import LIMITS, SSL_MODES

_SPEC = importlib.util.spec_from_file_location("plan_file", Path(__file__).with_name("plan_file.py"))
assert _SPEC is not None and _SPEC.loader is not None
plan_file = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(plan_file)

_TYPES: dict[object, dict[str, Any]] = {
    str: {"type": "string"}, int: {"type": "integer"}, float: {"type": "number"}, bool: {"type": "boolean"},
}  # fmt: skip


def shape(annotation: Any) -> dict[str, Any]:
    """Return the schema of one type."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return {"enum": list(inner)}
    if origin is tuple:
        return {"type": "array", "items": shape(inner[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": shape(inner[1])}
    return dict(_TYPES[annotation])


def key(section: str, field: Any) -> dict[str, Any]:
    """Return the schema of one key, with its sentence, its default and its limits."""
    name = f"{section}.{field.name}" if section else field.name
    found = shape(field.type) | {
        "description": plan_file.KEYS[name],
        "default": plan_file.default_of(field),
    }
    if name == "source.sslmode":
        found["enum"] = list(SSL_MODES)
    if (section, field.name) in LIMITS:
        found["minimum"], found["maximum"] = LIMITS[(section, field.name)]
    return found


def table(properties: dict[str, Any], description: str) -> dict[str, Any]:
    """Return a table with no other keys than these, of which none is required."""
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "additionalProperties": False,
    }


def schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12)."""
    properties = {field.name: key("", field) for field in plan_file.plain_keys()}
    for name, struct in plan_file.sections():
        fields = {field.name: key(name, field) for field in msgspec.structs.fields(struct)}
        properties[name] = table(fields, plan_file.SECTIONS[name])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Drydock's plan file",
        **table(properties, "A plan file of `drydock run`; every key may be left out."),
    }


def text() -> str:
    """Return the file as it is committed."""
    return json.dumps(schema(), indent=1) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
