"""A source that is reached by a connection: its own read-only snapshot and pg_dump within it.

Never writes there: every session is opened with default_transaction_read_only and the snapshot's
transaction is READ ONLY. The password reaches libpq through memory or a 0600 passfile, never through
argv or an environment.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psycopg
import psycopg.conninfo

from console.environments.cluster import folder_identity
from console.environments.process import CLEAN_ENVIRONMENT
from console.environments.programs import Programs
from console.errors import StepFailed
from console.model.protocols import Abort, Receipts
from console.model.text import one_line
from console.secrets import destroy_file, write_secret_file
from console.sources.dumping import Dumping, Progress
from console.sources.source import Dumped, Look, Snapshot
from console.sql import EngineConnection, Ran, run
from console.witness.catalogue import read_identity
from console.witness.counting import SecondSession

READ_ONLY = (
    "-c default_transaction_read_only=on -c statement_timeout=0 -c lock_timeout=10s"
    " -c idle_in_transaction_session_timeout=0"
)
"""The snapshot's session waits for pg_dump and its hash; the server may not take that for forgotten."""

NO_PASSFILE = "/dev/null/none"
"""A path that cannot exist: libpq then looks into no passfile, not the operator's own either, and says nothing."""
_WORDS_CHARS = 500
TLS_MODES = ("require", "verify-ca", "verify-full")
PARALLEL_FROM_BYTES = 128 << 20
"""The size of a database from which more sessions are worth their start."""
_PACKED_SHARE = 4
"""A database of which a fourth may be compressed by the server is compressed in its dump, too."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where the source's server is. `password` is a callable, so that no repr can show it."""

    host: str
    port: int
    database: str
    role: str
    password: Callable[[], str]
    sslmode: str = "prefer"
    jobs: int = 2


