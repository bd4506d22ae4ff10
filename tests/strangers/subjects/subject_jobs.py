"""Defers procrastinate's jobs with a plain INSERT, behind which its triggers write an event and notify."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.types.json import Jsonb


def defer(connection: psycopg.Connection[Any], *, task: str, lock: str | None = None) -> None:
    """Put one job into the queue."""
    with connection.transaction():
        connection.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, queueing_lock, args) VALUES ('mail', %s, %s, %s)",
            (task, lock, Jsonb({"by": "the subject"})),
        )
