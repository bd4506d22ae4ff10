"""The demo: a production cluster made from a pack's own SQL, and one protected neighbour beside it.

Makes two throwaway clusters under receipts of the part `demo`, so that a rehearsal can be tried with
nothing at hand; knows no pack: what production holds is in the pack's `demo/*.sql`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from console.environments.cluster import (
    PORT,
    SUPERUSER,
    Cluster,
    folder_identity,
    read_postmaster_file,
    read_system_identifier,
)
from console.environments.owner import lease_two_uids, make_folder
from console.environments.process import process_identity
from console.environments.programs import Programs
from console.errors import PackError, StepFailed
from console.model.protocols import Receipts
from console.secrets import SecretRegistry, make_password
from console.settings import default_cache_folder
from console.sources.connection import ConnectionSource, Target
from console.sources.source import Look
from console.sql import EngineConnection, Ran, run

SECRET_NAME = "demo-production-superuser"
NEIGHBOUR_SECRET_NAME = "demo-neighbour-superuser"

_OF_THE_SERVER = re.compile(
    r"(?:base|global|pg_tblspc)/(?:[\w.]+/)*(?:t\d+_)?\d+(?:_(?:fsm|vm|init))?(?:\.\d+)?"
    r"|(?:.+/)?pg_internal\.init(?:\.\d+)?|base/pgsql_tmp(?:/.*)?|pg_stat(?:_tmp)?/[\w.]+\.stat"
    r"|pg_(?:wal|xact|subtrans|serial|commit_ts|multixact/\w+)/[0-9A-F]+"
)
"""Files that a server makes by itself while it is read: relations, caches, statistics and logs (Database
File Layout in the PostgreSQL manual)."""


class DemoSource(ConnectionSource):
    """A `ConnectionSource` on a production that it makes itself."""

    kind = "demo"

    def __init__(
        self,
        *,
        folder: Path,
        programs: Programs,
        database: str,
        scripts: list[Path],
        rows: int,
        registry: SecretRegistry,
        receipts: Receipts,
        scratch: Path,
        observer: Callable[[Ran], None] | None,
    ) -> None:
        if not scripts:
            raise PackError("the pack has no demo/*.sql", remedy="name a source in a plan file")
        self._registry = registry
        self._scripts = scripts
        self._rows = rows
        self._folder = folder
        self._receipts = receipts
        self._leases = lease_two_uids(below=folder.parent)
        uid, neighbour_uid = (lease.uid if lease is not None else None for lease in self._leases)
        self.production = Cluster(
            folder=folder / "production",
            programs=programs,
            uid=uid,
            label="the demo's production",
            receipts=receipts,
            templates=default_cache_folder(),
        )
        self.neighbour = Cluster(
            folder=folder / "neighbour", programs=programs, uid=neighbour_uid, label="the demo's neighbour",
            receipts=receipts, templates=default_cache_folder(),
        )  # fmt: skip
        target = Target(
            host=str(self.production.socket_folder), port=PORT, database=database, role=SUPERUSER,
            password=lambda: registry.value(SECRET_NAME), sslmode="disable",
        )  # fmt: skip
        super().__init__(target, programs, scratch=scratch, observer=observer)

    def prepare(self) -> None:
        """Make production and neighbour, start both and fill production."""
        self._receipts.opening("folder", str(self._folder))
        make_folder(self._folder, mode=0o711 if os.geteuid() == 0 else 0o700)
        self._receipts.identified("folder", str(self._folder), folder_identity(self._folder))
        for cluster, secret in ((self.production, SECRET_NAME), (self.neighbour, NEIGHBOUR_SECRET_NAME)):
            password = make_password()
            self._registry.learn(secret, password)
            cluster.create(password)
            cluster.start()
        password = self._registry.value(SECRET_NAME)
        with self.production.connect(password=password) as connection:
            run(
                connection,
                "source/create_database",
                parts={"database": sql.Identifier(self._target.database)},
            )
        with self.production.connect(password=password, database=self._target.database) as connection:
            run(connection, "source/set_demo_rows", {"rows": str(self._rows)})
            for script in self._scripts:
                _run_script(connection, script)

    def staging_names(self) -> set[str]:
        """Return what lies in production's data folder under no name of the server's own."""
        top = str(self.production.data_folder)
        found: set[str] = set()
        for folder, below, files in os.walk(top):
            inside = "" if folder == top else f"{folder[len(top) + 1 :]}/"
            found.update(f"{inside}{name}" for name in (*below, *files))
        return {name for name in found if not _OF_THE_SERVER.fullmatch(name)}

    def look(self) -> Look:
        """Return production's identity from its files, which needs no password (a watchdog has none)."""
        return look_at_cluster(self.production.data_folder)

    def look_within(self, connection: psycopg.Connection[Any]) -> Look:
        """Return the same: a start that a session tells is no start that the files tell."""
        del connection
        return self.look()


def _run_script(connection: EngineConnection, script: Path) -> None:
    try:
        connection.execute(script.read_bytes(), prepare=False)
    except psycopg.Error as wrong:
        raise StepFailed(
            f"the pack's {script.name} fails on the demo's production: {wrong}", cause="source"
        ) from wrong


def look_at_cluster(data_folder: Path) -> Look:
    """Return the identity of a cluster on this machine, from pg_control and postmaster.pid.

    `started_at` is "pid start-epoch start-ticks" (postmaster.pid's lines 1 and 3, and the process's own),
    empty when no server runs. Raises StepFailed when there is no cluster or it may not be read.
    """
    try:
        return Look(
            system_identifier=read_system_identifier(data_folder),
            started_at=_start_of_server(read_postmaster_file(data_folder)),
            read_only=True,
        )
    except OSError as wrong:
        reason = f"the cluster in {data_folder} cannot be looked at: {wrong.strerror}"
        raise StepFailed(reason, cause="environment") from wrong


def _start_of_server(lines: list[str]) -> str:
    """A killed server leaves postmaster.pid behind, so its process must live as well."""
    if len(lines) < 3 or not lines[0].strip().isdigit():
        return ""
    identity = process_identity(int(lines[0]))
    return f"{lines[0].strip()} {lines[2].strip()} {identity.split(':')[1]}" if identity else ""
