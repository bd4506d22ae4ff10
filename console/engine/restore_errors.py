"""Which errors of a restore a pack allows, and whose privileges the copy will not have.

Looks at what was recorded and at the pack; asks no server.
"""

from __future__ import annotations

from collections.abc import Iterable

from console.engine.rehearsal import Rehearsal
from console.model.facts import RestoreError

GRANTEES_NOTE = "source.grantees"


def judged_errors(run: Rehearsal, found: Iterable[tuple[str, str]]) -> tuple[RestoreError, ...]:
    """Return each distinct (sqlstate, message) beside the allow-list's row for the same object."""
    absent = (*run.loaded.pack.roles_absent_in_copy, *run.loaded.privileges.roles)
    allowed = {f'role "{name}" does not exist': "42704" for name in absent}
    return tuple(
        RestoreError(
            sqlstate=sqlstate, object=message, allowed_sqlstate=allowed.get(message, ""),
            allowed_object=message if message in allowed else "",
        )
        for sqlstate, message in sorted(set(found))
    )  # fmt: skip


def unknown_grantees(run: Rehearsal) -> tuple[str, ...]:
    """Return the source's grantees that the copy will not have and nobody has allowed for."""
    known = {run.loaded.pack.owner, run.the_environment().superuser, *run.config.search.roles}
    known |= {*run.loaded.pack.roles_absent_in_copy, *run.loaded.privileges.roles}
    grantees: list[str] = run.recorder.state.notes.get(GRANTEES_NOTE, [])
    return tuple(name for name in grantees if name not in known)
