"""Users for the tests' own clusters, which no run of another test process takes meanwhile."""

from __future__ import annotations

from console.environments.owner import Lease, lease_uid

_HELD: list[Lease] = []
"""Until this process ends: a cluster of its own may outlive the fixture that asked for the user."""


def own_uid() -> int | None:
    """Return an unused uid that stays this process's, None for an ordinary user."""
    lease = lease_uid()
    if lease is None:
        return None
    _HELD.append(lease)
    return lease.uid
