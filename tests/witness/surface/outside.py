"""Tells which measured effects lie outside the four verbs; knows nothing of the judges under test."""

from __future__ import annotations

import re
from typing import Any

OWN_DEFAULTS = {"numbered_id_seq": "numbered", "ticket_id_seq": "ticket"}
"""Sequences behind a column's own default: an INSERT there moves them, also when it ends in a conflict."""

ALWAYS_OUTSIDE = ("deleted", "catalogue", "shared", "large_objects", "files", "configuration")

HARMLESS = re.compile(
    r"setting (app\.tenant|DateStyle|TimeZone|application_name|client_min_messages"
    r"|default_transaction_\w+|enable_\w+|extra_float_digits|lock_timeout|search_path|statement_timeout|work_mem)"
)
"""The manual's client connection defaults and planner settings, as far as the suite changes them."""


def effects_outside(sql: str, facts: dict[str, Any]) -> list[str]:
    """Return the effects that no SELECT, INSERT, UPDATE, harmless SET or transaction control has."""
    found = [f"{name} {key}" for name in ALWAYS_OUTSIDE for key in facts.get(name, {})]
    for name in facts.get("sequences", {}):
        if not re.search(rf"insert into {OWN_DEFAULTS.get(name, ' ')}\b", sql, re.IGNORECASE):
            found.append(f"sequence {name}")
    for name, value in facts.get("session", {}).items():
        hostile_value = "pg_temp" in str(value) or "pg_catalog" in str(value)[1:] or "drydock" in str(value)
        if HARMLESS.fullmatch(name) is None or hostile_value:
            found.append(f"session {name}")
    counted = [*facts.get("inserted", {}).values(), *facts.get("updated", {}).values()]
    found += ["statistics were reset"] if any(count is None or count < 0 for count in counted) else []
    found += ["a bystander was terminated"] if facts.get("terminated") else []
    return found + [f"notified {channel}" for channel in facts.get("notified", [])]