class ConnectionSource:
    """Copies over a connection (design section 4: one exported snapshot for everything)."""

    kind = "connection"
    living = True

    def __init__(
        self, target: Target, programs: Programs, *, scratch: Path, observer: Callable[[Ran], None] | None
    ) -> None:
        self._target = target
        self._programs = programs
        self._scratch = scratch
        self._observer = observer
        self.snapshot_options = ""
        self.dump_travels = False
        """The dump goes on to another machine, or to an engine: then fewer bytes count for more than their making."""

    def prepare(self) -> None:
        """A connection needs nothing made, and nothing connects here (design section 4: not before B-2).

        Raises StepFailed (environment) when pg_dump cannot speak TLS and the plan asks for it.
        """
        if self._target.sslmode in TLS_MODES and not _speaks_tls(self._programs):
            raise StepFailed(
                f"{self._programs.path('pg_dump')} was built without TLS, and [source] sslmode is "
                f"{self._target.sslmode}: name a system PostgreSQL {self._programs.major} with --pg-programs",
                cause="environment",
            )

    def staging_names(self) -> set[str]:
        """Return nothing: a connection shows no files."""
        return set()

    @contextmanager
    def connect(self, options: str = "") -> Iterator[psycopg.Connection[Any]]:
        """Open one read-only autocommit session, with more of libpq's options. Raises StepFailed (source)."""
        target = self._target
        cut_off_libpq_variables()
        try:
            connection = EngineConnection.connect(
                host=target.host, port=target.port, dbname=target.database, user=target.role,
                password=target.password(), sslmode=target.sslmode, options=f"{READ_ONLY} {options}".strip(),
                autocommit=True, connect_timeout=15, application_name="drydock-engine", passfile=NO_PASSFILE,
            )  # fmt: skip
        except psycopg.OperationalError as wrong:
            reason = f"the source at {target.host}, database {target.database}, cannot be reached: {wrong}"
            raise StepFailed(one_line(reason, limit_chars=_WORDS_CHARS), cause="source") from wrong
        connection.observer = self._observer
        try:
            yield connection
        except psycopg.Error as wrong:
            place = f"the source at {target.host}, database {target.database}"
            reason = f"{place}, refuses ({wrong.sqlstate}): {wrong}"
            raise StepFailed(one_line(reason, limit_chars=_WORDS_CHARS), cause="source") from wrong
        finally:
            connection.close()

    def look(self) -> Look:
        """Return the source's identity now, from a session of its own."""
        with self.connect() as connection:
            return self.look_within(connection)

    def look_within(self, connection: psycopg.Connection[Any]) -> Look:
        """Return the source's identity now, from an open session: the one that is read is the one that is meant."""
        found = read_identity(connection)
        return Look(
            system_identifier=found.system_identifier, started_at=found.started_at, read_only=found.read_only
        )

    def database_bytes(self) -> int:
        """Return pg_database_size of the database."""
        with self.connect() as connection:
            return read_identity(connection).database_size_bytes

    def server_major(self) -> int:
        """Return the server's major version."""
        with self.connect() as connection:
            return read_identity(connection).server_version_num // 10_000

    @contextmanager
    def snapshot(self) -> Iterator[tuple[psycopg.Connection[Any], Snapshot]]:
        """Open the one read-only transaction that dump, counts and catalogue reads share.

        Its session is started with `snapshot_options`: that is how the keys of masks come to the server.
        """
        with self.connect(self.snapshot_options) as connection:
            run(connection, "source/begin_snapshot")
            found = read_identity(connection)
            large = found.database_size_bytes >= PARALLEL_FROM_BYTES
            packed_bytes = run(connection, "source/packed_bytes")[0][0] if large else 0
            name = run(connection, "source/export_snapshot")[0][0]
            yield (
                connection,
                Snapshot(
                    name=name,
                    server_version_num=found.server_version_num,
                    database_bytes=found.database_size_bytes,
                    packed_bytes=packed_bytes,
                ),
            )
            run(connection, "source/end_snapshot")

    def second_session(self, snapshot: Snapshot) -> SecondSession | None:
        """Return how a second read-only session in the open snapshot is had: it counts beside the first."""
        return SecondSession(open=self.connect, snapshot=snapshot.name)

    def dump(
        self, snapshot: Snapshot, into: Path, *, receipts: Receipts, abort: Abort, progress: Progress,
        leave_out: Sequence[str] = (),
    ) -> Dumped:  # fmt: skip
        """Let pg_dump write its archive to `into`; the hash is of what was written. `leave_out` are more words for it.

        Raises AbortRequested with pg_dump ended, StepFailed (source) when it cannot be started.
        """
        folder = self.dump_kind(snapshot) == "folder"
        passfile = self._scratch / "source.pass"
        receipts.opening("file", str(passfile))
        write_secret_file(passfile, self._passfile_line())
        identity = folder_identity(passfile)
        receipts.identified("file", str(passfile), identity)
        dumping = Dumping(
            program=self._programs.path("pg_dump"), dbname=self._conninfo(passfile),
            name=f"pg_dump of {self._target.database}", more=(f"--snapshot={snapshot.name}", *leave_out),
            scratch=self._scratch, receipts=receipts, abort=abort, progress=progress,
        )  # fmt: skip
        try:
            if not folder:
                return dumping.into_file(into)
            plain_bytes = 0 if self.dump_travels else _plain_bytes(snapshot)
            return dumping.into_folder(into, jobs=self._target.jobs, plain_bytes=plain_bytes)
        finally:
            destroy_file(passfile)
            receipts.closed("file", str(passfile), identity=identity, how="overwritten and removed")

    def dump_kind(self, snapshot: Snapshot) -> Literal["file", "folder"]:
        """Return what the dump will be: a large database is read by several sessions, which takes a folder."""
        several = self._target.jobs > 1 and snapshot.database_bytes >= PARALLEL_FROM_BYTES
        return "folder" if several else "file"

    def _passfile_line(self) -> str:
        """One line for whatever is asked: libpq calls the default socket folder localhost (libpq, 34.16)."""
        return f"*:*:*:*:{_escaped(self._target.password())}\n"

    def _conninfo(self, passfile: Path) -> str:
        target = self._target
        return psycopg.conninfo.make_conninfo(
            "", host=target.host, port=target.port, dbname=target.database, user=target.role,
            passfile=str(passfile), sslmode=target.sslmode, options=READ_ONLY,
            application_name="drydock-engine",
        )  # fmt: skip


def _plain_bytes(snapshot: Snapshot) -> int:
    """Return up to how many bytes a dump is not compressed: what unpacks to many times its size is from the start.

    G-01 has asked for three times the database: for the dump, the copy, and what comes with it.
    """
    packed = snapshot.packed_bytes * _PACKED_SHARE >= snapshot.database_bytes
    return 0 if packed else snapshot.database_bytes


def cut_off_libpq_variables() -> None:
    """Take every PG* variable out of this process: PGHOSTADDR would lead elsewhere (libpq, 34.15)."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]


def _speaks_tls(programs: Programs) -> bool:
    """Tell whether pg_dump's libpq has TLS, by its refusal of the option; connects to nothing."""
    asked = "host=/dev/null/nowhere sslmode=require"
    said = subprocess.run(
        [programs.path("pg_dump"), "--no-password", f"--dbname={asked}"],
        env=CLEAN_ENVIRONMENT, capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    return "SSL support is not compiled in" not in said.stderr


def _escaped(field: str) -> str:
    """Return a passfile field (libpq, The Password File: backslash escapes colon and backslash)."""
    return field.replace("\\", "\\\\").replace(":", "\\:")
