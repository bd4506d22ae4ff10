"""Both witnesses' files of the docker environment, mirrored to this machine as they grow.

Owns the local copies: whatever becomes of the original (shorter, replaced, gone) becomes of them, so that the
readers see it. Never reads through a shared file system.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from console.environments.docker_relay import Relay
from console.model.trace import ClientStatement
from console.witness.client import ClientTrace
from console.witness.server_log import Reading, ServerLog


class Mirror:
    """One file behind the relay and its local copy.

    What is `written_ahead` ends at its first NUL while it grows: its writer has reserved what follows.
    """

    def __init__(self, relay: Relay, *, remote: str, local: Path, written_ahead: bool = False) -> None:
        self._relay = relay
        self._remote = remote
        self.local = local
        self._identity = ""
        self._offset_bytes = 0
        self._written_ahead = written_ahead

    def fetch(self, *, to_the_end: bool = False) -> None:
        """Bring the local copy up to now; `to_the_end` with what was reserved, as much as one reading gives."""
        while True:
            told, data = self._relay.read(self._remote, self._offset_bytes)
            identity, size_bytes = str(told["identity"]), int(told["size"])
            if identity != self._identity:
                self._begin_anew(identity)
                if not identity:
                    return
                continue
            if size_bytes < self._offset_bytes:
                os.truncate(self.local, size_bytes)
                self._offset_bytes = size_bytes
                return
            written = data.partition(b"\0")[0] if self._written_ahead else data
            taken = data if to_the_end else written
            with self.local.open("ab") as file:
                file.write(taken)
            self._offset_bytes += len(taken)
            if len(written) < len(data) or not data:
                return

    def _begin_anew(self, identity: str) -> None:
        self._identity, self._offset_bytes = identity, 0
        self.local.unlink(missing_ok=True)
        if identity:
            self.local.touch(mode=0o600, exist_ok=False)


class MirroredLog(ServerLog):
    """The server witness of a copy whose log is fetched."""

    def __init__(self, mirror: Mirror) -> None:
        super().__init__(mirror.local)
        self._mirror = mirror

    def read(self, scenario: str = "") -> Reading:
        """Fetch, then read (see ServerLog)."""
        self._mirror.fetch()
        return super().read(scenario)


class MirroredTrace(ClientTrace):
    """The client witness of a harness whose trace is fetched."""

    def __init__(self, mirror: Mirror) -> None:
        super().__init__(mirror.local)
        self._mirror = mirror

    def drain(self, *, everything: bool = False) -> list[ClientStatement]:
        """Fetch, then drain (see ClientTrace)."""
        self._mirror.fetch()
        return super().drain(everything=everything)

    def finish(self) -> list[ClientStatement]:
        """Fetch what there is, then finish (see ClientTrace)."""
        self._mirror.fetch(to_the_end=True)
        return super().finish()


def fetch_quietly(mirror: Mirror) -> None:
    """Fetch where it can be had; a relay that is gone leaves what is here already."""
    with contextlib.suppress(Exception):
        mirror.fetch()
