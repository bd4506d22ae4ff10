"""Where Drydock's own data and the operator's folders are; reads the environment only when asked.

Never holds a secret and never creates a folder.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path

PACKAGE_FOLDER = Path(__file__).resolve().parent

SOCKET_PATH_LIMIT_BYTES = 107
"""sizeof(sun_path) - 1 on Linux (unix(7)); PostgreSQL refuses longer socket paths."""

SMALLEST_FREE_BYTES = 5_000_000_000
"""Gate G-01's floor (design section 4)."""

BOUNDARY_TIMEOUT_S = 24 * 3600
"""How long a boundary waits before it ends the run as ABORTED (design section 4)."""

DESTROY_TIMEOUT_S = 15 * 60
"""How long B-5 waits before the copy is destroyed (design section 4)."""


@functools.cache
def data_folder(name: str) -> Path:
    """Return the folder of shipped data (`sql` or `scenarios`), in a checkout or in a wheel."""
    checkout = PACKAGE_FOLDER.parent
    if (checkout / "pyproject.toml").is_file() and (checkout / name).is_dir():
        return checkout / name
    return PACKAGE_FOLDER / "data" / name


def default_runs_folder() -> Path:
    """Return the runs folder: DRYDOCK_RUNS_DIR, else the user's state folder (XDG)."""
    named = os.environ.get("DRYDOCK_RUNS_DIR")
    if named:
        return Path(named)
    return default_state_folder() / "runs"


def default_cache_folder() -> Path:
    """Return the folder of what can be made again: DRYDOCK_CACHE_DIR, else the user's cache folder (XDG)."""
    named = os.environ.get("DRYDOCK_CACHE_DIR")
    if named:
        return Path(named)
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "drydock"


def default_config_folder() -> Path:
    """Return the folder of what its user configures (XDG)."""
    config = os.environ.get("XDG_CONFIG_HOME")
    return (Path(config) if config else Path.home() / ".config") / "drydock"


def default_kept_folder() -> Path:
    """Return the folder of kept copies: DRYDOCK_KEPT_DIR, else one of this user's own in shared memory (tmpfs)."""
    named = os.environ.get("DRYDOCK_KEPT_DIR")
    return Path(named) if named else Path("/dev/shm") / f"drydock-kept-{os.geteuid()}"


def default_work_folder() -> Path:
    """Return the folder under which clusters are made: DRYDOCK_WORK_DIR, /var/tmp or the temporary folder.

    It must be short (Unix sockets live below it) and its parents open to other users when Drydock
    runs as root, because PostgreSQL then runs as another user.
    """
    named = os.environ.get("DRYDOCK_WORK_DIR")
    if named:
        return Path(named)
    import tempfile

    persistent = Path("/var/tmp")
    return persistent if os.access(persistent, os.W_OK) else Path(tempfile.gettempdir())


def default_state_folder() -> Path:
    """Return the folder of the sealing key and of the ledger: drydock in the user's state folder (XDG)."""
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "drydock"
