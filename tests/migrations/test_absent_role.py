"""Whose fault it is that a migration names a role that the copy has not."""

from __future__ import annotations

import pytest

from console.engine.migrating import role_that_only_the_source_has
from console.model.beside_facts import Beside
from console.model.trace import ServerLine

SOURCE = Beside(settings={}, connection_limit=-1, publications={}, roles=("owner", "reports"))


def error(message: str, sqlstate: str = "42704") -> ServerLine:
    """Return one error as the server's log has it."""
    return ServerLine(
        at=1.0, pid=7, session="s", line=1, user="owner", database="shop", application="", kind="error",
        severity="ERROR", sqlstate=sqlstate, message=message,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("errors", "source", "found"),
    [
        ([error('role "reports" does not exist')], SOURCE, "reports"),
        ([error('role "reports" does not exist')], None, ""),
        ([error('role "nobody" does not exist')], SOURCE, ""),
        ([error('type "reports" does not exist')], SOURCE, ""),
        ([error('role "reports" does not exist', "P0001")], SOURCE, ""),
        ([error("other", "42601"), error('role "reports" does not exist')], SOURCE, ""),
        ([], SOURCE, ""),
    ],
)
def test_a_role_of_the_source_s_is_not_the_subject_s_fault(
    errors: list[ServerLine], source: Beside | None, found: str
) -> None:
    """A role that the source has too counts as the migration's mistake, or another error as the copy's."""
    assert role_that_only_the_source_has(errors, source) == found
