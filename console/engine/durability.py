"""Durability off while the copy is loaded or made anew, and on before something of the subject's runs in it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import sql

from console.engine.rehearsal import Rehearsal
from console.environments.bulk import DURABILITY
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
    run.the_environment().end_loading()
    _reset(run)
    run.recorder.note(NOTE, _settled(run, "on"), origin="server")


@contextmanager
def undurable(run: Rehearsal) -> Iterator[None]:
    """Run the block without durability, as the copy was loaded, and have it again before the next word.

    Nobody but the engine may be connected meanwhile. What raises in the block leaves it off: then only the teardown
    follows. Raises StepFailed (environment) when the server does not come to it, one way or the other.
    """
    with run.the_environment().connect() as connection:
        for name in DURABILITY:
            run_sql(connection, "rewind/set_durability", parts={"setting": sql.Identifier(name)})
        run_sql(connection, "environment/reload_settings")
    _settled(run, "off")
    yield
    _reset(run)
    run.recorder.note(NOTE, _settled(run, "on"), origin="server")


def _reset(run: Rehearsal) -> None:
    with run.the_environment().connect() as connection:
        # While fsync is off, a checkpoint forgets what is still to be synced: all of the copy, and nobody needs that.
        run_sql(connection, "environment/checkpoint")
        for name in DURABILITY:
            run_sql(connection, "environment/reset_setting", parts={"setting": sql.Identifier(name)})
        run_sql(connection, "environment/reload_settings")


def _settled(run: Rehearsal, wanted: str) -> dict[str, str]:
    """Return what new sessions have, once all of the durability is on, or off."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        with run.the_environment().connect() as connection:
            found = dict(run_sql(connection, "environment/settings", {"names": list(_TOLD)}))
        other = [name for name in DURABILITY if found.get(name) != wanted]
        if not other:
            return found
        if time.monotonic() > deadline:
            raise StepFailed(
                f"{other[0]} of the copy's server is {found.get(other[0])} {_PATIENCE_S:.0f} s after it was "
                f"{'reset' if wanted == 'on' else 'set off'}",
                cause="environment",
            )
        run.recorder.raise_if_requested()
        time.sleep(_POLL_S)
