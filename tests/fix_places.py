"""Where tests make clusters: short paths (sockets lie below), and memory rather than a disk where there is enough.

A cluster is a thousand small files that are made and removed again; on a disk that costs more than all else.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile
from pathlib import Path

DECOY = "drydock-20260101-000000-ffff-00000000"
"""A folder with a name like a run's that stands beside the runs of the fault matrix: nobody may touch or count it."""

_MEMORY = Path("/dev/shm")
_ENOUGH_BYTES = 8_000_000_000
"""Above gate G-01's floor of 5 GB, with room for what two test processes hold at a time."""


def place_for_clusters() -> Path:
    """Return a folder that every user may enter and from which programs may run."""
    try:
        found = os.statvfs(_MEMORY)
    except OSError:
        return Path("/var/tmp")
    fits = found.f_bavail * found.f_frsize >= _ENOUGH_BYTES and not found.f_flag & os.ST_NOEXEC
    return _MEMORY if fits and os.access(_MEMORY, os.W_OK) else Path("/var/tmp")


@functools.cache
def cache_for_tests() -> Path:
    """Return this process's cache folder, which is removed when it ends."""
    made = Path(tempfile.mkdtemp(prefix="drydock-cache-", dir=place_for_clusters()))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made
