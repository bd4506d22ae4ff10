"""Who gives the second approval: the group that the plan names, looked up before anything is made.

Never changes a group and never opens a folder to one.
"""

from __future__ import annotations

import grp

from console.errors import PlanError
from console.model.config import BoundariesConfig


def approvers_gid(boundaries: BoundariesConfig) -> int:
    """Return the group that may give a second approval, -1 where one person is enough.

    Raises PlanError when no group is named and when this machine has none of that name.
    """
    if not boundaries.require_two:
        return -1
    group = boundaries.approvers
    if not group:
        raise PlanError(
            "--require-two needs to know who the second person can be",
            remedy='write approvers = "GROUP" under [boundaries] in the plan file',
        )
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError as missing:
        raise PlanError(
            f"this machine has no group {group!r}", remedy="name another under [boundaries] approvers"
        ) from missing
