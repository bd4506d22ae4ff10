"""A server that Drydock has never seen, and the words that lead `drydock init` to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from console.environments.cluster import Cluster

READER = "drydock_reader"


@dataclass(frozen=True, kw_only=True)
class Stranger:
    """A running server and the 0600 file with the password of a role that may read everything."""

    cluster: Cluster
    superuser_password: str
    secret: Path

    def connect(self, database: str) -> Any:
        """Open an autocommit session as the superuser (a context manager)."""
        return self.cluster.connect(password=self.superuser_password, database=database)

    def options(self, database: str, *more: str) -> list[str]:
        """Return the words of `drydock init` that lead to a database here."""
        host = str(self.cluster.socket_folder)
        reader = ["--role", READER, "--secret", f"file:{self.secret}", "--sslmode", "disable"]
        return ["--source", "connection", "--host", host, "--database", database, *reader, "--yes", *more]
