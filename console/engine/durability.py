"""The end of loading: the copy's server is as durable as any other before something of the subject's runs in it."""

from __future__ import annotations

import time

from psycopg import sql

from console.engine.rehearsal import Rehearsal
from console.environments.cluster import DURABILITY
from console.errors import StepFailed
from console.sql import run as run_sql

NOTE = "copy.durability"
_TOLD = (*DURABILITY, "synchronous_commit", "wal_level")
_PATIENCE_S = 10.0
_POLL_S = 0.005


def make_durable(run: Rehearsal) -> None:
    """Reset what was off while rows were loaded, wait until new sessions have it, and note the server's word.

    Raises StepFailed (environment) when the server does not come to it.
    """
    environment = run.the_environment()
    environment.end_loading()
    with environment.connect() as connection:
        # While fsync is off, a checkpoint forgets what is still to be synced: all of the copy, and nobody needs that.
        run_sql(connection, "environment/checkpoint")
        for name in DURABILITY:
            run_sql(connection, "environment/reset_setting", parts={"setting": sql.Identifier(name)})
        run_sql(connection, "environment/reload_settings")
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        with environment.connect() as connection:
            found = dict(run_sql(connection, "environment/settings", {"names": list(_TOLD)}))
        off = [name for name in DURABILITY if found.get(name) != "on"]
        if not off:
            run.recorder.note(NOTE, found, origin="server")
            return
        if time.monotonic() > deadline:
            raise StepFailed(
                f"{off[0]} of the copy's server is {found.get(off[0])} {_PATIENCE_S:.0f} s after it was reset",
                cause="environment",
            )
        run.recorder.raise_if_requested()
        time.sleep(_POLL_S)
