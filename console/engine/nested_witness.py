"""Statements inside functions, in the server's log: auto_explain, where the server of the copy has it.

Sets it up for every session that begins afterwards; the subject's roles can change none of its settings. A
server without the library is rehearsed all the same: effects and catalogue judge what ran inside.
"""

from __future__ import annotations

import time

import psycopg
from psycopg import sql

from console.engine.rehearsal import Rehearsal
from console.errors import StepFailed
from console.sql import run as run_sql

LIBRARY = "auto_explain"
_SETTINGS = {
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_nested_statements": "on",
    "auto_explain.log_format": "json",
}
_SETTINGS_SINCE_16 = {"auto_explain.log_parameter_max_length": "0"}
"""Before 16 it never logs a parameter's value."""
_PATIENCE_S = 10.0
_POLL_S = 0.01


def watch_nested_statements(run: Rehearsal) -> None:
    """Let the server log what runs inside functions, and note whether it can.

    Raises StepFailed (environment, G-20) when the server has the library and new sessions do not load it.
    """
    with run.the_environment().connect(run.database) as connection:
        try:
            run_sql(connection, "environment/load_nested_witness")
        except psycopg.errors.UndefinedFile:
            run.recorder.note("witness.nested", f"the server has no {LIBRARY}")
            return
        settings = dict(_SETTINGS)
        if connection.info.server_version >= 160_000:
            settings |= _SETTINGS_SINCE_16
        for name, value in {**settings, "session_preload_libraries": LIBRARY}.items():
            parts = {"setting": sql.Identifier(*name.split(".")), "value": sql.Literal(value)}
            run_sql(connection, "environment/set_nested_witness", parts=parts)
        run_sql(connection, "environment/reload_settings")
    _wait_for_new_sessions(run)
    run.recorder.note("witness.nested", LIBRARY)


def _wait_for_new_sessions(run: Rehearsal) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        with run.the_environment().connect(run.database) as connection:
            [(libraries,)] = run_sql(connection, "environment/session_libraries")
        if libraries == LIBRARY:
            return
        if time.monotonic() > deadline:
            raise StepFailed(
                f"new sessions do not load {LIBRARY} after {_PATIENCE_S:.0f} s, which the server has: they load "
                f"{libraries or 'nothing'}", cause="environment", gate="G-20",
            )  # fmt: skip
        run.recorder.raise_if_requested()
        time.sleep(_POLL_S)
